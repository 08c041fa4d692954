"""Makes and removes the kind cluster, and gets images into a cluster; it installs nothing in it."""

import json
import os
import tempfile
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hack import node_image, preflight, registry, tools
from hack.archive import without
from hack.commands import run, succeeds
from hack.console import step
from hack.engine import Engine
from hack.failure import Failure
from hack.places import BUILD, ROOT, cache, key_of

KUBECONFIG = BUILD / "kubeconfig"
READY_WITHIN = "120s"
CREATE_TRIES = 3
SLOW_NODE = "could not find a log line that matches"
"""What kind says of a node whose system took longer than kind waits; it has taken the nodes away again."""
MOST_WORKERS = 4
SHARED = "/shared"
"""A folder that all nodes of a cluster with workers have in common: where volumes are that follow a pod."""

WORKER_LABEL = {"utilitarian.io/worker": "true"}
WORKER_TAINT = {"key": "utilitarian.io/worker", "effect": "NoSchedule"}
"""Of workers: only who tolerates it goes there, so that a test may take one away."""

NODE_PORTS = {"amqp": 30672, "management": 31672, "prometheus": 31692}
# Ours is one node with a plain bridge and no Docker networking; see node-image.
KUBELET_PATCH = """kind: KubeletConfiguration
failSwapOn: false
failCgroupV1: false
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
resolvConf: /kind/resolv.conf
"""
# By default a node that falls silent is called lost after 50 s; a test that silences one would only wait.
LOSS_PATCHES = [
    """kind: ClusterConfiguration
controllerManager:
  extraArgs:
    node-monitor-grace-period: 12s
    node-monitor-period: 1s
""",
    """kind: KubeletConfiguration
nodeLeaseDurationSeconds: 8
nodeStatusUpdateFrequency: 2s
""",
]


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers, by its kubeconfig; `name` is kind's, empty for one that was there."""

    kubeconfig: Path
    context: str
    name: str = ""
    workers: int = 0

    @property
    def node(self) -> str:
        """The container that is the control plane, and the only node unless there are workers."""
        return f"{self.name}-control-plane"

    @property
    def nodes(self) -> list[str]:
        """The containers of all nodes."""
        return [
            self.node,
            *(f"{self.name}-worker{number if number > 1 else ''}" for number in range(1, self.workers + 1)),
        ]

    def kubectl(self, *arguments: str | Path, feed: str | None = None, within: float | None = 120) -> str:
        """Run kubectl against it and return its output."""
        command = (tools.program("kubectl"), "--kubeconfig", self.kubeconfig, "--context", self.context)
        return run(*command, *arguments, feed=feed, within=within)


def name() -> str:
    """The cluster's name, one for each checkout, so that two of them do not meet."""
    return f"utilitarian-{key_of(str(ROOT))[:6]}"


def shared_folder() -> Path:
    """What `SHARED` is on this machine."""
    return BUILD / "shared"


def existing() -> Cluster:
    """The cluster of KUBECONFIG, for CLUSTER=existing.

    Raises:
        Failure: there is none, or it does not look like one for tests.
    """
    given = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    kubeconfig = Path(given.split(":")[0])
    kubectl = (tools.program("kubectl"), "--kubeconfig", kubeconfig)
    if not kubeconfig.exists():
        raise Failure(f"CLUSTER=existing reads {kubeconfig}, which is not there; set KUBECONFIG")
    context = run(*kubectl, "config", "current-context").strip()
    preflight.check_context(context, os.environ.get("ALLOW_CLUSTER"))
    if not succeeds(*kubectl, "get", "--raw", "/readyz", within=20):
        raise Failure(f"the cluster of context {context} in {kubeconfig} does not answer; is it running?")
    return Cluster(kubeconfig, context)


def ours() -> Cluster:
    """The kind cluster of this checkout, whether or not it is there; WORKERS in the environment gives it workers.

    Raises:
        Failure: WORKERS is no small number.
    """
    workers = os.environ.get("WORKERS", "0")
    if workers not in {str(number) for number in range(MOST_WORKERS + 1)}:
        raise Failure(f"WORKERS={workers} means nothing here; say a number from 0 to {MOST_WORKERS}")
    return Cluster(KUBECONFIG, f"kind-{name()}", name(), int(workers))


def has_node(engine: Engine) -> bool:
    """Whether the node of this checkout's cluster runs, so that no image for it is needed."""
    return bool(engine.docker("ps", "--quiet", "--filter", f"name=^{ours().node}$"))


