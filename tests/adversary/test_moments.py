from collections.abc import Iterator

import pytest

from tests.adversary import faults
from tests.adversary.moments import DRAINING
from tests.adversary.plan import MOMENTS, Fault
from tests.adversary.world import World

PODS, DEPLOYMENTS = "/api/v1/namespaces/ns/pods/p", "/apis/apps/v1/namespaces/ns/deployments/d"
REQUESTS = {
    "mark": (PODS, {"metadata": {"annotations": {DRAINING: "2026-03-02T06:00:00Z"}}}),
    "gate": (f"{PODS}/status", {"status": {}}),
    "step-down": (f"{DEPLOYMENTS}/scale", {"spec": {"replicas": 1}}),
    "step-up": (f"{DEPLOYMENTS}/scale", {"spec": {"replicas": 3}}),
    "lease": ("/apis/coordination.k8s.io/v1/namespaces/ns/leases/l", {"spec": {"holderIdentity": "a"}}),
    "rollout": (DEPLOYMENTS, {"spec": {"template": {"b": 1}}}),
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """With a Deployment, in which a fault leaves only its name."""
    made = World(20, (), 0.25)
    made.server.add("deployments", {"metadata": {"name": "d"}, "spec": {"replicas": 2, "template": {"a": 1}}})
    monkeypatch.setattr(faults, "inject", lambda world, fault: world.log(fault.kind))
    yield made
    made.loop.close()


def struck(world: World) -> list[str]:
    return [text for _, text in world.trace if text == "it"]


@pytest.mark.parametrize("moment", REQUESTS)
def test_a_fault_waits_for_its_moment_and_strikes_once(world: World, moment: str) -> None:
    world.moments.come(Fault(1.0, "it", when=moment))
    for other in REQUESTS.keys() - {moment}:
        world.moments.asked("PATCH", *REQUESTS[other])
    assert struck(world) == []
    for _ in range(2):
        world.moments.asked("PATCH", *REQUESTS[moment])
    assert struck(world) == ["it"]


def test_each_moment_is_known() -> None:
    assert set(MOMENTS) == REQUESTS.keys() | {"start"}


def test_a_fault_without_a_moment_strikes_at_once_and_one_that_waited_too_long_never(world: World) -> None:
    world.moments.come(Fault(1.0, "it"))
    world.moments.come(Fault(1.0, "it", when="mark"))
    world.moments.over()
    world.moments.asked("PATCH", *REQUESTS["mark"])
    assert struck(world) == ["it"]
