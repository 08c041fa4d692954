"""What fleets are asked for otherwise: each is one that the operator accepts, and can do what is sent to it."""

from collections import Counter

from tests.adversary import fleet, plan, shapes
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.validation.resource_rules import accept

SEEDS = range(400)


def asked(seed: int) -> dict[str, object]:
    drawn = plan.of_seed(seed, 0.16)
    options = {"statistics": True, "execution": fleet.execution(seed), "when_due": seed % 5 == 4}
    resource = fleet.fleet(**options, made_of=drawn.pools, shape=drawn.shape)  # type: ignore[arg-type]
    kind = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}
    return {**kind, **resource, "metadata": {"name": "fleet", "namespace": "ns", "generation": 1}}


def test_each_is_accepted_and_has_slots_enough() -> None:
    for seed in SEEDS:
        found = effective_fleet(accept(asked(seed)).spec)
        for pool in found.pools:
            assert pool.scaling.max * pool.worker.concurrency >= shapes.SLOTS[pool.name], f"seed {seed}"


def test_half_of_the_worlds_have_another_and_every_field_is_drawn() -> None:
    drawn = [plan.of_seed(seed, 0.16).shape for seed in SEEDS]
    assert 0.4 * len(drawn) < sum(map(bool, drawn)) < 0.6 * len(drawn)
    fields = Counter(field for shape in drawn for part in shape.values() for field in part)
    assert set(fields) == {"worker", "scaling", "priority", "rollout", "schedule", "maxWorkers"} | {
        name for name, _ in shapes.SELDOM
    }


def test_less_of_it_is_a_part_of_it() -> None:
    shape: shapes.Shape = {
        "fast": {"worker": {"concurrency": 2, "prefetchMultiplier": 2}, "priority": 0},
        "slow": {"priority": 50},
    }
    assert list(shapes.smaller(shape)) == [
        {},
        {"slow": {"priority": 50}},
        {"slow": {"priority": 50}, "fast": {"priority": 0}},
        {"slow": {"priority": 50}, "fast": {"priority": 0, "worker": {"prefetchMultiplier": 2}}},
        {"slow": {"priority": 50}, "fast": {"priority": 0, "worker": {"concurrency": 2}}},
        {"slow": {"priority": 50}, "fast": {"worker": {"concurrency": 2, "prefetchMultiplier": 2}}},
        {"fast": {"worker": {"concurrency": 2, "prefetchMultiplier": 2}, "priority": 0}},
    ]
