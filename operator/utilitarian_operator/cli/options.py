"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from utilitarian_operator.cli import completion
from utilitarian_operator.cli.output import Format

Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar="KUBECONFIG", help="Kubeconfig file; ~/.kube/config or the pod's own unless given."),
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig; its current one unless given.")]
Namespace = Annotated[
    str | None, typer.Option("-n", "--namespace", help="Namespace; the context's unless given, else default.")
]
File = Annotated[
    Path | None,
    typer.Option("-f", "--filename", help="Read a saved resource (kubectl get -o yaml) instead; - is stdin."),
]
FleetName = Annotated[
    str | None, typer.Option("--fleet", help="Name of the UtilitarianWorkerPool.", autocompletion=completion.fleets)
]
PoolName = Annotated[str, typer.Argument(help="Name of the pool.", autocompletion=completion.pools)]
Labels = Annotated[str, typer.Option("-l", "--selector", help="Only fleets with these labels, as kubectl has it.")]
Everywhere = Annotated[bool, typer.Option("-A", "--all-namespaces", help="Fleets of all namespaces.")]
Watch = Annotated[bool, typer.Option("-w", "--watch", help="Look each two seconds, until Ctrl-C.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Let the API server check the change, and change nothing.")]
Output = Annotated[Format, typer.Option("-o", "--output", help="Format of the answer.")]
