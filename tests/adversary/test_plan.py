from collections import Counter
from pathlib import Path

import pytest

from tests.adversary import plan as plans
from tests.adversary.plan import CURED_S, FAMILIES, FIRST_AT_S, TICKS, TOGETHER, WEIGHTS


@pytest.mark.parametrize("hours", [0.05, 0.1, 0.16, 0.2, 0.25, 0.3, 0.5, 3, 24])
def test_the_last_fault_comes_before_a_world_is_cured(hours: float) -> None:
    cured = plans.length_s(hours) - CURED_S
    at = [fault.at for seed in range(50) for fault in plans.drawn(seed, hours, list(FAMILIES))]
    assert min(at) >= FIRST_AT_S
    assert max(at) < cured


@pytest.mark.parametrize("seed", [645225], ids=["drawn-close-to-one"])
def test_what_a_fault_strikes_is_there(seed: int) -> None:
    shares = [share for fault in plans.of_seed(seed, 0.16).plan for share in (fault.a, fault.b)]
    assert 0.99 < max(shares) < 1


def test_every_family_is_drawn_by_its_weight() -> None:
    drawn = [plans.by_weight(seed) for seed in range(3000)]
    times = Counter(family for families in drawn for family in families)
    assert {len(it) for it in drawn} == set(range(1, TOGETHER + 1))
    assert all(len(set(it)) == len(it) for it in drawn)
    assert set(times) == set(FAMILIES)
    assert min(times[it] for it in WEIGHTS) > max(times[it] for it in FAMILIES if it not in WEIGHTS)


def test_every_tick_is_drawn_and_its_default_in_half_of_the_worlds() -> None:
    drawn = Counter(plans.of_seed(seed, 0.16).tick_s for seed in range(2000))
    assert set(drawn) == set(TICKS)
    assert 900 < drawn[1.0] < 1100


def test_a_file_keeps_what_a_seed_has_drawn(tmp_path: Path) -> None:
    path = tmp_path / "kept.yaml"
    for seed in range(40):
        path.write_text(plans.written(plans.of_seed(seed, 0.16)))
        assert plans.read(path) == plans.of_seed(seed, 0.16)
