"""The modelled beat sends what a real one does: tests/integration plays the same cases on that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from tests.adversary.beats import Beats
from tests.adversary.loop import VirtualLoop
from tests.support.beat_contract import BeatContract

SOON_S = 30.0
A_WHILE_S = 5.0


class Model:
    """The beats of a world, of which each that runs is known to its kubelet."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self._running: dict[str, str] = {}
        kubelet, self._broker = SimpleNamespace(beats=self._running), SimpleNamespace(away=False)
        world = SimpleNamespace(loop=self.loop, kubelet=kubelet, rabbit=self._broker, log=lambda _: None)
        self._beats = Beats(world)
        self._sent = self._begun = 0

    def missed(self, _name: str, times: int) -> None:
        for _ in range(times):
            self._beats.due(self._send)

    def soon(self, *_names: str) -> None:
        self.loop.call_later(A_WHILE_S, self._beats.due, self._send)

    def later(self, name: str) -> None:
        self._beats.due(lambda: None)
        self.soon(name)

    @contextmanager
    def away(self) -> Iterator[None]:
        self._broker.away = True
        yield
        self._broker.away = False

    def lost(self, _name: str) -> bool:
        return self._beats.lost > 0

    def begin(self, name: str) -> None:
        self._begun += 1
        self._running[name] = f"{name}, uid {self._begun}"
        self._beats.began(self._running[name])

    def terminate(self, name: str) -> None:
        del self._running[name]

    def kill(self, name: str) -> None:
        self._beats.killed(self._running.pop(name))

    def lose_volume(self, _name: str) -> None:
        self._beats.forget()

    def sent(self) -> int:
        return self._sent

    def wait(self, condition: Callable[[], object]) -> None:
        self.loop.run_until(condition, SOON_S, lambda: f"{self._sent} sent by {list(self._running)}")

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
