"""How one operator process runs, read once from its command line and environment."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from utilitarian_operator.adapters.broker.bounded.reach import ROUTED, Reach
from utilitarian_operator.adapters.intervals import (
    INTERVALS,
    Intervals,
)
from utilitarian_operator.api.patience import PATIENCE, Patience
from utilitarian_operator.api.price import Price
from utilitarian_operator.api.validation.pod_security import BASELINE, Allowances
from utilitarian_operator.host.serving.connections import ANY


@dataclass(frozen=True, slots=True)
class Admission:
    """How the admission webhook is served.

    Args:
        namespace, secret: of the Secret with its certificate (`tls.crt`, `tls.key`, `ca.crt`).
        names: DNS names or addresses that the API server calls it by.
        configuration: the ValidatingWebhookConfiguration that is to trust the certificate; given, the operator makes
            the certificate itself. None: another program, such as cert-manager, sees to both.
        port: that it listens on; 0 for any free one.
    """

    namespace: str
    secret: str
    names: tuple[str, ...]
    configuration: str | None = None
    port: int = 9443


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one operator process.

    Args:
        namespaces: watched; empty is all.
        namespace_selector: works in those namespaces alone whose labels it chooses, as `kubectl get -l` takes it; None:
            all that are watched.
        tick: time between two looks at the same fleet.
        resync: longest time between two full lists, which find what a watch has missed.
        metrics_port: of /metrics; 0 for any free port.
        health_port: of /healthz; 0 for any free port.
        host: address that both listen on; the chart's NetworkPolicy may narrow who reaches it.
        lease_namespace: where the leader's Lease is; None runs without an election (by hand, or in a test).
        lease: its name: replicas that share it are one operator, of which one works.
        instance: this process' name in the Lease and in events.
        admission: of the webhook; None has none.
        patience: how long symptoms must last before they count.
        intervals: between two readings of the same thing of a broker.
        allowances: what pods of fleets may ask for beyond the Pod Security baseline.
        reach: which addresses brokers may have.
        price: of a worker-hour, for the metrics of money; None has none.
        memory: bytes that the process may have; None where nothing limits it.
        traces_endpoint: the URL that traces are sent to; None makes none.
        kubeconfig: None takes KUBECONFIG, the default file or the pod's service account.
    """

    namespaces: tuple[str, ...] = ()
    namespace_selector: str | None = None
    tick: timedelta = timedelta(seconds=1)
    resync: timedelta = timedelta(minutes=5)
    metrics_port: int = 8080
    health_port: int = 8081
    host: str = ANY
    lease_namespace: str | None = None
    lease: str = "utilitarian-operator"
    instance: str = "utilitarian-operator"
    admission: Admission | None = None
    patience: Patience = PATIENCE
    intervals: Intervals = INTERVALS
    allowances: Allowances = BASELINE
    reach: Reach = ROUTED
    price: Price | None = None
    memory: int | None = None
    traces_endpoint: str | None = None
    kubeconfig: Path | None = None
