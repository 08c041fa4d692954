"""Reads the depths of queues once for all looks that wait for them, and not once for each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from utilitarian_operator.core.observation.broker import Depths


class _Asked(NamedTuple):
    """The queues of one look, and where their depths go."""

    queues: Sequence[str]
    answer: "asyncio.Future[Depths]"


class JointReading:
    """One reading at a time: what is asked for meanwhile is in the next one, all together.

    A tick has all fleets ask within the same moment. Each question by itself would be a way to the broker, to its
    thread and back. A reading begins after it was asked for, so what it tells is never older than the question.

    Args:
        read: the depths of the queues of several looks.
    """

    def __init__(self, read: Callable[[Sequence[Sequence[str]]], Awaitable[Depths]]) -> None:
        self._read = read
        self._waiting: list[_Asked] = []
        self._going_on: asyncio.Task[None] | None = None

    async def of(self, queues: Sequence[str]) -> Depths:
        """The depth of each of these queues; raises what the reading raises.

        Args:
            queues: of one look.
        """
        asked = _Asked(queues, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if self._going_on is None:
            self._going_on = asyncio.create_task(self._go_on(), name="depths")
        return await asked.answer

    async def _go_on(self) -> None:
        """Read until no look waits."""
        try:
            while self._waiting:
                asked, self._waiting = [it for it in self._waiting if not it.answer.done()], []
                if asked:
                    await self._answer(asked)
        finally:
            self._going_on = None
            for it in self._waiting:
                it.answer.cancel()

    async def _answer(self, asked: Sequence[_Asked]) -> None:
        try:
            found = await self._read([it.queues for it in asked])
        except Exception as error:  # noqa: BLE001 - raised where it was asked for
            for it in asked:
                if not it.answer.done():
                    it.answer.set_exception(error)
        else:
            for it in asked:
                if not it.answer.done():  # a look that was cut off
                    it.answer.set_result({name: found[name] for name in it.queues})
        finally:
            for it in asked:
                it.answer.cancel()  # where the reading itself was cut off; one that is done stays as it is
