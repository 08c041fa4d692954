"""Remembers which events were recorded lately: the same one, said again, is counted in the first one's `series`."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.moments import apart, timestamp
from utilitarian_operator.core.reasons import Reason

SAME_WITHIN = timedelta(minutes=6)
"""Said again later, it is a new event; the recorder of Kubernetes' own Go client has the same time (client-go,
`tools/events`)."""

WRITTEN_EACH = timedelta(seconds=30)
"""The count of one series is written no more often."""

MOST = 1000
"""Events that are remembered, of all fleets; beyond them the one that was said longest ago is forgotten."""

EACH_BY_ITSELF = frozenset({Reason.SCALED_UP, Reason.SCALED_DOWN})
"""When a pool changed its size is what they tell: two steps that read alike are two events."""

_Id = tuple[str, str, str, str, str]
"""Of the resource that it is about, namespace, name and uid; reason and note."""


@dataclass(slots=True)
class Recorded:
    """An event that is in the cluster, and how often it was said.

    Args:
        which: it is.
        live: by what it is found again: kind, namespace, name, uid.
        at: when it was last said.
        written: when it was last written, or tried to be.
        count: times that it was said.
    """

    which: _Id
    live: Object
    at: datetime
    written: datetime
    count: int = 1

    @property
    def change(self) -> Object:
        """What tells the count, which Kubernetes wants to be 2 or more."""
        return {"series": {"count": self.count, "lastObservedTime": timestamp(self.at, "microseconds")}}


class EventSeries:
    """The events that one operator has recorded lately."""

    def __init__(self) -> None:
        self._recorded: OrderedDict[_Id, Recorded] = OrderedDict()
        self._behind: dict[_Id, Recorded] = {}

    def recorded(self, made: ReadOnlyObject, now: datetime) -> None:
        """Remember an event as the API server has it."""
        if made["reason"] in EACH_BY_ITSELF:
            return
        metadata = {name: made["metadata"][name] for name in ("name", "namespace", "uid")}
        live = {"apiVersion": made["apiVersion"], "kind": made["kind"], "metadata": metadata}
        which = _id(made)
        self._recorded[which] = Recorded(which, live, now, now)
        self._recorded.move_to_end(which)
        self._forget_old(now)

    def again(self, body: ReadOnlyObject, now: datetime) -> bool:
        """Count an event to the same one of the last minutes; False if there is none, so that it is to be recorded."""
        found = self._recorded.get(_id(body))
        if found is None or apart(now, found.at) > SAME_WITHIN:
            return False
        found.at, found.count = now, found.count + 1
        self._recorded.move_to_end(found.which)
        self._behind[found.which] = found
        return True

    def due(self, namespace: str, name: str, now: datetime) -> list[Recorded]:
        """The events about one resource whose counts are to be written now; what is not `told` comes again later.

        One that is said no more is tried once more, and then forgotten: an API server may refuse it for ever.
        """
        ours = (it for it in self._behind.values() if it.which[:2] == (namespace, name))
        found = [it for it in ours if apart(now, it.written) >= WRITTEN_EACH]
        for it in found:
            it.written = now
            if apart(now, it.at) > SAME_WITHIN:
                self.forget(it)
        return found

    def told(self, event: Recorded, count: int) -> None:
        """A count was written."""
        if event.count == count:
            self._behind.pop(event.which, None)

    def forget(self, event: Recorded) -> None:
        """Kubernetes has an event no more: said again, it is new."""
        self._recorded.pop(event.which, None)
        self._behind.pop(event.which, None)

    def _forget_old(self, now: datetime) -> None:
        while self._recorded:
            oldest = next(iter(self._recorded.values()))
            if len(self._recorded) <= MOST and apart(now, oldest.at) <= SAME_WITHIN:
                return
            self.forget(oldest)


def _id(body: ReadOnlyObject) -> _Id:
    about = body["regarding"]
    return about["namespace"], about["name"], about["uid"], body["reason"], body["note"]
