"""What a plan asks of the API server is asked together, and told in one order."""

import asyncio

import pytest

from utilitarian_operator.cli.plan_diff import Change, together
from utilitarian_operator.errors import ClusterError


async def answer(name: str, *, after: int, refused: bool, ended: list[str]) -> Change | None:
    """An answer that comes after some turns of the loop."""
    try:
        for _ in range(after):
            await asyncio.sleep(0)
        if refused:
            raise ClusterError(name)
        return Change("create", "Deployment", name)
    finally:
        ended.append(name)


async def test_of_several_that_are_refused_the_first_is_named_when_all_have_ended() -> None:
    ended: list[str] = []
    asked = (
        answer("taken", after=1, refused=False, ended=ended),
        answer("slow", after=9, refused=True, ended=ended),
        answer("quick", after=0, refused=True, ended=ended),
        answer("last", after=99, refused=False, ended=ended),
    )
    with pytest.raises(ClusterError, match="slow"):
        await together(*asked)
    assert sorted(ended) == ["last", "quick", "slow", "taken"]


async def test_answers_have_the_order_of_the_questions() -> None:
    found = await together(*(answer(name, after=9 - i, refused=False, ended=[]) for i, name in enumerate("abc")))
    assert [it.name for it in found if it is not None] == ["a", "b", "c"]
