"""The modelled beat sends what a real one does: tests/integration plays the same cases on that."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from tests.adversary.beats import Beats
from tests.adversary.loop import VirtualLoop
from tests.support.beat_contract import BeatContract

SOON_S, EVERY_S = 30.0, 0.05
A_WHILE_S = 5.0


class Model:
    """The beats of a world, of which each that runs is known to its kubelet."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self._running: dict[str, str] = {}
        kubelet = SimpleNamespace(beats=self._running)
        self._beats = Beats(SimpleNamespace(loop=self.loop, kubelet=kubelet, log=lambda _: None))
        self._sent = 0

    def missed(self, _name: str, times: int) -> None:
        for _ in range(times):
            self._beats.due(self._send)

    def soon(self, *_names: str) -> None:
        self.loop.call_later(A_WHILE_S, self._beats.due, self._send)

    def begin(self, name: str) -> None:
        self._running[name] = f"uid of {name}"
        self._beats.began()

    def terminate(self, name: str) -> None:
        del self._running[name]

    def kill(self, name: str) -> None:
        del self._running[name]

    def lose_volume(self, _name: str) -> None:
        self._beats.forget()

    def sent(self) -> int:
        return self._sent

    def wait(self, condition: Callable[[], object]) -> None:
        async def until() -> None:
            end = self.loop.now + SOON_S
            while not condition():
                assert self.loop.now < end, f"{self._sent} sent by {list(self._running)}"
                await asyncio.sleep(EVERY_S)

        self.loop.run_until_complete(until())

    def _send(self) -> None:
        self._sent += 1


@pytest.fixture
def scene() -> Iterator[Model]:
    """Beats in virtual time."""
    model = Model()
    yield model
    model.loop.close()


class TestModelledBeat(BeatContract):
    """One volume for all: which of two beats wrote it makes no difference to what is sent."""
