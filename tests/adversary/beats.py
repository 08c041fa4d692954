"""What a beat sends: each entry when it is due, what was missed once when it comes back, and twice where two run.

While its broker is away it loses what comes due; one that has sent nothing yet waits with it instead.
"""

from collections.abc import Callable
from typing import Any

from tests.adversary.crd import PLURAL

TRIES_EACH_S = 2.0
"""How often a beat tries to connect for the first time (Celery 5.7.0: 2 s, then 4 s, and so on)."""
OTHERS_EACH_S = 60
"""How often it sends entries that nothing here is asked of: from then on it has a connection."""
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
        self._connected: set[str] = set()
        """Those that have sent something: before that a beat has no connection."""
        self._waiting: dict[str, Callable[[], None]] = {}
        self.sent = self.lost = 0

    def due(self, send: Callable[[], None]) -> None:
        """An entry is due: each beat that runs sends it; without one the next to come does, and no earlier entry."""
        running = list(self._world.kubelet.beats.values())
        self._missed = None if running else send
        for uid in running:
            self._send(uid, send)

    def began(self, uid: str) -> None:
        """A beat begins, and sends what was missed: once, however often it was."""
        send, self._missed = self._missed, None
        if send is not None:
            self._world.log("beat sends what was missed")
            self._send(uid, send)

    def killed(self, uid: str) -> None:
        """A beat ends and writes nothing: what it waited to send is missed. One that is told to end forgets it."""
        self._missed = self._waiting.pop(uid, self._missed)

    def _send(self, uid: str, send: Callable[[], None]) -> None:
        if not self._world.rabbit.away:
            self._connected.add(uid)
            self.sent += 1
            send()
        elif uid in self._connected:
            self.lost += 1
            self._world.log("beat loses what is due: its broker is away")
        else:
            self._waiting[uid] = send
            self._world.loop.call_later(TRIES_EACH_S, self._try_again, uid)

    def _try_again(self, uid: str) -> None:
        send = self._waiting.pop(uid, None)
        if send is not None and uid in self._world.kubelet.beats.values():
            self._send(uid, send)

    def forget(self) -> None:
        """The volume is lost, and with it what is to be sent anew."""
        self._missed = None

    def look(self) -> None:
        """Each second: whether one runs, or could not."""
        world, now = self._world, self._world.loop.now
        if int(world.loop.at) % OTHERS_EACH_S == 0 and not world.rabbit.away:
            self._connected.update(world.kubelet.beats.values())
        if world.kubelet.beats or not world.sees or self._kept_away():
            self._down_since = None
            return
        self._down_since = self._down_since or now
        if now - self._down_since > DOWN_FOR_S:
            world.invariants.breach("no-beat", f"none has run for {now - self._down_since:.0f} s", "beat")

    def _kept_away(self) -> bool:
        """Whether the world, or a person, lets none run."""
        world = self._world
        gone = world.server.get(PLURAL, world.name) is None
        hindered = gone or world.full or world.quota is not None or world.kubelet.lost or world.kubelet.cordoned
        return bool(hindered or "bad" in world.spec.get("image", "bad") or world.spec.get("mode", "Auto") != "Auto")
