"""Whether another client changed what the operator applied, and how soon the same is applied again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.labels import MANAGER, TEMPLATE_HASH
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.objects.actions import scaled
from utilitarian_operator.core.objects.handover import carries
from utilitarian_operator.core.objects.wanted import Live, Wanted
from utilitarian_operator.core.wording import named

AGAIN_AFTER = timedelta(seconds=10)
"""A client that changes it once is not fought each second."""

STANDING_AFTER = timedelta(minutes=10)
"""One that changes it each time, or a webhook that lets no apply through as it is, is answered no more often."""

FORGOTTEN_AFTER = 2 * STANDING_AFTER
"""Changes that are further apart are not those of a client that changes it each time."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What the operator held of an object after its last apply.

    Args:
        fields: that it held, as Kubernetes writes them.
        at: when.
        digest: of what was asked for; empty where it is not known.
        again: whether the apply did not take effect, or was the second in a row of the same within a short time.
        as_scaled: whether the answer had the number of pods that was asked for.
        generation: of the object then; 0 where it is not known.
        uid: of the object.
    """

    fields: Sequence[Any]
    at: datetime
    digest: str = ""
    again: bool = False
    as_scaled: bool = True
    generation: int = 0
    uid: str = ""

    def is_of(self, live: ReadOnlyObject) -> bool:
        """Whether it is of this object: not of one of the same name that was deleted, nor later than a restored one."""
        metadata = live["metadata"]
        return self.uid == (metadata.get("uid") or "") and (metadata.get("generation") or 0) >= self.generation

    def pause(self, live: ReadOnlyObject) -> timedelta:
        """Until the same is applied again to an object."""
        return STANDING_AFTER if self.again and self.is_of(live) else AGAIN_AFTER


def applied(live: Object, now: datetime, manifest: Object | None = None, before: Applied | None = None) -> Applied:
    """What is held of an object as the answer to an apply shows it.

    Args:
        live: the answer; a webhook may have changed what was asked for.
        now: the one clock.
        manifest: what was asked for, where it is known.
        before: of the apply before, if there was one.
    """
    asked = "" if manifest is None else _digest(manifest)
    lately = before is not None and before.is_of(live) and apart(now, before.at) < FORGOTTEN_AFTER
    repeated = before is not None and lately and before.digest == asked != ""
    ineffective = bool(asked) and _digest(live) != asked
    as_scaled = manifest is None or not scaled(manifest, live)
    which = live["metadata"].get("generation") or 0, live["metadata"].get("uid") or ""
    return Applied(_fields(live), now, asked, repeated or ineffective, as_scaled, *which)


def all_applied(
    answers: Iterable[ReadOnlyObject], tried: Iterable[Wanted], before: Mapping[tuple[str, str], Applied], now: datetime
) -> dict[tuple[str, str], Applied]:
    """What is held of each object after a plan, by kind and name: of those that were not applied, what was before."""
    asked = {(it.kind, it.name): it.manifest for it in tried}
    held = dict(before)
    for answer in answers:
        key = (answer["kind"], answer["metadata"]["name"])
        held[key] = applied(dict(answer), now, asked.get(key), before.get(key))
    return held


def known_applied(
    held: Mapping[tuple[str, str], Applied], wanted: Iterable[Wanted], live: Live, now: datetime
) -> Mapping[tuple[str, str], Applied]:
    """What is held of each object, with those that an operator before this one applied and that are still just so.

    Of those that are neither asked for nor there nothing is held any more.

    Where an object was seen as the answer had it, the fields are those that were seen, and no copy of them: they take
    more memory than the object, and its look compares what is the same in no time.

    Args:
        held: after the last apply of each object, by kind and name.
        wanted: all that is asked for.
        live: what was seen.
        now: the one clock.
    """
    new, asked = {}, {(it.kind, it.name): it for it in wanted}
    for key, it in asked.items():
        body, last = live.get(it.kind, {}).get(it.name), held.get(key)
        if body is not None and last is not None:
            new[key] = _forgotten(_answered(_as_seen(last, body), it.manifest, body), now)
        elif body is not None and carries(it.manifest, body):
            new[key] = applied(body, now, it.manifest)
    held = _of_what_is(held, asked, live)
    return held if all(held.get(key) is it for key, it in new.items()) else {**held, **new}


def _answered(last: Applied, manifest: Object, live: Object) -> Applied:
    """With what an apply asked for whose answer was lost, where the object shows that it took effect.

    Where all of it is there and ours, no field was taken over since, and the same is not applied once more.
    """
    asked = _digest(manifest)
    if last.digest == asked or _digest(live) != asked or not asked:
        return last
    fields = _fields(live) if carries(manifest, live) else []
    generation = live["metadata"].get("generation") or 0
    return changed(last, digest=asked, fields=fields, again=False, generation=generation)


def _forgotten(last: Applied, now: datetime) -> Applied:
    """Without what was changed again long ago: one change is answered soon, and held against no client."""
    return changed(last, again=False) if last.again and apart(now, last.at) >= FORGOTTEN_AFTER else last


def _of_what_is(
    held: Mapping[tuple[str, str], Applied], asked: Collection[tuple[str, str]], live: Live
) -> Mapping[tuple[str, str], Applied]:
    gone = [(kind, name) for kind, name in held if (kind, name) not in asked and name not in live.get(kind, {})]
    return {key: it for key, it in held.items() if key not in gone} if gone else held


def _as_seen(last: Applied, live: Object) -> Applied:
    fields = _fields(live)
    same = all(one is other for one, other in zip(last.fields, fields, strict=False))
    return last if same or last.fields != fields else changed(last, fields=fields)


def drifted(live: Object, last: Applied | None, now: datetime) -> bool:
    """Whether a field was taken over since the last apply; also when that is not known, after a restart.

    A field that another client changes, by an update or a forced apply, becomes that client's.

    Args:
        live: as it was seen.
        last: what was held then; None when it is not known.
        now: the one clock.
    """
    return last is None or (last.fields != _fields(live) and apart(now, last.at) >= last.pause(live))


def may_repeat(manifest: Object, live: Object, last: Applied | None, now: datetime) -> bool:
    """Whether an object may be applied that is not as it should be: at once, but for the same as the last time.

    Beat's pods are the exception: another client that scales them is answered at once, and only a webhook that lets no
    other number through has the pause.

    Args:
        manifest: as it should be.
        live: as it was seen.
        last: of the last apply; None when it is not known.
        now: the one clock.
    """
    if last is None or last.digest != _digest(manifest) or (scaled(manifest, live) and last.as_scaled):
        return True
    return apart(now, last.at) >= last.pause(live)


def fought(live: Object, last: Applied | None) -> str:
    """Who changes an object each time it is applied, as a sentence; empty where it stays as it was applied."""
    if (
        last is None
        or not last.again
        or not last.is_of(live)
        or (last.fields == _fields(live) and _digest(live) == last.digest)
    ):
        return ""
    entries = live["metadata"].get("managedFields", [])
    who = sorted({str(e.get("manager")) for e in entries if e.get("manager") != MANAGER and not e.get("subresource")})
    others = f" (fields of it are set by {named(who, 3)})" if who else ""
    return (
        f"{live['kind']} {live['metadata']['name']} is changed by another client or by a webhook whenever the operator "
        f"applies it{others}: it is applied once in ten minutes; take it out of what changes it"
    )


def _digest(body: Object) -> str:
    annotations: dict[str, str] = body["metadata"].get("annotations") or {}
    return annotations.get(TEMPLATE_HASH, "")


def _fields(live: Object) -> list[Any]:
    entries = live["metadata"].get("managedFields", [])
    return [e.get("fieldsV1") for e in entries if e.get("manager") == MANAGER and e.get("operation") == "Apply"]
