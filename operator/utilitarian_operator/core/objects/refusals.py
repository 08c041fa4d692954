"""What the API server refused of one fleet, so that it isn't asked the same each second."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from utilitarian_operator.core.blocker import NAME_TAKEN, REFUSED, Blocker
from utilitarian_operator.core.labels import TEMPLATE_HASH
from utilitarian_operator.core.moments import apart
from utilitarian_operator.core.objects.actions import Delete, ScaleTo
from utilitarian_operator.core.objects.wanted import Wanted

SHORTEST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that could not be made as it should be.

    Args:
        wanted: the object.
        blocker: why not.
        doubtful: whether it may have been by chance: it counts when tries end so for some seconds.
    """

    wanted: Wanted
    blocker: Blocker
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    digest: str
    blocker: Blocker
    since: datetime
    tried: datetime
    doubtful: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is said, and waited for: what may be by chance is tried again at once for some seconds."""
        return not self.doubtful or apart(self.tried, self.since) >= SHORTEST_PAUSE


@dataclass(frozen=True)
class Refusals:
    """The refusals of one fleet that still hold."""

    pending: Mapping[tuple[str, str], _Pending] = field(default_factory=dict)

    @property
    def blockers(self) -> list[Blocker]:
        """Why objects are not as they should be."""
        return [it.blocker for it in self.pending.values() if it.counts]

    def of(self, kind: str) -> dict[str, Blocker]:
        """Why objects of a kind are not as they should be, by name."""
        return {name: it.blocker for (its, name), it in self.pending.items() if its == kind and it.counts}

    def only(self, asked_for: Iterable[Wanted]) -> "Refusals":
        """Without what is not asked for any more; what is asked for in another shape holds until that is tried."""
        keys = {_key(it) for it in asked_for}
        return Refusals({key: it for key, it in self.pending.items() if key in keys})

    def due(self, wanted: Wanted, now: datetime) -> bool:
        """Whether it may be tried: at once if it is new, else after a pause that grows with the refusal's age."""
        it = self.pending.get(_key(wanted))
        if it is None or not it.counts or it.digest != _digest(wanted):
            return True
        return apart(now, it.tried) >= min(max(it.tried - it.since, SHORTEST_PAUSE), LONGEST_PAUSE)

    def refused(self, wanted: Wanted) -> bool:
        """Whether it was refused in the shape in which it is wanted."""
        it = self.pending.get(_key(wanted))
        return it is not None and it.counts and it.digest == _digest(wanted)

    def noted(self, tried: Iterable[Wanted], refused: Iterable[Refusal], now: datetime) -> "Refusals":
        """With what came of a try.

        Args:
            tried: all objects of it.
            refused: those that failed.
            now: the one clock.
        """
        failed, pending = {_key(it.wanted): it for it in refused}, dict(self.pending)
        for wanted in tried:
            known, refusal = pending.pop(_key(wanted), None), failed.get(_key(wanted))
            if refusal is not None:
                digest = _digest(wanted)
                new = _Pending(digest, refusal.blocker, now, now, refusal.doubtful)
                again = known is not None and known.digest == digest
                pending[_key(wanted)] = replace(new, since=known.since) if known is not None and again else new
        return Refusals(pending)


def taken(wanted: Wanted) -> Refusal:
    """The name belongs to another owner's object."""
    message = (
        f"{wanted.path}: the {wanted.kind} {wanted.name} has another owner and is left alone; "
        "delete it, or rename the pool or the resource"
    )
    return Refusal(wanted, Blocker(NAME_TAKEN, message))


def scaling(step: ScaleTo) -> Wanted:
    """A scale request, as a refusal of it is noted: of one Deployment, for one number."""
    metadata = {"name": step.name, "annotations": {TEMPLATE_HASH: str(step.replicas)}}
    return Wanted({"kind": "Scale", "metadata": metadata}, "spec.pools")


def not_scaled(pool: str, step: ScaleTo, said: str) -> Refusal:
    """The API server refuses a pool's number of workers, such as a policy of the cluster or its quota does.

    Args:
        pool: its name.
        step: the request.
        said: the API server's sentence.
    """
    message = f"pool {pool}: Deployment {step.name} can't be scaled: {said}; until that is put right, it stays as it is"
    return Refusal(scaling(step), Blocker(REFUSED, message))


def deletion(step: Delete) -> Wanted:
    """An object that is to go, as a refusal of it is noted."""
    return Wanted(step.live, "spec")


def not_deleted(step: Delete, said: str) -> Refusal:
    """The API server refuses to delete an object that the resource no longer asks for.

    Args:
        step: the request.
        said: the API server's sentence.
    """
    it = deletion(step)
    message = f"{it.kind} {it.name} is no longer asked for and can't be deleted: {said}"
    return Refusal(it, Blocker(REFUSED, f"{message}; until that is put right, it stays"))


def _key(wanted: Wanted) -> tuple[str, str]:
    return wanted.kind, wanted.name


def _digest(wanted: Wanted) -> str:
    annotations: dict[str, str] = wanted.manifest["metadata"].get("annotations", {})
    return annotations.get(TEMPLATE_HASH, "")
