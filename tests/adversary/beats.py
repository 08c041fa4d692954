"""What a beat sends: each entry when it is due, what was missed once when it comes back, and twice where two run."""

from collections.abc import Callable
from typing import Any

DOWN_FOR_S = 150.0
"""Longest that no beat may run where nothing keeps it away: an old one ends within its grace, and a new one starts."""


class Beats:
    """The schedule on beat's volume, and who goes by it.

    Args:
        world: asked who runs.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._missed: Callable[[], None] | None = None
        self._down_since: float | None = world.loop.now
        self.sent = 0

    def due(self, send: Callable[[], None]) -> None:
        """An entry is due: each beat that runs sends it; without one the next to come does, and no earlier entry."""
        running = len(self._world.kubelet.beats)
        self._missed = None if running else send
        for _ in range(running):
            self.sent += 1
            send()

    def began(self) -> None:
        """A beat begins, and sends what was missed: once, however often it was."""
        send, self._missed = self._missed, None
        if send is not None:
            self.sent += 1
            self._world.log("beat sends what was missed")
            send()

    def forget(self) -> None:
        """The volume is lost, and with it what is to be sent anew."""
        self._missed = None

    def look(self) -> None:
        """Each second: whether one runs, or could not."""
        world, now = self._world, self._world.loop.now
        if world.kubelet.beats or not world.sees or self._kept_away():
            self._down_since = None
            return
        self._down_since = self._down_since or now
        if now - self._down_since > DOWN_FOR_S:
            world.invariants.breach("no-beat", f"none has run for {now - self._down_since:.0f} s", "beat")

    def _kept_away(self) -> bool:
        """Whether the world, or a person, lets none run."""
        world = self._world
        hindered = world.full or world.quota is not None or world.kubelet.lost or world.kubelet.cordoned
        return bool(hindered or "bad" in world.spec.get("image", "bad") or world.spec.get("mode", "Auto") != "Auto")
