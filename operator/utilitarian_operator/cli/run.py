"""`utilitarian-operator run`: reads the settings once and runs the operator until a signal."""

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from utilitarian_operator.adapters.broker.bounded.reach import Reach
from utilitarian_operator.api.units import parse_duration, parse_quantity
from utilitarian_operator.errors import LeadershipLost, OperatorError
from utilitarian_operator.host import logs

if TYPE_CHECKING:
    from utilitarian_operator.api.price import Price
    from utilitarian_operator.api.validation.pod_security import Allowances
    from utilitarian_operator.host.settings import Admission, Settings

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
SHORTEST_TICK = timedelta(milliseconds=100)
LONGEST_TICK = timedelta(seconds=30)
"""Much less than what `/healthz` takes for a process that is stuck."""
LEAST_MEMORY = 128 * 2**20
"""Bytes; with all its libraries the process takes 90 MiB before it has read any object."""
_NAME = r"(?![A-Za-z0-9_.-]{64})[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
_KEY = rf"((?![a-z0-9.-]{{254}})[a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?{_NAME}"
_VALUE = rf"({_NAME})?"
_TERM = rf"\s*(!\s*{_KEY}|{_KEY}(\s*(=|==|!=)\s*{_VALUE}|\s+(in|notin)\s*\(\s*{_VALUE}(\s*,\s*{_VALUE})*\s*\))?)\s*"
SELECTOR = re.compile(rf"{_TERM}(,{_TERM})*", re.ASCII)
"""As `kubectl get -l` takes it, with the lengths that labels have; numbers (`>`, `<`) are left out."""

LEADERSHIP_LOST = 75
"""Exit code after the Lease was lost (EX_TEMPFAIL): nothing is wrong with this process, start it again."""


class Level(StrEnum):
    """Log levels."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Format(StrEnum):
    """Formats of log lines."""

    TEXT = "text"
    JSON = "json"


def _env(name: str) -> str:
    return f"UTILITARIAN_OPERATOR_{name}"


AdmissionSecret = Annotated[
    str | None,
    typer.Option(envvar=_env("ADMISSION"), help="Serve the webhook with the certificate of this NAMESPACE/SECRET."),
]
AdmissionNames = Annotated[
    list[str] | None,
    typer.Option(envvar=_env("ADMISSION_NAME"), help="DNS name that the webhook is called by; repeatable."),
]
AdmissionConfiguration = Annotated[
    str | None,
    typer.Option(
        envvar=_env("ADMISSION_CONFIGURATION"),
        help="Make the certificate, and have this ValidatingWebhookConfiguration trust it.",
    ),
]
MetricsPort = Annotated[
    int, typer.Option(envvar=_env("METRICS_PORT"), min=0, max=65535, help="Port of /metrics; 0 for a free one.")
]
HealthPort = Annotated[
    int, typer.Option(envvar=_env("HEALTH_PORT"), min=0, max=65535, help="Port of /healthz; 0 for a free one.")
]
AdmissionPort = Annotated[
    int, typer.Option(envvar=_env("ADMISSION_PORT"), min=0, max=65535, help="Port of the webhook.")
]


Allow = Annotated[
    list[str] | None,
    typer.Option(
        envvar=_env("ALLOW"),
        help="Let pods ask for this beyond the Pod Security baseline: hostPath, or NAMESPACE/hostPath; repeatable.",
    ),
]


Namespaces = Annotated[
    list[str] | None,
    typer.Option(envvar=_env("NAMESPACE"), help="Watch this namespace; repeatable. All unless given."),
]
NamespaceSelector = Annotated[
    str,
    typer.Option(
        envvar=_env("NAMESPACE_SELECTOR"),
        help="Work in those namespaces alone whose labels this selector chooses, as kubectl get -l takes it: several "
        "operators share a cluster so. All unless given.",
    ),
]
Tick = Annotated[str, typer.Option(envvar=_env("TICK"), help="Time between two looks at a fleet, 100ms to 30s.")]
LinkLocal = Annotated[
    bool, typer.Option(envvar=_env("LINK_LOCAL"), help="Let brokers have link-local and metadata addresses.")
]
LeaseNamespace = Annotated[
    str | None,
    typer.Option(envvar=_env("LEASE_NAMESPACE"), help="Namespace of the Lease; unless given that of the own pod."),
]
LeaseName = Annotated[
    str, typer.Option(envvar=_env("LEASE"), help="Name of the Lease that all replicas of this operator share.")
]
PriceText = Annotated[
    str,
    typer.Option(
        envvar=_env("PRICE"),
        help="For metrics of money: of a worker-hour, 0.05; or of what is requested an hour: cpu=0.03,memory=0.004 "
        "(core, GiB).",
    ),
]
Currency = Annotated[str, typer.Option(envvar=_env("CURRENCY"), help="Of the price, like EUR.")]
Memory = Annotated[
    str,
    typer.Option(
        envvar=_env("MEMORY"),
        help="Memory that the process may have, like 512Mi: a namespace whose objects take too much of it gives way. "
        "128Mi at least; unlimited unless given.",
    ),
]
TracesEndpoint = Annotated[
    str,
    typer.Option(
        envvar=_env("TRACES_ENDPOINT"),
        help="Send traces there: URL of a collector that takes OTLP over HTTP, http://HOST:4318. None unless given.",
    ),
]
LogLevel = Annotated[Level, typer.Option(envvar=_env("LOG_LEVEL"), help="Least level that is logged.")]
LogFormat = Annotated[Format, typer.Option(envvar=_env("LOG_FORMAT"), help="text or json.")]


def run(  # noqa: PLR0913 - each is an option of the command
    namespace: Namespaces = None,
    namespace_selector: NamespaceSelector = "",
    tick: Tick = "1s",
    metrics_port: MetricsPort = 8080,
    health_port: HealthPort = 8081,
    admission: AdmissionSecret = None,
    admission_name: AdmissionNames = None,
    admission_configuration: AdmissionConfiguration = None,
    admission_port: AdmissionPort = 9443,
    allow: Allow = None,
    link_local: LinkLocal = False,  # noqa: FBT002 - an option of the command
    lease_namespace: LeaseNamespace = None,
    lease: LeaseName = "utilitarian-operator",
    price: PriceText = "",
    currency: Currency = "",
    memory: Memory = "",
    traces_endpoint: TracesEndpoint = "",
    log_level: LogLevel = Level.INFO,
    log_format: LogFormat = Format.TEXT,
) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Exit codes: 0 stopped by a signal; 1 it can't run, the reason is printed; 75 another replica took the Lease.
    """
    from utilitarian_operator.host.settings import Settings

    logs.configure(log_level, as_json=log_format is Format.JSON)
    with _exit_codes():
        settings = Settings(
            **_where(namespace, namespace_selector, lease_namespace or _own_namespace()),
            tick=_tick(tick),
            metrics_port=metrics_port,
            health_port=health_port,
            lease=lease,
            reach=Reach(link_local=link_local),
            instance=os.environ.get("POD_NAME") or socket.gethostname(),
            allowances=_allowances(allow or []),
            admission=_admission(admission, admission_name or [], admission_configuration, admission_port),
            price=_price(price, currency),
            memory=_memory(memory),
            traces_endpoint=_traces_endpoint(traces_endpoint),
        )
        _until_signal(settings)


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except LeadershipLost as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(LEADERSHIP_LOST) from error
    except (OperatorError, typer.BadParameter) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _tick(text: str) -> timedelta:
    try:
        tick = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"--tick: {error}") from error
    if tick < SHORTEST_TICK:
        raise typer.BadParameter(f"--tick: {text} is too short: use 100ms or more")
    if tick > LONGEST_TICK:
        raise typer.BadParameter(f"--tick: {text} is too long: use 30s or less")
    return tick


