"""When a change of what is mounted rolls pods: each object is followed by itself, and what is unknown stays as it was.

The template has one checksum, of which another one rolls the pods. What it stands for is noted beside it, on the object
itself: a digest of each Secret and ConfigMap. A look compares these with what is there now. So one that can't be read,
or is missing, keeps no other from being followed, and neither its going nor its coming back is a change.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from utilitarian_operator.core.objects.manifests import NOT_CARRIED, Mounted

_NOTED = re.compile(r"[0-9a-f]{8}:[0-9a-f]{16}(,[0-9a-f]{8}:[0-9a-f]{16}){0,999}")


@dataclass(frozen=True, slots=True)
class Contents:
    """What the pods of one part of a spec have now, mounted or in their environment.

    Args:
        each: a digest of each object, as far as they use it, by what stands for it; None where that is not known.
        together: one checksum of all; None unless all are known.
        missing: whether one that must be there is not, so that no new pod starts.
    """

    each: Mapping[str, str | None]
    together: str | None
    missing: bool = False

    @property
    def known(self) -> dict[str, str]:
        """The digests that are known."""
        return {word: digest for word, digest in self.each.items() if digest is not None}


def followed(now: Contents | None, before: Mounted | None, *, leaves: bool) -> Mounted:
    """What is written of what pods have mounted; another checksum in the template rolls them.

    Args:
        now: what they have mounted now; None where nothing of it is known.
        before: what is written; None where there is no such object yet.
        leaves: whether a change rolls none.
    """
    if now is None:
        return before or NOT_CARRIED
    if not now.each:
        return NOT_CARRIED
    if before is None:
        return Mounted(_checksum(now, now.known), _text(now.known))
    noted = _read(before.each)
    if noted is None or noted.keys().isdisjoint(now.each):
        return _of_an_earlier_version(now, before, leaves=leaves)
    kept = {word: noted.get(word) or digest for word, digest in now.each.items()}
    has = {word: digest for word, digest in kept.items() if digest is not None}
    if leaves or all(has[word] == digest for word, digest in now.known.items()):
        return Mounted(before.on_pods, _text(has), before.noted)
    merged = has | now.known
    return Mounted(_checksum(now, merged), _text(merged))


def _of_an_earlier_version(now: Contents, before: Mounted, *, leaves: bool) -> Mounted:
    """It followed nothing, or all together, or had another salt: what pods have is in their template, or beside it."""
    was = before.on_pods or before.noted
    if not now.known:
        return before
    if was is None or now.together in (None, was):
        return Mounted(before.on_pods, _text(now.known))
    return before if leaves else Mounted(now.together, _text(now.known))


def _checksum(now: Contents, of: Mapping[str, str]) -> str | None:
    """One checksum; where all is known it is that of an earlier version, which would roll nothing either."""
    if now.together is not None or not of:
        return now.together
    return hashlib.sha256((_text(of) or "").encode()).hexdigest()[:16]


def _text(digests: Mapping[str, str]) -> str | None:
    return ",".join(f"{word}:{digest}" for word, digest in sorted(digests.items())) or None


def _read(text: str | None) -> dict[str, str] | None:
    """The digests that were noted; None where none were, or a person wrote something else there."""
    if text is None or not _NOTED.fullmatch(text):
        return None
    return dict(it.split(":") for it in text.split(","))
