"""The objects of the spec that runs as they should be, with what their pods' Secrets and ConfigMaps hold now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.changed import Kept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.look import Made, Seen
from utilitarian_operator.core.moments import apart, timestamp
from utilitarian_operator.core.objects.manifests import NOT_CARRIED, Mounted
from utilitarian_operator.core.objects.mounted import Contents
from utilitarian_operator.core.objects.shared_parts import sharing
from utilitarian_operator.core.objects.wanted import (
    Live,
    Wanted,
    carried,
    environment,
    live_checksums,
    said_by_live,
    wanted_objects,
)
from utilitarian_operator.core.spec import mounts
from utilitarian_operator.core.spec.acceptance import Judgement
from utilitarian_operator.core.spec.references import (
    Content,
    Target,
    checksums,
    contents_of,
    followed,
    kept_checksums,
    targets,
)

_Sums: TypeAlias = Mapping[str | None, str | None]
_Mounts: TypeAlias = Mapping[str | None, Mounted]
_Contents: TypeAlias = Mapping[Target, Content]

MOST_ROLLS = 3
WITHIN = timedelta(minutes=10)
"""A pool is rolled no more often than so for what its Secrets and ConfigMaps hold: workers would end all the time
where one is written all the time. A change that a person makes, and corrects, rolls at once."""


def made_objects(
    running: Judgement, owner: Owner, seen: Seen, before: Made | None, now: datetime, kept: Kept | None = None
) -> Made | None:
    """The same objects as long as spec and checksums are the same; an unknown checksum is taken from what is there.

    Args:
        running: the spec that runs.
        owner: the resource.
        seen: at this look.
        before: of the look before.
        now: the one clock.
        kept: what the look before has made.
    """
    if running.fleet is None or running.spec is None:
        return None
    there, salt = said_by_live(seen.live), _salt(owner, seen)
    sums, mounted = (kept or Kept()).of(None, _checksums, running, running.fleet, owner, there, seen.contents, salt)
    before = before if before is not None and before.running is running else None
    if before is not None and before.checksums is sums and before.mounted is mounted and not before.held:
        return before
    rolled, held = _rolled(before, sums, mounted, now)
    if before is not None and held:
        sums = {**sums, **{name: before.checksums[name] for name in held}}
        mounted = {**mounted, **{name: before.mounted[name] for name in held}}
    if before is not None and (before.checksums, before.mounted) == (sums, mounted):
        return before if before.held == held else replace(before, held=held)
    objects = wanted_objects(owner, running.fleet, seen.live, sums, mounted, built_in=running.spec.pools is None)
    return Made(running, sums, mounted, tuple(_alike(objects)), rolled, held)


def _alike(objects: Iterable[Wanted]) -> Iterator[Wanted]:
    """The same objects; those of a kind have their equal parts in common: pools differ in a few words."""
    first: dict[str, Object] = {}
    for it in objects:
        yield replace(it, manifest=sharing(it.manifest, first.setdefault(it.kind, it.manifest)))


def _checksums(
    running: Judgement, fleet: Fleet, owner: Owner, live: Live, contents: _Contents, salt: str
) -> tuple[_Sums, _Mounts]:
    """What the pods of each part have now, beat's under None: a checksum of their environments, and what is mounted."""
    around = _environment(fleet, owner, live, contents, salt)
    mounted = carried(owner, fleet, live, mounts.mounted_contents(running.mounts, contents, salt) if salt else {})
    sums = {name: it.on_pods for name, it in around.items()}
    return sums, {name: replace(it, environment=around[name].each) for name, it in mounted.items()}


def _rolled(
    before: Made | None, sums: _Sums, mounted: Mapping[str | None, Mounted], now: datetime
) -> tuple[Mapping[str | None, tuple[datetime, ...]], Mapping[str | None, datetime]]:
    """When pods were rolled for a change of contents, with the changes of now; and what has to wait, until when."""
    if before is None:
        return {}, {}
    rolled, held = dict(before.rolled), {}
    for name, checksum in sums.items():
        old = before.checksums.get(name), before.mounted.get(name, NOT_CARRIED).on_pods
        new = checksum, mounted.get(name, NOT_CARRIED).on_pods
        if any(was is not None is not it and was != it for was, it in zip(old, new, strict=True)):
            lately = tuple(at for at in rolled.get(name, ()) if apart(now, at) < WITHIN)
            rolled[name] = lately if len(lately) >= MOST_ROLLS else (*lately, now)
            if len(lately) >= MOST_ROLLS:
                held[name] = lately[0] + WITHIN
    return rolled, held


def _environment(fleet: Fleet, owner: Owner, there: Live, contents: _Contents, salt: str) -> dict[str | None, Mounted]:
    """Of what the pods' environments are made of; nothing is known without the salt, and then no pod is rolled."""
    live = live_checksums(owner, fleet, there)
    now: dict[str | None, Contents | None] = {}
    if salt:
        now = {name: None if it is None else contents_of(it, contents, salt) for name, it in followed(fleet).items()}
        salted = {name: None if it is None else it.together for name, it in now.items()}
        if any(
            live[name] not in (None, it) for name, it in salted.items()
        ):  # made without a salt, or of other contents
            together = kept_checksums(salted, checksums(fleet, contents, owner.uid), live)
            now = {name: None if it is None else replace(it, together=together[name]) for name, it in now.items()}
    return environment(owner, fleet, there, now)


def _salt(owner: Owner, seen: Seen) -> str:
    return owner.uid if seen.salt is None else seen.salt and f"{seen.salt}/{owner.uid}"


def said_of_contents(running: Judgement, fleet: Fleet, seen: Seen, made: Made | None) -> Iterator[str]:
    """What is said of Secrets and ConfigMaps that can't be followed, or change too often; the broker's: elsewhere."""
    of_broker = {Target(kind, ref.name) for kind, ref in fleet.broker.sources.values()}
    yield from mounts.not_followed(running.mounts, targets((), fleet) - of_broker, seen.contents, seen.unread)
    for name, until in made.held.items() if made is not None else ():
        whose = "beat" if name is None else f"pool {name}"
        often = f"changed {MOST_ROLLS + 1} times in {format_duration(WITHIN)}"
        cure = "where its program reads them anew, set rollout: {onMountChange: Leave}"
        yield f"{whose} is rolled again at {timestamp(until)}: its Secrets or ConfigMaps {often}; {cure}"
