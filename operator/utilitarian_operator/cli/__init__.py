"""The command line; all commands but `run` work without kopf."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from utilitarian_operator import __version__
from utilitarian_operator.cli import commands, run
from utilitarian_operator.cli.hands import commands as by_hand

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.run)
app.command()(commands.plan)
app.command()(commands.explain)
app.command()(commands.status)
app.command()(by_hand.top)
app.command()(by_hand.events)
app.command()(by_hand.doctor)
app.command()(by_hand.report)
app.command(epilog=by_hand.ENDS)(by_hand.scale)
app.command(epilog=by_hand.ENDS)(by_hand.drain)
app.command(epilog=by_hand.ENDS)(by_hand.pause)
app.command(epilog=by_hand.ENDS)(by_hand.resume)
app.command(epilog=by_hand.ENDS)(by_hand.run_now)
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
    """Entry point of `utilitarian-operator`, and of `kubectl-utilitarian`, which is `kubectl utilitarian` to people."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of a smaller alphabet is no error
    is_plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    app(prog_name="kubectl utilitarian" if is_plugin else None)


def complete_for_kubectl() -> None:
    """Entry point of `kubectl_complete-utilitarian`, which kubectl asks after the Tab key: one proposal a line.

    The last line is what cobra, kubectl's library for commands, wants to know: that no names of files are proposed.
    """
    words = sys.argv[1:]
    os.environ |= {
        "_UTILITARIAN_OPERATOR_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["utilitarian-operator", *words]),
        "COMP_CWORD": str(len(words)),
    }
    with contextlib.suppress(SystemExit):
        app(prog_name="utilitarian-operator")
    typer.echo(":4")
