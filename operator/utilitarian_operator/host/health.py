"""How the process is: what of it must go on all the time, what has stopped, and why it can't do its work."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from utilitarian_operator.adapters.broker.timing import CLOCK
from utilitarian_operator.errors import HistoryWentBack

logger = logging.getLogger(__name__)

SILENT_S = 120.0
"""What has made no progress for this long will make none: the kubelet shall restart the process."""


@dataclass
class ProcessHealth:
    """How the process is.

    Each part that must go on for ever says so by `goes_on`; one that ends for good says it by `ended`.

    Args:
        leads: whether it has the Lease, or needs none.
        watches: whether its watches are open.
        lacks: what a check of the API server, the definition of the resource and the rights found; None: nothing.
        notes: sentences about what it leaves alone although all is well.
        stuck: asked for what each part knows about itself.
        seconds: of a clock that never goes back.
    """

    leads: bool = False
    watches: bool = False
    lacks: str | None = "the API server was not asked yet"
    notes: Callable[[], list[str]] = list
    stuck: list[Callable[[], str | None]] = field(default_factory=list)
    seconds: Callable[[], float] = CLOCK.monotonic
    _last: dict[str, float] = field(default_factory=dict)

    def goes_on(self, part: str) -> None:
        """A part of the process has made progress; it is expected to do so again before `SILENT_S` are over."""
        self._last[part] = self.seconds()

    def ended(self, part: str) -> None:
        """A part of the process is over, and no progress is expected of it."""
        self._last.pop(part, None)

    def sick(self) -> str | None:
        """What is wrong for good, or None."""
        now = self.seconds()
        silent = next((part for part, at in self._last.items() if now - at > SILENT_S), None)
        if silent is not None:
            return f"{silent}: no progress for {SILENT_S:.0f} s"
        return next((why for ask in self.stuck if (why := ask()) is not None), None)

    def noted(self) -> list[str]:
        """What it leaves alone, a sentence each."""
        return self.notes()

    def unready(self) -> str | None:
        """Why it can't do its work, or couldn't take over, or None."""
        if self.leads and not self.watches:
            return "the watches are not open yet"
        return self.sick() or self.lacks


class WatchProgress:
    """Whether the watches still tell what the API server has.

    Args:
        seconds: of a clock that never goes back.
    """

    def __init__(self, seconds: Callable[[], float] = CLOCK.monotonic) -> None:
        self._seconds = seconds
        self._watched: dict[str, int] = {}
        self._behind: dict[str, tuple[int, float]] = {}

    def saw(self, plural: str, version: int) -> None:
        """A watch showed an object at this version."""
        self._watched[plural] = max(version, self._watched.get(plural, 0))
        if plural in self._behind and self._watched[plural] >= self._behind[plural][0]:
            del self._behind[plural]

    def listed(self, plural: str, version: int) -> None:
        """A list has an object at this version, which its watch must tell of, too."""
        if version <= self._watched.get(plural, 0):
            self._behind.pop(plural, None)  # what was waited for has gone, which no watch need tell
        else:
            before, since = self._behind.get(plural, (version, self._seconds()))
            self._behind[plural] = min(version, before), since

    def stuck(self) -> str | None:
        """Which watch has not shown for long what a list had, or None."""
        now = self._seconds()
        late = next((plural for plural, (_, since) in self._behind.items() if now - since > SILENT_S), None)
        return None if late is None else f"the watch of {late} has shown nothing of what is there for {SILENT_S:.0f} s"


class History:
    """Whether the API server has an earlier state than before, as after a restore of etcd from a snapshot.

    A list without a version asks for the newest state: it is never older than what was seen before it was asked for,
    whichever of several API servers answers. One such answer may be a fault, and two in a row are none. Then the
    watches, too, wait for versions that are long to come: so the process ends, and begins anew with nothing.
    """

    def __init__(self) -> None:
        self.doubtful = False

    def compare(self, seen: Mapping[str, int], listed: Mapping[str, int]) -> None:
        """Compare lists, by kind.

        Args:
            seen: the latest version that was seen before they were asked for.
            listed: their versions.

        Raises:
            HistoryWentBack: these are older, and so were those before them.
        """
        back = next((kind for kind, version in listed.items() if version < seen[kind]), None)
        before, self.doubtful = self.doubtful, back is not None
        if back is None:
            return
        what = f"the list of {back} is at version {listed[back]}, and version {seen[back]} was seen before"
        because = f"the API server has an earlier state, as after a restore of etcd: {what}"
        if before:
            raise HistoryWentBack(f"{because}; this process ends, and reads all anew")
        logger.warning("older than what was seen", extra={"because": because})