def _where(namespaces: list[str] | None, selector: str, lease_namespace: str | None) -> dict[str, Any]:
    """The settings that say where it works."""
    about = "--namespace-selector"
    if selector and namespaces:
        raise typer.BadParameter(f"{about}: --namespace names the namespaces already: leave one of both out")
    if selector and lease_namespace is None:
        raise typer.BadParameter(f"{about}: operators that share a cluster agree by Leases: give --lease-namespace too")
    if selector and not SELECTOR.fullmatch(selector):
        raise typer.BadParameter(
            f"{about}: {selector} is no selector of labels: write it like utilitarian.io/shard=a, or "
            "'!utilitarian.io/shard' for the namespaces without that label"
        )
    where = {"namespaces": tuple(namespaces or ()), "lease_namespace": lease_namespace}
    return where | {"namespace_selector": selector or None}


def _allowances(words: list[str]) -> "Allowances":
    from utilitarian_operator.api.validation.pod_security import Allowances

    try:
        return Allowances.read(words)
    except ValueError as error:
        raise typer.BadParameter(f"--allow: {error}") from error


def _price(text: str, currency: str) -> "Price | None":
    from utilitarian_operator.api.price import read_price

    return read_price(text, currency) if text else None


def _memory(text: str) -> int | None:
    if not text:
        return None
    try:
        memory = int(parse_quantity(text))
    except ValueError as error:
        raise typer.BadParameter(f"--memory: {error}") from error
    if memory < LEAST_MEMORY:
        raise typer.BadParameter(
            f"--memory: {text} is less than the process itself takes, so every namespace would be left alone: use "
            f"{LEAST_MEMORY // 2**20}Mi or more (resources.limits.memory of the chart)"
        )
    return memory


def _traces_endpoint(text: str) -> str | None:
    from utilitarian_operator.adapters.traces import checked

    return checked(text) if text else None


def _admission(secret: str | None, names: list[str], configuration: str | None, port: int) -> "Admission | None":
    from utilitarian_operator.host.settings import Admission

    if secret is None:
        return None
    namespace, separator, name = secret.partition("/")
    if not (namespace and separator and name):
        raise typer.BadParameter(f"--admission: {secret} is no Secret: write NAMESPACE/NAME")
    if configuration and not names:
        raise typer.BadParameter("--admission-configuration: a certificate needs a name: give --admission-name too")
    return Admission(namespace, name, tuple(names), configuration, port)


def _until_signal(settings: "Settings") -> None:
    import asyncio

    from utilitarian_operator.host import wiring

    # Celery's client library would prefer it to the URL that a resource names.
    os.environ.pop("CELERY_BROKER_URL", None)
    asyncio.run(wiring.run(settings, asyncio.Event()))


def _own_namespace() -> str | None:
    """The pod's namespace, where the Lease is; None outside a cluster, where there is one operator alone."""
    return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() if SERVICE_ACCOUNT_NAMESPACE.exists() else None
