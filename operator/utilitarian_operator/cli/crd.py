"""`utilitarian-operator crd`: prints the CustomResourceDefinition that the models generate."""

import typer


def crd() -> None:
    """Print the CustomResourceDefinition as YAML, to be piped into `kubectl apply --server-side -f -`."""
    from utilitarian_operator.api.generated.crd import crd_yaml

    typer.echo(crd_yaml(), nl=False)