def is_up(engine: Engine) -> bool:
    """Whether this checkout's cluster is there and answers, with as many workers as WORKERS says, if it says it."""
    there = set(run(tools.program("kind"), "get", "nodes", "--name", name(), env=engine.env).split())
    fits = there == set(ours().nodes) if "WORKERS" in os.environ else ours().node in there
    if not fits or not KUBECONFIG.exists():
        return False
    command = (tools.program("kubectl"), "--kubeconfig", KUBECONFIG, "get", "--raw", "/readyz")
    return succeeds(*command, within=10)


def ensure(engine: Engine) -> Cluster:
    """The cluster of this checkout, made if it is not there; half of one, after an interruption, is made anew."""
    cluster = ours()
    if is_up(engine):
        return cluster
    image = node_image.ensure(engine)
    with step(f"starting the cluster {cluster.name}"):
        delete(engine)
        BUILD.mkdir(exist_ok=True)
        official = image == registry.NODE
        config = json.dumps(configuration(image, official=official, workers=cluster.workers))
        create = ("create", "cluster", "--name", cluster.name, "--kubeconfig", KUBECONFIG, "--config", "-")
        _created(engine, config, *create, "--wait", READY_WITHIN)
        KUBECONFIG.chmod(0o600)
        if cluster.workers:
            prepare_workers(engine, cluster, official=official)
    return cluster


def _created(engine: Engine, config: str, *create: str | Path) -> None:
    """Make the nodes; kind waits 30 s for a node's own system, and a machine that is at work may need longer."""
    for tries_left in reversed(range(CREATE_TRIES)):
        try:
            run(tools.program("kind"), *create, env=engine.env, feed=config)
        except Failure as failure:
            if not tries_left or SLOW_NODE not in str(failure):
                raise
        else:
            return


def prepare_workers(engine: Engine, cluster: Cluster, *, official: bool) -> None:
    """Let pods of different nodes reach each other, and keep all from the workers but those that want to be there."""
    for worker in cluster.nodes[1:]:
        taint = f"{WORKER_TAINT['key']}=:{WORKER_TAINT['effect']}"
        cluster.kubectl("taint", "nodes", worker, taint, "--overwrite")
    cluster.kubectl("taint", "nodes", cluster.node, "node-role.kubernetes.io/control-plane-")
    if not official:  # the published image has a network of its own
        _route(engine, cluster)


def _route(engine: Engine, cluster: Cluster) -> None:
    """Give each node's bridge the addresses that Kubernetes assigned to the node, and the others a way there."""
    listed = json.loads(cluster.kubectl("get", "nodes", "--output", "json"))["items"]
    networks = {node["metadata"]["name"]: node["spec"]["podCIDR"] for node in listed}
    addresses = {
        node["metadata"]["name"]: next(
            it["address"] for it in node["status"]["addresses"] if it["type"] == "InternalIP"
        )
        for node in listed
    }
    # Docker tells the nodes' names to nodes, and not to what runs in them: kube-proxy asks for the control plane's.
    hosts = "\n".join(f"{address} {node}" for node, address in addresses.items())
    for node, network in networks.items():
        names = f"echo '{hosts}' >> /etc/hosts"
        bridge = f'sed -i \'s#"subnet":"[^"]*"#"subnet":"{network}"#\' /etc/cni/net.d/10-bridge.conflist'
        ways = [f"ip route replace {networks[it]} via {addresses[it]}" for it in networks if it != node]
        engine.docker("exec", node, "sh", "-ec", "; ".join([names, bridge, *ways]))
    cluster.kubectl("delete", "pods", "--namespace", "kube-system", "--selector", "k8s-app=kube-proxy")


def configuration(image: str, *, official: bool, workers: int = 0) -> dict[str, object]:
    """What kind is told; ports on the host are the kernel's choice, so none can be in use."""
    ports = [
        {"containerPort": port, "hostPort": 0, "listenAddress": "127.0.0.1", "protocol": "TCP"}
        for port in NODE_PORTS.values()
    ]
    node: dict[str, object] = {"role": "control-plane", "image": image, "extraPortMappings": ports}
    worker: dict[str, object] = {"role": "worker", "image": image, "labels": WORKER_LABEL}
    nodes = [node, *[worker] * workers]
    if workers:
        mount = {"hostPath": str(shared_folder()), "containerPath": SHARED}
        nodes = [{**it, "extraMounts": [mount]} for it in nodes]
    patches = [*([] if official else [KUBELET_PATCH]), *(LOSS_PATCHES if workers else [])]
    base: dict[str, object] = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes}
    return base | {"kubeadmConfigPatches": patches} if patches else base


