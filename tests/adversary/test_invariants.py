from collections.abc import Iterator

import pytest

from tests.adversary.world import World

FOUGHT = {
    "advice": ["PodDisruptionBudget p is changed by another client or by a webhook whenever the operator applies it"]
}
SILENT = {
    "conditions": [{"message": "1 worker can't be seen: pod p: its node n1 doesn't answer; Kubernetes replaces it"}]
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """With nothing in it, and an operator that sees all."""
    monkeypatch.setattr(World, "sees", True)
    made = World(20, (), 0.25)
    made.server.add("utilitarianworkerpools", {"metadata": {"name": made.name}, "spec": {"maxWorkers": 1, "pools": []}})
    yield made
    made.loop.close()


@pytest.mark.parametrize("lost, found", [((), ["false-alarm"]), (("n2",), [])], ids=["all answer", "one is lost"])
def test_a_status_that_speaks_of_a_silent_node_is_wrong_while_all_answer(
    world: World, lost: tuple[str, ...], found: list[str]
) -> None:
    world.kubelet.nodes.silent = set(lost)
    world.invariants.look()
    world.invariants.status({}, SILENT)
    assert [it.what for it in world.found] == found


def test_nobody_changes_what_the_operator_applies(world: World) -> None:
    world.invariants.status({}, FOUGHT)
    assert [it.what for it in world.found] == ["false-alarm"]
