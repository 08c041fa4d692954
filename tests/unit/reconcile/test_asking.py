"""Questions beside the looks: how many at a time, and that none of one namespace takes the places of another's."""

import asyncio
from collections.abc import Sequence

import pytest

from utilitarian_operator.reconcile.asking import AT_A_TIME, OF_A_NAMESPACE, OF_A_PAIR, Asking


class World:
    """Questions that nobody answers until they are let go."""

    def __init__(self) -> None:
        self.asking, self.answers = Asking(), asyncio.Event()
        self.asked: list[object] = []

    async def ask(self, what: object, *namespaces: str) -> bool:
        """Whether a question is begun."""
        before = len(self.asked)
        self.asking.begin(what, namespaces, self._question(what))
        await asyncio.sleep(0)
        return len(self.asked) > before

    async def _question(self, what: object) -> None:
        self.asked.append(what)
        await self.answers.wait()


@pytest.mark.parametrize(
    "asked, begun",
    [
        pytest.param([("a", "a")] * 10, OF_A_PAIR, id="of one namespace alone"),
        pytest.param([("a", "b")] * 10, OF_A_PAIR, id="of two"),
        pytest.param([("a", f"b{number}") for number in range(10)], OF_A_NAMESPACE, id="of one with many others"),
        pytest.param([(f"a{number}", f"b{number}") for number in range(40)], AT_A_TIME, id="of all together"),
    ],
)
async def test_so_many_at_a_time(asked: Sequence[tuple[str, str]], begun: int) -> None:
    world = World()
    assert sum([await world.ask(number, *of) for number, of in enumerate(asked)]) == begun
    world.answers.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert await world.ask("later", *asked[0])
    assert world.asking._busy.total() == 1


async def test_a_namespace_of_brokers_that_never_answer_holds_up_no_other() -> None:
    world = World()
    for number in range(50):
        await world.ask(number, "hostile", f"victim-{number % 5}")
    assert await world.ask("theirs", "victim-1", "victim-2")
    assert await world.ask("alone", "victim-3")


async def test_what_is_being_asked_is_not_asked_once_more() -> None:
    world = World()
    assert await world.ask("same", "a", "b")
    assert not await world.ask("same", "c", "d")
