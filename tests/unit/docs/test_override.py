"""What docs/pools.md says of a number by hand is what the operator reads."""

import re
from pathlib import Path

from utilitarian_operator.api.built_in_pools import BUILT_IN_POOLS
from utilitarian_operator.core.spec.override import PREFIX, overrides

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "pools.md").read_text()


def test_the_documented_annotation_is_read_and_its_pool_is_one_of_the_layout() -> None:
    ((name, value),) = re.findall(rf'({re.escape(PREFIX)}[a-z-]+)="([^"]+)"', PAGE)
    (found,), problems = overrides({name: value})
    assert not problems
    assert found in {pool["name"] for pool in BUILT_IN_POOLS}
    assert f"{name}-" in PAGE  # which takes it away
