"""`utilitarian-operator crd`: prints the CustomResourceDefinition that the models generate."""

import typer


def crd() -> None:
    """Print the CustomResourceDefinition as YAML, to be piped into `kubectl apply --server-side -f -`."""
    from utilitarian_operator.api.crd import crd_yaml  # noqa: PLC0415 - the other commands start faster without it

    typer.echo(crd_yaml(), nl=False)