def delete(engine: Engine) -> None:
    """Remove this checkout's cluster, if it is there."""
    run(tools.program("kind"), "delete", "cluster", "--name", name(), "--kubeconfig", KUBECONFIG, env=engine.env)
    KUBECONFIG.unlink(missing_ok=True)
    KUBECONFIG.with_suffix(".lock").unlink(missing_ok=True)


def host_port(engine: Engine, cluster: Cluster, node_port: int) -> int:
    """The loopback port of this machine that leads to a node port."""
    shown = engine.docker("port", cluster.node, f"{node_port}/tcp").split()[0]
    return int(shown.rsplit(":", 1)[1])


def load(engine: Engine, cluster: Cluster, images: list[str], everywhere: Container[str] = ()) -> None:
    """Bring images from the engine into the cluster, to the nodes that do not have them.

    Args:
        engine: that has them.
        cluster: any.
        images: for its control plane, where all pods run that do not ask for a worker.
        everywhere: those of them that its workers get, too.
    """
    if not cluster.name:
        _load_elsewhere(engine, cluster, images)
        return
    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(_load, engine, node, these) for node, these in _by_node(cluster, images, everywhere)]:
            job.result()


def _by_node(cluster: Cluster, images: list[str], everywhere: Container[str]) -> list[tuple[str, list[str]]]:
    for_workers = [image for image in images if image in everywhere]
    return [(cluster.node, images), *((worker, for_workers) for worker in cluster.nodes[1:] if for_workers)]


def _load(engine: Engine, node: str, images: list[str]) -> None:
    ctr = ("ctr", "--namespace", "k8s.io", "images")
    held = engine.docker("exec", node, *ctr, "list", "--quiet").split()
    absent = [image for image in images if _full_name(image) not in held]
    if not absent:
        return
    with step(f"loading {', '.join(absent)} into {node}"), tempfile.TemporaryDirectory(dir=cache()) as folder:
        saved, archive = Path(folder) / "saved.tar", Path(folder) / "missing.tar"
        engine.docker("save", "--output", saved, *absent)
        content = engine.docker("exec", node, "ctr", "--namespace", "k8s.io", "content", "list", "--quiet")
        with archive.open("wb") as out:
            without(frozenset(content.split()), saved, out, {image: _full_name(image) for image in absent})
        with archive.open("rb") as reading:
            run("docker", "exec", "--interactive", node, *ctr, "import", "-", env=engine.env, feed=reading)


def tag(engine: Engine, cluster: Cluster, image: str, alias: str, everywhere: Container[str] = ()) -> None:
    """Give an image of the cluster a second name, whatever had that name before, on the nodes that `load` gave it."""
    if cluster.name:
        names = (_full_name(image), _full_name(alias))
        for node, _ in _by_node(cluster, [image], everywhere):
            engine.docker("exec", node, "ctr", "--namespace", "k8s.io", "images", "tag", "--force", *names)
    else:
        _load_elsewhere(engine, cluster, [alias])


def _full_name(image: str) -> str:
    registry, _, rest = image.partition("/")
    if rest and ("." in registry or ":" in registry):
        return image
    return f"docker.io/{image}" if rest else f"docker.io/library/{image}"


def _load_elsewhere(engine: Engine, cluster: Cluster, images: list[str]) -> None:
    """By the loader of the cluster's own kind; Docker Desktop shares the engine's images."""
    for image in images:
        if cluster.context.startswith("kind-"):
            target = ("--name", cluster.context.removeprefix("kind-"))
            run(tools.program("kind"), "load", "docker-image", image, *target, env=engine.env)
        elif cluster.context.startswith("minikube"):
            run("minikube", "image", "load", image, "--profile", cluster.context, env=engine.env)
        elif cluster.context.startswith("k3d-"):
            run("k3d", "image", "import", image, "--cluster", cluster.context.removeprefix("k3d-"), env=engine.env)
        elif cluster.context != "docker-desktop":
            raise Failure(f"how images get into the cluster {cluster.context} is not known; use kind, minikube or k3d")
