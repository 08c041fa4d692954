"""What may happen to the parts of a fleet at work: each does its harm to real parts, and undoes it."""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.support.api_proxy import ApiProxy
from tests.support.fault_scene import POOLS, TASK_S, Fault, Scene
from tests.support.fleet import SECRET
from tests.support.installation import DEFAULT
from tests.support.operator import as_process, in_process
from tests.support.process_node import ProcessNode
from tests.support.relay import Relay
from tests.support.tcp_link import TcpLink
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.intervals import Intervals
from utilitarian_operator.api.names import FLEETS_LEASE
from utilitarian_operator.api.patience import Patience
from utilitarian_operator.host import clocks, fences, lease, wiring

WITHIN = timedelta(seconds=120)
LOST_WRITES = 300
"""More than the API server and its controllers make of their own until the operator reaches it again."""

SIGNS = timedelta(seconds=3)
QUICK_SIGNS = Patience(not_consuming=SIGNS, no_progress=SIGNS, mute=SIGNS, sampled=timedelta(seconds=4))
QUICK_DRAIN = timedelta(seconds=10)
"""What a worker that hangs may still run counts for so long, and it has as much to end in."""

OFTEN = 8
LEASE, REPLICAS = "uo", ("one", "two")
SHARD = "example.com/shard"
Again = Iterator[Collection[str]]


# How the operator is started


def one_process(scene: Scene) -> None:
    """The operator as a process of its own."""
    _process(scene)


def behind_relay(scene: Scene) -> None:
    """The same, with a relay before the API server."""
    scene.relay = scene.stack.enter_context(Relay(scene.plane, scene.folder / "kubeconfig"))
    _process(scene, kubeconfig=scene.relay.kubeconfig)


