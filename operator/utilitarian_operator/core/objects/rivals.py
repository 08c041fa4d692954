"""What else in the namespace sets the number of a fleet's pods, or keeps them from being evicted; and what to say."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.names import beat_object, pool_object
from utilitarian_operator.api.objects import Object, ReadOnlyObject
from utilitarian_operator.core.blocker import REPLICAS_TAKEN, Blocker
from utilitarian_operator.core.labels import POOL_LABEL, Owner
from utilitarian_operator.core.objects.actions import controlled_by
from utilitarian_operator.core.objects.drift import Applied, fought
from utilitarian_operator.core.objects.scaled_by import ReplicaWriters
from utilitarian_operator.core.objects.wanted import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET, Live

MOST_READ = 500
"""Of each kind in a namespace; what else there is is not looked at."""

LONGEST_SELECTOR = 100
"""Requirements of a budget's selector with their values: each pool asks them at each look, and they are another's. A
budget with more counts as one that selects none."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """A HorizontalPodAutoscaler.

    Args:
        name: of it.
        target: kind and name of what it scales.
        made_by: kind and name of its controller, such as KEDA's ScaledObject; empty where a person made it.
    """

    name: str
    target: tuple[str, str]
    made_by: str = ""

    def __str__(self) -> str:
        """As a sentence has it."""
        return f"HorizontalPodAutoscaler {self.name}{f' (of {self.made_by})' if self.made_by else ''}"


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget: its name, the uid of its controller, and its selector of pods (None: it selects none)."""

    name: str
    owner: str
    selector: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rivals:
    """The autoscalers and budgets of a namespace, as they were last read; empty where they may not be."""

    scalers: tuple[Scaler, ...] = ()
    budgets: tuple[Budget, ...] = ()
    _by_label: "_ByLabel" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Each pool of each fleet asks at each look: it must not go through the budgets of all other fleets."""
        object.__setattr__(self, "_by_label", _by_rarest_label(self.budgets))

    def selecting(self, labels: Mapping[str, str]) -> list[Budget]:
        """The budgets that select a pod with these labels, in the order in which they were listed."""
        asked = (None, *labels.items())
        found = sorted(place for label in asked for place in self._by_label.get(label, ()))
        return [self.budgets[place] for place in found if selects(self.budgets[place].selector, labels)]

    def of(self, kind: str, name: str) -> tuple[Scaler, ...]:
        """Those that scale one object."""
        return tuple(it for it in self.scalers if it.target == (kind, name))


def rivals(scalers: Iterable[ReadOnlyObject], budgets: Iterable[ReadOnlyObject]) -> Rivals:
    """What is kept of two lists: other clients made these objects, but the API server holds them to their schema."""
    return Rivals(tuple(map(_scaler, scalers))[:MOST_READ], tuple(map(_budget, budgets))[:MOST_READ])


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of Kubernetes matches labels; an empty one matches all, None none."""
    if selector is None:
        return False
    same = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return same and all(_holds(it, labels) for it in selector.get("matchExpressions") or ())


def own_deployments(owner: Owner, live: Live) -> dict[str, Object]:
    """The resource's Deployments by the pool that each runs."""
    there = (it for it in live[DEPLOYMENT].values() if controlled_by(it, owner.uid))
    return {
        it["metadata"]["labels"][POOL_LABEL]: it for it in there if POOL_LABEL in (it["metadata"].get("labels") or {})
    }


def contests(owner: Owner, fleet: Fleet, writers: ReplicaWriters, known: Rivals) -> Iterator[Blocker]:
    """What must be put right where another client sets the number of a pool's workers again and again."""
    contested = writers.contested_pools
    for index, pool in enumerate(fleet.pools):
        manager, name = contested.get(pool.name), pool_object(owner.name, pool.name)
        if manager is not None:
            named = "".join(f", for {it}" for it in known.of(DEPLOYMENT, name)[:1])
            yield Blocker(
                REPLICAS_TAKEN,
                f"spec.pools[{index}]: {manager} sets the replicas of Deployment {name} again and again{named}; it is "
                "not fought: the number is left to it until it has written none for ten minutes. Keep it from this "
                "Deployment, or leave the pool out of the resource",
            )


