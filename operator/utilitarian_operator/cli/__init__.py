"""The command line; all commands but `run` work without kopf."""

from typing import Annotated

import typer

from utilitarian_operator import __version__
from utilitarian_operator.cli import commands, run

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(run.run)
app.command()(commands.plan)
app.command()(commands.explain)
app.command()(commands.status)
app.command()(commands.simulate)
app.command()(commands.crd)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Run the Celery workers of Utilitarian on Kubernetes."""
    del version


def main() -> None:
    """Entry point of the command `utilitarian-operator`."""
    app()