def behind_proxy(scene: Scene) -> None:
    """The same, with a proxy before the API server that lets things go wrong."""
    scene.proxy = scene.stack.enter_context(ApiProxy(scene.plane))
    config = yaml.safe_load(scene.plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"] = {"server": scene.proxy.url}
    path = scene.folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    _process(scene, kubeconfig=path)


def behind_link(scene: Scene) -> None:
    """The same, with a link of its own to the broker; workers and senders have another."""
    scene.link = scene.stack.enter_context(TcpLink(scene.installation.broker_url))
    scene.installation.broker_url = scene.link.url
    _process(scene)


def two_replicas(scene: Scene) -> None:
    """Two processes with one Lease."""
    for name in REPLICAS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POD_NAME", name)
            options = ("--lease", LEASE, "--lease-namespace", scene.installation.fleet.namespace)
            folder = scene.folder / name
            folder.mkdir()
            _process(scene, directory=folder, options=options)


def in_a_thread(scene: Scene) -> None:
    """In this process, so that its patience with silent workers is short."""
    plane, namespace = scene.plane, scene.installation.fleet.namespace
    often = Intervals(learn_s=1.0, look_around_s=1.0)
    running = in_process(plane, namespace, patience=QUICK_SIGNS, intervals=often)
    scene.operators.append((None, scene.stack.enter_context(running)))


def with_its_clock(scene: Scene) -> None:
    """In this process, so that its wall clock can be set."""
    patch = scene.stack.enter_context(pytest.MonkeyPatch.context())
    right = clocks.utc_now

    def now() -> datetime:
        return right() + scene.clock_ahead

    for module in (wiring, fences, lease):
        patch.setattr(module, "utc_now", now)
    running = in_process(scene.plane, scene.installation.fleet.namespace)
    scene.operators.append((None, scene.stack.enter_context(running)))


def two_shards(scene: Scene) -> None:
    """Two operators that share the cluster by a label of its namespaces, which that of the fleet has of the first."""
    _label(scene, REPLICAS[0])
    for name in REPLICAS:
        namespace = scene.installation.fleet.namespace
        chosen = f"kubernetes.io/metadata.name={namespace},{SHARD}={name}"
        options = ("--lease", name, "--lease-namespace", namespace, "--namespace-selector", chosen)
        folder = scene.folder / name
        folder.mkdir()
        _process(scene, (), directory=folder, options=options)


def _label(scene: Scene, shard: str) -> None:
    label = {"metadata": {"labels": {SHARD: shard}}}
    path = f"/api/v1/namespaces/{scene.installation.fleet.namespace}"
    scene.plane.request("PATCH", path, label, "application/merge-patch+json")


def _process(scene: Scene, namespaces: Sequence[str] | None = None, **how: Any) -> None:
    options = {"directory": scene.folder, **how}
    watched = (scene.installation.fleet.namespace,) if namespaces is None else namespaces
    running = as_process(scene.plane, *watched, **options)
    scene.operators.append(scene.stack.enter_context(running))


# The API server


@contextmanager
def api_server_restarts(scene: Scene) -> Again:
    """Killed, and started anew when a task has ended meanwhile."""
    scene.plane.apiserver.kill()
    yield ()
    scene.plane.start_apiserver()


@contextmanager
def etcd_is_restored(scene: Scene) -> Again:
    """From a snapshot of a moment before; the controllers are started anew, as Kubernetes advises."""
    plane = scene.plane
    snapshot, data = scene.folder / "snapshot", plane.directory / "etcd"
    plane.etcd.pause()
    shutil.copytree(data, snapshot)
    plane.etcd.resume()
    for number in range(LOST_WRITES):
        scene.installation.fleet.annotate({"example.com/write": str(number)})
    for process in (plane.controller_manager, plane.apiserver, plane.etcd):
        process.kill()
    shutil.rmtree(data)
    shutil.copytree(snapshot, data)
    plane.etcd.start()
    plane.start_apiserver()
    plane.controller_manager.start()
    yield ()
    scene.process.start()  # as a kubelet does
    wait_until(scene.operator.healthy, within=WITHIN, describe=scene.process.tail)


@contextmanager
def watches_fall_silent(scene: Scene) -> Again:
    """All of them at once: connections stay open and tell nothing."""
    assert scene.relay is not None
    with scene.relay.holding("watch="):
        yield ()


@contextmanager
def watches_end_with_410(scene: Scene) -> Again:
    """Several times in a row."""
    assert scene.proxy is not None
    scene.proxy.event = 410
    before = scene.proxy.done
    wait_until(lambda: scene.proxy is not None and scene.proxy.done >= before + OFTEN, within=WITHIN)
    yield ()
    scene.proxy.heal()


# The broker


@contextmanager
def broker_is_killed(scene: Scene) -> Again:
    """And started anew with its data, once that is said."""
    held = scene.unfinished()
    scene.installation.rabbitmq.kill()
    yield held
    scene.installation.rabbitmq.start()


@contextmanager
def broker_is_paused(scene: Scene) -> Again:
    """It keeps its connections and says nothing."""
    scene.installation.rabbitmq.pause()
    try:
        yield scene.unfinished()
    finally:
        scene.installation.rabbitmq.resume()


@contextmanager
def broker_is_cut_off(scene: Scene) -> Again:
    """From the operator alone: workers go on."""
    assert scene.link is not None
    with scene.link.silent():
        yield ()


@contextmanager
def broker_starts_empty(scene: Scene) -> Again:
    """Killed, and started without what it had."""
    broker = scene.installation.rabbitmq
    broker.kill()
    shutil.rmtree(broker.directory / "mnesia")
    yield ()
    broker.start()
    scene.installation.declare()


@contextmanager
def broker_is_out_of_memory(scene: Scene) -> Again:
    """Its alarm: it reads nothing from connections that publish."""
    with scene.installation.rabbitmq.out_of_memory():
        yield ()


@contextmanager
def broker_is_out_of_disk(scene: Scene) -> Again:
    """The other alarm."""
    broker = scene.installation.rabbitmq
    broker.control("set_disk_free_limit", str(10**15))
    try:
        yield ()
    finally:
        broker.control("set_disk_free_limit", "50MB")


# Workers


@contextmanager
def worker_is_killed_for_memory(scene: Scene) -> Again:
    """One of two; what it ran comes back, acknowledged late."""
    host = min(scene.running().values())
    ran = [task for task, its in scene.running().items() if its == host]
    scene.installation.node.pod(host.removeprefix("celery@")).out_of_memory()
    yield ran


@contextmanager
def worker_hangs(scene: Scene) -> Again:
    """One of two is stopped, with all that it holds."""
    host = min(scene.running().values())
    ran = [task for task, its in scene.running().items() if its == host]
    process = scene.installation.node.pod(host.removeprefix("celery@")).process
    assert process is not None
    process.pause()
    yield ran


@contextmanager
def node_goes(scene: Scene) -> Again:
    """With all its workers; another one is there."""
    ran, installation = list(scene.running()), scene.installation
    installation.node.__exit__()
    fleet = installation.fleet
    other = ProcessNode(scene.plane, fleet.namespace, scene.folder / "another-node")
    installation.node = scene.stack.enter_context(other)
    yield ran


# The operator's own machine


@contextmanager
def clock_jumps(scene: Scene) -> Again:
    """A day ahead, then two back, and then it is put right."""
    for ahead in (timedelta(days=1), timedelta(days=-1)):
        scene.clock_ahead = ahead
        scene.installation.wait_looks(scene.operator)
    yield ()
    scene.clock_ahead = timedelta()


@contextmanager
def leader_is_suspended(scene: Scene) -> Again:
    """For longer than its Lease; then it goes on."""
    scene.led_by = holder(scene)
    process, operator = scene.operators[REPLICAS.index(scene.led_by)]
    assert process is not None
    process.pause()
    yield ()
    process.resume()
    # It finds that another leads, and ends: a kubelet starts it anew.
    process.wait(within=WITHIN)
    process.start()
    wait_until(operator.healthy, within=WITHIN, describe=process.tail)


@contextmanager
def namespace_is_relabelled(scene: Scene) -> Again:
    """With the label that the other operator has chosen."""
    _label(scene, REPLICAS[1])
    yield ()


def holder(scene: Scene) -> str:
    """Name of the replica that leads."""
    return _held(scene, LEASE).rpartition("_")[0]


def _held(scene: Scene, lease: str) -> str:
    namespace = scene.installation.fleet.namespace
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{lease}"
    return str(scene.plane.request("GET", path)["spec"].get("holderIdentity", ""))


# What people do


@contextmanager
def secret_is_deleted(scene: Scene) -> Again:
    """The one with the broker's URL; it is made again."""
    fleet = scene.installation.fleet
    path = f"/api/v1/namespaces/{fleet.namespace}/secrets/{SECRET}"
    scene.plane.request("DELETE", path)
    yield ()
    fleet.create_secret(scene.installation.broker_url)


@contextmanager
def resource_is_made_anew(scene: Scene) -> Again:
    """Deleted, and made again at once: what it had made is being deleted meanwhile."""
    fleet = scene.installation.fleet
    spec = fleet.read()["spec"]
    before = fleet.read()["metadata"]["uid"]
    fleet.delete()
    body = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{fleet.namespace}/utilitarianworkerpools"
    scene.plane.request("POST", path, body | {"metadata": {"name": fleet.name}, "spec": spec})
    assert fleet.read()["metadata"]["uid"] != before
    yield ()


def _pools(most: int) -> list[dict[str, Any]]:
    work, cleanup = POOLS
    return [{**work, "scaling": {**work["scaling"], "max": most}}, cleanup]


@contextmanager
def quota_is_exhausted(scene: Scene) -> Again:
    """No pod more than there are, where more are asked for."""
    fleet = scene.installation.fleet
    path = f"/api/v1/namespaces/{fleet.namespace}/resourcequotas"
    few = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}}
    scene.plane.request("POST", path, few)
    fleet.edit(pools=_pools(4))
    scene.send(DEFAULT, 8, TASK_S)
    yield ()
    scene.plane.request("DELETE", f"{path}/few")


