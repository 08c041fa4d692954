"""Installs the operator's chart into the test bed's cluster by Helm; it knows no template."""

from hack import tools
from hack.cluster import Cluster
from hack.commands import run
from hack.console import step
from hack.failure import Failure
from hack.places import ROOT

NAMESPACE = "utilitarian-system"
RELEASE = "utilitarian-operator"
CHART = ROOT / "charts" / "utilitarian-operator"


def install(cluster: Cluster, image: str) -> None:
    """Install or upgrade the release with this image, and wait until the operator is ready.

    Raises:
        Failure: it does not get ready; carries the state of its pods.
    """
    repository, tag = image.rsplit(":", 1)
    values = {"image.repository": repository, "image.tag": tag, "image.pullPolicy": "IfNotPresent"}
    options = [part for name, value in values.items() for part in ("--set-string", f"{name}={value}")]
    with step("installing the operator with Helm"):
        try:
            _helm(
                cluster,
                "upgrade",
                "--install",
                RELEASE,
                CHART,
                "--create-namespace",
                *options,
                "--wait",
                "--timeout=120s",
            )
        except Failure as failure:
            raise Failure(f"{failure}\n{_state(cluster)}") from None


def _state(cluster: Cluster) -> str:
    pods = cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "wide")
    try:
        return pods + cluster.kubectl("logs", "-n", NAMESPACE, "--tail=30", f"deployment/{RELEASE}")
    except Failure as silent:
        return f"{pods}{silent}"


def uninstall(cluster: Cluster) -> None:
    """Remove the release, if it is there; the CRD stays, as the chart says."""
    _helm(cluster, "uninstall", RELEASE, "--ignore-not-found", "--wait")


def _helm(cluster: Cluster, *arguments: object) -> None:
    where = ("--kubeconfig", cluster.kubeconfig, "--kube-context", cluster.context, "--namespace", NAMESPACE)
    run(tools.program("helm"), *(str(argument) for argument in arguments), *where)