def advice(
    owner: Owner, fleet: Fleet, live: Live, known: Rivals, applied: Mapping[tuple[str, str], Applied]
) -> tuple[str, ...]:
    """What had better be changed beside the fleet, each a sentence.

    Args:
        owner: the resource.
        fleet: what runs.
        live: its objects.
        known: what else is in the namespace.
        applied: what was held of each object after its last apply, by kind and name.
    """
    pools, beat = own_deployments(owner, live).items(), beat_object(owner.name)
    labelled = [it for it in live.get(DISRUPTION_BUDGET, {}).values() if not controlled_by(it, owner.uid)]
    if labelled:  # a person's copy of one of ours, with its labels
        known = Rivals(known.scalers, (*known.budgets, *map(_budget, labelled)))
    said = [sentence for of in pools for sentence in _of_a_pool(owner, fleet, of, known)]
    scalers = known.of(STATEFUL_SET, beat)
    said += [f"beat: {it} scales StatefulSet {beat}, of which exactly one pod may run: delete it" for it in scalers]
    bodies = [it for there in live.values() for it in there.values() if controlled_by(it, owner.uid)]
    changed = (fought(it, applied.get((it["kind"], it["metadata"]["name"]))) for it in bodies if "kind" in it)
    return (*said, *(it for it in changed if it))


def _of_a_pool(owner: Owner, fleet: Fleet, of: tuple[str, Object], known: Rivals) -> Iterator[str]:
    name, body = of
    pool = next((it for it in fleet.pools if it.name == name), None)
    if pool is None:
        return
    deployment = body["metadata"]["name"]
    for scaler in known.of(DEPLOYMENT, deployment)[:1]:
        yield (
            f"pool {name}: {scaler} sets the replicas of Deployment {deployment}, as the operator does: delete it; "
            "after three of its writes within a minute the operator leaves the number to it"
        )
    labels = body["spec"]["template"]["metadata"].get("labels") or {}
    others = [it.name for it in known.selecting(labels) if it.owner != owner.uid]
    if others and (pool.disruption_budget or len(others) > 1):
        beside = "beside the operator's own" if pool.disruption_budget else f"beside {others[1]}"
        remedy = "delete it, or write disruptionBudget: false in the pool" if pool.disruption_budget else "delete one"
        yield (
            f"pool {name}: PodDisruptionBudget {others[0]} selects its workers {beside}: Kubernetes evicts no pod that "
            f"two budgets select, so their nodes are never drained; {remedy}"
        )


_ByLabel = Mapping[tuple[str, str] | None, list[int]]
"""Places in a list of budgets by a label that a pod must have; None: of those that name no label with its value."""


def _by_rarest_label(budgets: tuple[Budget, ...]) -> _ByLabel:
    """Each budget stands under the label of its selector that the fewest of them name."""
    named = [tuple(((it.selector or {}).get("matchLabels") or {}).items()) for it in budgets]
    times = Counter(label for labels in named for label in labels)
    found = defaultdict[tuple[str, str] | None, list[int]](list)
    for place, labels in enumerate(named):
        found[min(labels, key=times.__getitem__, default=None)].append(place)
    return dict(found)


def _scaler(body: ReadOnlyObject) -> Scaler:
    target, owner = body["spec"]["scaleTargetRef"], _controller(body)
    made_by = f"{owner['kind']} {owner['name']}" if owner else ""
    return Scaler(body["metadata"]["name"], (target["kind"], target["name"]), made_by)


def _budget(body: ReadOnlyObject) -> Budget:
    owner, selector = _controller(body), body["spec"].get("selector")
    asked = (selector or {}).get("matchExpressions") or ()
    long = len(asked) + sum(len(it.get("values") or ()) for it in asked) > LONGEST_SELECTOR
    return Budget(body["metadata"]["name"], owner["uid"] if owner else "", None if long else selector)


def _controller(body: ReadOnlyObject) -> Mapping[str, Any] | None:
    return next((it for it in body["metadata"].get("ownerReferences") or () if it.get("controller")), None)


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """One requirement of a selector; `NotIn` also holds for what has no such label."""
    key, values = requirement["key"], requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
