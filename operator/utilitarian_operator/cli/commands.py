"""The commands with their options; each imports what it needs when it is called, so that `--help` comes at once."""

from pathlib import Path
from typing import Annotated

import typer

from utilitarian_operator.cli.connection import Target
from utilitarian_operator.cli.options import (
    Context,
    Everywhere,
    File,
    FleetName,
    Kubeconfig,
    Labels,
    Namespace,
    Output,
    PoolName,
    Watch,
)
from utilitarian_operator.cli.output import Format, Shape


def plan(  # noqa: PLR0913 - one parameter an option
    filename: Annotated[
        Path, typer.Option("-f", "--filename", help="File with the UtilitarianWorkerPool; - is stdin.")
    ],
    fleet: FleetName = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Compare with the cluster, KUBECONFIG set or not.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no cluster, even with KUBECONFIG set.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if something would change.")] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what a UtilitarianWorkerPool would make, without making any of it.

    Without a cluster: the pools with all defaults, and the objects (-o yaml prints them). With one (--live,
    --kubeconfig, --context, or KUBECONFIG set): also what would change there, as the API server itself sees it (a dry
    run), and how many workers the rules would ask for now. It never changes anything.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 the file or the options are wrong, each problem is printed;
    3 something would change, with --exit-code.
    """
    from utilitarian_operator.cli import plan as command

    target = Target(kubeconfig, context, namespace)
    command.plan(filename, fleet, target, output, live=live, offline=offline, exit_code=exit_code)


def explain(  # noqa: PLR0913 - one parameter an option
    pool: PoolName,
    fleet: FleetName = None,
    filename: File = None,
    namespace: Namespace = None,
    selector: Labels = "",
    *,
    watch: Watch = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Format.TABLE,
) -> None:
    """Say why a pool has its size, what would change it, what it costs, and what could be better.

    All of it comes from the resource and its status, live or saved in a file: the broker is not asked. Figures in the
    status are at most 30 seconds old while the operator runs.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 there is no such file, fleet or pool.
    """
    from utilitarian_operator.cli import explain as command

    target = Target(kubeconfig, context, namespace)
    command.explain(pool, fleet, filename, target, output, selector, watch=watch)


def status(  # noqa: PLR0913 - one parameter an option
    fleet: FleetName = None,
    filename: File = None,
    namespace: Namespace = None,
    *,
    selector: Labels = "",
    everywhere: Everywhere = False,
    watch: Watch = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the pools of each fleet: workers ready and wanted, backlog, tasks running, next run, and why.

    All of it comes from the resources and their status, live or saved in a file: the broker is not asked. A ? stands
    for what the operator could not see. Whether an operator is at work is read from its Lease, where that may be read.

    Exit codes: 0 done; 1 the cluster can't be asked; 2 there is no such file or fleet.
    """
    from utilitarian_operator.cli import status as command

    target = Target(kubeconfig, context, namespace)
    command.status(fleet, filename, target, output, selector, everywhere=everywhere, watch=watch)


def simulate(  # noqa: PLR0913 - one parameter an option
    filename: Annotated[
        Path, typer.Option("-f", "--filename", help="File with the UtilitarianWorkerPool; - is stdin.")
    ],
    load: Annotated[Path, typer.Option("--load", help="Load file: what comes when, and how long it takes.")],
    fleet: FleetName = None,
    *,
    days: Annotated[float | None, typer.Option(min=0.01, max=400, help="Days to play; else the file's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random: the same seed, the same tasks.")] = 1,
    against: Annotated[
        str,
        typer.Option(help="Other policies: keda, keda-tuned, keda-amqp, hpa, fixed:N, oracle; comma-separated."),
    ] = "",
    sweep: Annotated[
        str | None, typer.Option(help="Try values of a field: pools.NAME.scaling.drainWithin=1m,5m,30m.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="Of a worker-hour, 0.05; or of a requested core and GiB: cpu=0.03,memory=0.004.")
    ] = None,
    currency: Annotated[str, typer.Option(help="Of the price, as it is to be printed.")] = "",
    advise: Annotated[
        bool, typer.Option("--advise", help="Try what lowers the bill with every promise kept; takes minutes.")
    ] = False,
    advise_within: Annotated[
        str, typer.Option(help="With --advise: for so long the next pool is begun; those not tried are named.")
    ] = "10m",
    write: Annotated[
        Path | None, typer.Option(help="With --advise: write the resource with all that was found to this file.")
    ] = None,
    output: Annotated[Shape, typer.Option("-o", "--output", help="Format of the report.")] = Shape.TABLE,
) -> None:
    """Play a UtilitarianWorkerPool over a load, with the operator's own rules, and show what it would cost and keep.

    Beside it, if asked for, the same tasks under other policies: KEDA with its HPA, with its defaults or as an expert
    sets them, the HPA alone, a fixed number of workers, and an oracle that knows the future. docs/simulate.md
    describes the load file and the models.

    Exit codes: 0 done; 2 the resource, the load or the options are wrong: the line and the reason are printed; 3 done,
    and a run of this resource missed its deadline.
    """
    from utilitarian_operator.cli import simulate as command

    wishes = command.Wishes(days, seed, against, sweep, price, currency, advise, advise_within, write)
    command.simulate(filename, load, fleet, output, wishes)


def crd() -> None:
    """Print the CustomResourceDefinition as YAML, to be piped into `kubectl apply --server-side -f -`."""
    from utilitarian_operator.api.generated.crd import crd_yaml

    typer.echo(crd_yaml(), nl=False)
