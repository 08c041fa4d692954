"""Which spec may run: judged when the resource changes; after a bad edit the last accepted one goes on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.api.patience import PATIENCE, Patience
from utilitarian_operator.api.problem import InvalidSpec, Problem
from utilitarian_operator.api.pydantic_messages import MOST_PROBLEMS
from utilitarian_operator.api.resource import UtilitarianWorkerPoolSpec
from utilitarian_operator.api.validation.pod_security import NOTHING, check_made_pods, check_restricted
from utilitarian_operator.api.validation.resource_rules import accept, warnings
from utilitarian_operator.api.validation.size import TOO_LARGE
from utilitarian_operator.core.objects.wanted import pod_templates
from utilitarian_operator.core.spec.by_hand import ByHand, by_hand, is_by_hand, steers_none
from utilitarian_operator.core.spec.mounts import Mounts, mounts
from utilitarian_operator.core.spec.override import Override, overrides
from utilitarian_operator.core.spec.references import Reference, references, too_many_named
from utilitarian_operator.core.spec.revisions import spec_of

MEANWHILE = "; until it is corrected, the last accepted spec keeps running"


@dataclass(frozen=True, eq=False)
class Judgement:
    """One version of a resource, read once; equal only to itself.

    Args:
        generation: of the spec.
        written: the spec as it was written.
        spec: the same, read; None if it is wrong.
        fleet: the same with every default; None if it is wrong.
        references: what the spec names.
        problems: what is wrong with the spec, or with an annotation by which a person steers the fleet.
        warnings: what will run, but probably not as meant.
        overrides: numbers of workers that a person set, by pool name.
        by_hand: what else a person asks for by annotations.
        mounts: what its pods have beside their environment.
    """

    generation: int
    written: ReadOnlyObject
    spec: UtilitarianWorkerPoolSpec | None
    fleet: Fleet | None
    references: Sequence[Reference]
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    overrides: Mapping[str, Override]
    by_hand: ByHand = field(default_factory=ByHand)
    mounts: Mounts = field(default_factory=dict)


class Acceptance:
    """The spec that runs, and the newest one.

    Args:
        resource: as it is when the operator first sees it.
        kept: the ControllerRevision of the spec that ran before; None if none did.
        patience: how long symptoms must last.
        allowed: what its pods may ask for beyond the Pod Security baseline.
    """

    def __init__(
        self,
        resource: ReadOnlyObject,
        kept: ReadOnlyObject | None = None,
        patience: Patience = PATIENCE,
        allowed: Collection[str] = NOTHING,
    ) -> None:
        self._judged = _Judge(patience, allowed)
        self._newest: Judgement | None = None
        self._annotations: dict[str, str] = {}
        self._running: Judgement | None = None
        if kept is not None:
            self.recall(resource, kept)

    @property
    def running(self) -> Judgement | None:
        """The last that was let run; None while there was none."""
        return self._running

    def recall(self, resource: ReadOnlyObject, kept: ReadOnlyObject) -> None:
        """Let the spec that ran before go on, if this operator still understands and allows it.

        Args:
            resource: as it is now.
            kept: the ControllerRevision of that spec.
        """
        self._running = self._judged.kept(resource, kept)

    def judge(self, resource: ReadOnlyObject) -> Judgement:
        """Read a resource, unless generation, spec and annotations are those that were read last.

        Of one generation another CRD, such as an older one that helm has put back, may show another spec.
        """
        metadata = resource["metadata"]
        annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if is_by_hand(k)}
        newest = self._newest
        same = newest is not None and newest.generation == metadata["generation"]
        if newest is None or not same or not _is_of(newest, resource) or annotations != self._annotations:
            newest, self._annotations = self._judged(resource, annotations), annotations
            self._newest = newest
            if self._running is not None and self._running.generation == newest.generation and newest.fleet:
                self._running = newest  # only an annotation changed
        return newest

    def let_run(self, judgement: Judgement) -> None:
        """Run this one from now on; it must have a fleet."""
        self._running = judgement


def _is_of(judgement: Judgement, resource: ReadOnlyObject) -> bool:
    spec = resource.get("spec", {})
    return judgement.written is spec or judgement.written == spec


@dataclass(frozen=True, slots=True)
class _Judge:
    """Reads one version of a resource.

    Args:
        patience: how long symptoms must last.
        allowed: what its pods may ask for beyond the Pod Security baseline.
    """

    patience: Patience
    allowed: Collection[str]

    def __call__(self, resource: ReadOnlyObject, annotations: Mapping[str, str]) -> Judgement:
        found, wrong = overrides(annotations)
        asked, also_wrong = by_hand(annotations)
        problems = (*wrong, *also_wrong)[:MOST_PROBLEMS]
        generation, written = int(resource["metadata"]["generation"]), resource.get("spec", {})
        try:
            spec = self._accepted(resource)
            fleet = effective_fleet(spec, self.patience)
            of_pods = mounts(self._checked_pods(resource, fleet), fleet)
        except InvalidSpec as error:
            return Judgement(generation, written, None, None, (), (*error.errors, *problems), (), found, asked)
        none = islice(steers_none(fleet, annotations), MOST_PROBLEMS)
        said = (references(spec), problems, (*warnings(spec), *too_many_named(spec), *none), found, asked, of_pods)
        return Judgement(generation, written, spec, fleet, *said)

    def _accepted(self, resource: ReadOnlyObject) -> UtilitarianWorkerPoolSpec:
        """The spec, read; raises InvalidSpec."""
        if TOO_LARGE in resource:  # what was wrong with it was found before it was left out
            raise InvalidSpec([Problem(*resource[TOO_LARGE])])
        return accept(resource, self.allowed).spec

    def _checked_pods(self, resource: ReadOnlyObject, fleet: Fleet) -> Mapping[str, Object]:
        """The pods that would be made; what may not be is refused there too: no rule on fields knows all ways to it.

        Raises:
            InvalidSpec: with the first problems: what one template says may be wrong in a hundred pools.
        """
        pods = pod_templates(str(resource["metadata"]["name"]), fleet)
        every = chain(check_made_pods(pods, self.allowed), check_restricted(pods) if fleet.restricted else ())
        problems = list(islice(every, MOST_PROBLEMS))
        if problems:
            raise InvalidSpec(problems)
        return pods

    def kept(self, resource: ReadOnlyObject, kept: ReadOnlyObject) -> Judgement | None:
        """The spec that was kept, if this operator still understands and allows it."""
        metadata = {**resource["metadata"], "generation": kept["revision"]}
        written = spec_of(kept)
        if written is None:
            return None
        judgement = self({**resource, "metadata": metadata, "spec": written}, {})
        return judgement if judgement.fleet else None
