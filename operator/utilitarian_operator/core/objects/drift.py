"""Whether another client changed what the operator applied, by the managers of each field."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import MANAGER
from utilitarian_operator.core.moments import apart

AGAIN_AFTER = timedelta(seconds=10)
"""A client that changes it each time it is changed back is not fought each second."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What the operator held of an object after its last apply.

    Args:
        fields: that it held, as Kubernetes writes them.
        at: when.
    """

    fields: Sequence[Any]
    at: datetime


def applied(live: Object, now: datetime) -> Applied:
    """What is held of an object as the answer to an apply shows it."""
    return Applied(_fields(live), now)


def drifted(live: Object, last: Applied | None, now: datetime) -> bool:
    """Whether a field was taken over since the last apply; also when that is not known, after a restart.

    A field that another client changes, by an update or a forced apply, becomes that client's.

    Args:
        live: as it was seen.
        last: what was held then; None when it is not known.
        now: the one clock.
    """
    return last is None or (last.fields != _fields(live) and apart(now, last.at) >= AGAIN_AFTER)


def _fields(live: Object) -> list[Any]:
    entries = live["metadata"].get("managedFields", [])
    return [e.get("fieldsV1") for e in entries if e.get("manager") == MANAGER and e.get("operation") == "Apply"]