@contextmanager
def image_can_not_be_pulled(scene: Scene) -> Again:
    """A new version whose image is not there; the old one is put back."""
    fleet = scene.installation.fleet
    good = fleet.read()["spec"]["image"]
    fleet.edit(image="missing:1")
    yield ()
    fleet.edit(image=good)


def _condition(kind: str, status: str, reason: str = "") -> Any:
    def is_so(scene: Scene) -> bool:
        found = scene.installation.fleet.condition(kind)
        return found[0] == status and reason in (found[1], "")

    return is_so


def _event(reason: str) -> Any:
    return lambda scene: reason in dict(scene.installation.fleet.events())


def _direct(scene: Scene) -> list[dict[str, str]]:
    installation = scene.installation
    return [{"name": "CELERY_BROKER_URL", "value": installation.rabbitmq.amqp_url(installation.vhost)}]


UNSEEN = _condition("BrokerReachable", "False")

FAULTS: Mapping[str, Fault] = {
    "API server restarts": Fault(api_server_restarts, one_process),
    "etcd is restored": Fault(etcd_is_restored, one_process, lambda it: not it.process.running),
    "watches fall silent": Fault(watches_fall_silent, behind_relay),
    "watches end with 410": Fault(watches_end_with_410, behind_proxy),
    "broker is killed": Fault(broker_is_killed, one_process, UNSEEN),
    "broker is paused": Fault(broker_is_paused, one_process, UNSEEN),
    "broker is cut off": Fault(broker_is_cut_off, behind_link, UNSEEN, env=_direct),
    "broker starts empty": Fault(broker_starts_empty, one_process, UNSEEN, tasks=2),
    "broker is out of memory": Fault(broker_is_out_of_memory, one_process),
    "broker is out of disk": Fault(broker_is_out_of_disk, one_process),
    "worker is killed for memory": Fault(worker_is_killed_for_memory, one_process, _event("OOMKilled"), late=True),
    "worker hangs": Fault(
        worker_hangs, in_a_thread, _event("Stuck"), late=True, pool={"drainTimeout": f"{QUICK_DRAIN.seconds}s"}
    ),
    "node goes": Fault(node_goes, one_process, _event("NodeLost"), late=True),
    "clock jumps": Fault(clock_jumps, with_its_clock),
    "Secret is deleted": Fault(secret_is_deleted, one_process, _condition("Stalled", "True", "SecretMissing")),
    "resource is made anew": Fault(resource_is_made_anew, one_process),
    "two operators": Fault(leader_is_suspended, two_replicas, lambda it: holder(it) not in {it.led_by, ""}),
    "namespace is relabelled": Fault(
        namespace_is_relabelled, two_shards, lambda it: _held(it, FLEETS_LEASE).endswith(f"/{REPLICAS[1]}")
    ),
    "quota is exhausted": Fault(quota_is_exhausted, one_process, _condition("Ready", "False", "PodsRefused")),
    "image can't be pulled": Fault(
        image_can_not_be_pulled, one_process, _condition("Ready", "False", "RolloutFailing")
    ),
}
