"""The operator's look, `simulate`'s way pool by pool, and a replay of what was recorded all come to the same sizes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pools import NOW
from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.engine import step
from utilitarian_operator.core.look import Seen, Spec, State, begun
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET, Live
from utilitarian_operator.core.observation.broker import BrokerSnapshot, Depth
from utilitarian_operator.core.observation.fleet import Readings
from utilitarian_operator.core.plan import Figures
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.decision_record import from_text, to_text
from utilitarian_operator.core.sizing.pools import decide_fleet
from utilitarian_operator.core.spec.acceptance import Acceptance, Judgement
from utilitarian_operator.core.status.recall import Recalled
from utilitarian_operator.errors import BrokerUnreachable
from utilitarian_operator.simulation.replay import disagreements

POOLS = ("a", "b", "c")


@dataclass(frozen=True)
class Beside:
    """A pool that is not looked at, as a simulation keeps it."""

    own: Decision
    current: int
    draining: int
    returnable: int


LOOK = st.fixed_dictionaries(
    {
        "waiting": st.tuples(*[st.one_of(st.none(), st.integers(0, 300))] * len(POOLS)),
        "replicas": st.tuples(*[st.integers(0, 6)] * len(POOLS)),
        "away": st.sampled_from([False, False, False, True]),
        "after": st.integers(1, 400),
    }
)
FLEET = st.fixed_dictionaries(
    {"mode": st.sampled_from(["Auto", "Paused", "Preview"])}, optional={"maxWorkers": st.integers(3, 12)}
)


def resource(spec: Mapping[str, Any]) -> dict[str, Any]:
    priorities = enumerate(POOLS)
    pools = [{"name": name, "queues": [f"q-{name}"], "priority": 10 * number} for number, name in priorities]
    return {
        "apiVersion": "utilitarian.io/v1alpha1",
        "kind": "UtilitarianWorkerPool",
        "metadata": {"name": "fleet", "namespace": "ns", "uid": "u", "generation": 1},
        "spec": {
            "image": "utilitarian:1",
            "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}},
            "beat": {"enabled": False},
            "pools": pools,
            **spec,
        },
        "status": {},
    }


def looked(body: dict[str, Any], running: Judgement, state: State, look: Mapping[str, Any], at: int) -> Any:
    """One look of the operator: the plan, and the state after it."""
    now = NOW + timedelta(seconds=at)
    depths = {
        f"q-{name}": None if it is None else Depth(it, 0) for name, it in zip(POOLS, look["waiting"], strict=True)
    }
    broker = BrokerSnapshot(
        float(at), {} if look["away"] else depths, BrokerUnreachable("no") if look["away"] else None
    )
    deployments = {
        f"fleet-{name}": {"metadata": {"name": f"fleet-{name}", "resourceVersion": "1"}, "spec": {"replicas": number}}
        for name, number in zip(POOLS, look["replicas"], strict=True)
    }
    read = Readings(now, "fleet", broker, broker, deployments)
    live: Live = {DEPLOYMENT: {}, DISRUPTION_BUDGET: {}, STATEFUL_SET: {}}
    return step(Spec(running, running), Seen(body, read, live), state, now)


def pool_by_pool(fleet: Fleet, figures: Figures, before: State) -> dict[str, Decision]:
    """What `simulate` decides of a look at which one pool after the other is due, each beside all."""
    seen, context = figures.facts, figures.context
    own = decide_fleet(fleet, seen, before.memories, context).own
    beside = {name: Beside(own[name], it.current, it.draining, it.returnable) for name, it in seen.items()}
    found = {}
    for name in seen:
        found |= decide_fleet(fleet, {name: seen[name]}, before.memories, context, beside).decisions
    return found


@settings(max_examples=examples(60, fewest=8))
@given(FLEET, st.lists(LOOK, min_size=1, max_size=6))
def test_all_that_decide_sizes_come_to_the_same(spec: dict[str, Any], looks: list[dict[str, Any]]) -> None:
    body = resource(spec)
    acceptance = Acceptance(body)
    running = acceptance.judge(body)
    assert running.fleet is not None
    state, at, recorded = begun({}, Recalled(), NOW), 0, []
    for look in looks:
        at += look["after"]
        before = state
        plan, state = looked(body, running, state, look, at)
        figures = plan.figures
        assert pool_by_pool(running.fleet, figures, before) == figures.decisions
        text = json.dumps(to_text(figures.context, figures.facts, figures.decisions))
        recorded.append(from_text(json.loads(text)))
    assert disagreements(running.fleet, recorded) == []
