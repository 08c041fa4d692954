import asyncio
import copy
from collections.abc import Iterator

import pytest

from tests.adversary import fleet, people
from tests.adversary.plan import CURED_S
from tests.adversary.world import World

SHORT, MIDDLE, LONG = 0.25, 0.4, 1.0


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """With the fleet's resource, and no operator."""
    made = World(20, (), request.param)
    resource = fleet.fleet(statistics=True, execution="prefork")
    made.pools = {it["name"]: it for it in copy.deepcopy(resource["spec"]["pools"])}
    made.server.add(people.RESOURCES, resource)
    yield made
    made.loop.close()


def limits(world: World) -> tuple[int, int]:
    """Of the fleet, and of the slow pool."""
    return world.spec["maxWorkers"], next(it for it in world.spec["pools"] if it["name"] == "slow")["scaling"]["max"]


@pytest.mark.parametrize("world", [SHORT, LONG], indirect=True, ids=["short", "long"])
def test_a_limit_that_the_load_may_be_too_much_for_is_lifted_again(world: World) -> None:
    people.edit_ceiling(world, 0.0)
    people.edit_max(world, 0.25, 0.0)
    assert limits(world) == (3, 1)
    world.loop.run_until_complete(asyncio.sleep(people.LIMITED_FOR_S + 1))
    assert limits(world) == (8, 5)


@pytest.mark.parametrize("world", [MIDDLE], indirect=True)
def test_one_that_comes_late_is_lifted_when_the_world_is_cured(world: World) -> None:
    cured = world.length - CURED_S
    world.loop.run_until_complete(asyncio.sleep(cured - people.LIMITED_FOR_S / 2))
    people.edit_ceiling(world, 0.0)
    people.edit_max(world, 0.25, 0.0)
    world.loop.run_until_complete(asyncio.sleep(people.LIMITED_FOR_S / 2 + 1))
    assert limits(world) == (8, 5)
