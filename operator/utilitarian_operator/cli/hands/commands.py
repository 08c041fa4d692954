"""The hands with their options; each imports what it needs when it is called, so that `--help` comes at once."""

from pathlib import Path
from typing import Annotated

import typer

from utilitarian_operator.cli import completion
from utilitarian_operator.cli.connection import Target
from utilitarian_operator.cli.options import (
    Context,
    DryRun,
    Everywhere,
    FleetName,
    Kubeconfig,
    Labels,
    Namespace,
    Output,
    PoolName,
    Watch,
)
from utilitarian_operator.cli.output import Format

ENDS = (
    "It acts through the resource alone, so that who keeps it in Git sees what was done. "
    "Exit codes: 0 done; 1 the cluster can't be asked, or refuses; 2 there is no such fleet or pool, or a wrong value."
)


def scale(  # noqa: PLR0913 - one parameter an option
    pool: PoolName,
    workers: Annotated[str, typer.Argument(metavar="N|auto", help="Number of workers; auto leaves it to the rules.")],
    length: Annotated[str, typer.Option("--for", help="For how long: 90s, 2h, 1h30m; then the rules decide again.")] = (
        "1h"
    ),
    fleet: FleetName = None,
    selector: Labels = "",
    *,
    dry_run: DryRun = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Give a pool a number of workers for a while, whatever the rules say.

    Sets the annotation utilitarian.io/override.POOL, with its end. Workers above the number finish what they hold and
    go then; maxWorkers of the fleet still counts.
    """
    from utilitarian_operator.cli.hands import numbers
    from utilitarian_operator.cli.hands.steering import Wish

    numbers.scale(Wish(Target(kubeconfig, context, namespace), fleet, pool, selector, dry_run), workers, length)


def drain(  # noqa: PLR0913 - one parameter an option
    pool: PoolName,
    length: Annotated[str, typer.Option("--for", help="For how long no worker comes: 90s, 2h, 1h30m.")] = "1h",
    fleet: FleetName = None,
    selector: Labels = "",
    *,
    dry_run: DryRun = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Have all workers of a pool finish what they hold and go, and let none come for a while.

    The same as scale POOL 0. No task is lost: a worker goes when it holds nothing. What is sent meanwhile waits.
    """
    from utilitarian_operator.cli.hands import numbers
    from utilitarian_operator.cli.hands.steering import Wish

    numbers.drain(Wish(Target(kubeconfig, context, namespace), fleet, pool, selector, dry_run), length)


def pause(  # noqa: PLR0913 - one parameter an option
    length: Annotated[
        str | None, typer.Option("--for", help="For how long: 90s, 2h, 1h30m; until resume unless given.")
    ] = None,
    fleet: FleetName = None,
    selector: Labels = "",
    *,
    dry_run: DryRun = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Leave the number of workers of each pool of a fleet as it is; beat and templates go on.

    With --for by the annotation utilitarian.io/paused, which has its end; without it by spec.mode: Paused.
    """
    from utilitarian_operator.cli.hands import pauses
    from utilitarian_operator.cli.hands.steering import Wish

    where = Target(kubeconfig, context, namespace)
    pauses.pause(Wish(where, fleet, selector=selector, dry_run=dry_run), length)


def resume(
    fleet: FleetName = None,
    selector: Labels = "",
    *,
    dry_run: DryRun = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """End a pause, whichever way it began: the rules decide again."""
    from utilitarian_operator.cli.hands import pauses
    from utilitarian_operator.cli.hands.steering import Wish

    pauses.resume(Wish(Target(kubeconfig, context, namespace), fleet, selector=selector, dry_run=dry_run))


def run_now(  # noqa: PLR0913 - one parameter an option
    pool: PoolName,
    run: Annotated[
        str | None,
        typer.Argument(help="Name of the run; the pool's only one unless given.", autocompletion=completion.runs),
    ] = None,
    fleet: FleetName = None,
    selector: Labels = "",
    *,
    dry_run: DryRun = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Open a run of a pool now, as if its schedule began: with its workers, its deadline and its record.

    Sets the annotation utilitarian.io/run-now.POOL. The tasks themselves are the application's to send: the operator
    sends none, and Celery's beat sends no entry before its time.
    """
    from utilitarian_operator.cli.hands import run_now as hand
    from utilitarian_operator.cli.hands.steering import Wish

    hand.run_now(Wish(Target(kubeconfig, context, namespace), fleet, pool, selector, dry_run), run)


def events(  # noqa: PLR0913 - one parameter an option
    pool: Annotated[
        str | None,
        typer.Argument(help="Name of a pool; the whole fleet unless given.", autocompletion=completion.pools),
    ] = None,
    fleet: FleetName = None,
    namespace: Namespace = None,
    *,
    selector: Labels = "",
    watch: Watch = False,
    last: Annotated[int, typer.Option("--last", min=0, max=5000, help="At most so many, the newest; 0: all.")] = 50,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the events of a fleet and its objects: what was scaled, drained and made, and what went wrong.

    The newest comes last. Kubernetes keeps events for an hour, unless it is set otherwise.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 there is no such fleet or pool.
    """
    from utilitarian_operator.cli.hands import events as hand

    target = Target(kubeconfig, context, namespace)
    hand.events(pool, fleet, target, output, selector=selector, watch=watch, last=last)


def top(  # noqa: PLR0913 - one parameter an option
    fleet: FleetName = None,
    namespace: Namespace = None,
    *,
    selector: Labels = "",
    everywhere: Everywhere = False,
    once: Annotated[bool, typer.Option("--once", help="One look, and no more.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show the pools of fleets live: backlog and its way, workers, next run, promise kept, and why.

    Pools with work or workers come first. It fits the terminal, and looks each two seconds until Ctrl-C. KEPT says
    whether the work that is there starts within drainWithin, or a run is done by its deadline, with the workers that
    are asked for.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 there is no such fleet.
    """
    from utilitarian_operator.cli.hands import top as hand

    hand.top(fleet, Target(kubeconfig, context, namespace), selector=selector, everywhere=everywhere, once=once)


def doctor(
    fleet: FleetName = None,
    namespace: Namespace = None,
    selector: Labels = "",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Format.TABLE,
) -> None:
    """Look for what keeps you, the operator or a fleet from working, and say the remedy of each.

    The API server and your rights there, clocks, versions, whether an operator is at work, what it says of the broker
    and of the fleet, and images. Nothing is changed. The broker is not asked: what the operator sees of it counts.

    Exit codes: 0 all is well; 1 the cluster can't be asked; 2 there is no such fleet; 3 something is wrong.
    """
    from utilitarian_operator.cli.hands import doctor as hand

    hand.doctor(fleet, Target(kubeconfig, context, namespace), output, selector)


def report(
    fleet: FleetName = None,
    namespace: Namespace = None,
    selector: Labels = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="Where to write it: a new file; utilitarian-report-TIME.tar.gz else.")
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Write a bundle for support: resources, status, decisions, events, objects, the operator's log, versions.

    What may be secret is left out: values of variables, words of commands, logins in URLs. Secrets and ConfigMaps, and
    logs of workers, are not read. Look through it before you give it away.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 there is no such fleet, or the file can't be written.
    """
    from utilitarian_operator.cli.hands import report as hand

    hand.report(fleet, Target(kubeconfig, context, namespace), file, selector)
