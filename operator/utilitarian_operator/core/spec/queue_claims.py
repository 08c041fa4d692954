"""Which of several resources keeps a queue that they all name on one broker."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from utilitarian_operator.api.effective import Pool
from utilitarian_operator.core.wording import named, plural

Pair = frozenset["Place"]
"""Two places."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where queues are: a virtual host of a broker.

    Args:
        addresses: host and port of each, as the URL names them.
        vhost: virtual host.
        cluster: what the broker calls itself; None while it is not known yet.
    """

    addresses: frozenset[str]
    vhost: str
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One version of a resource that names queues.

    Args:
        fleet: the resource, as `NAMESPACE/NAME`.
        created: when the resource was made, as Kubernetes writes it.
        runs: whether this version runs; else it is only asked for.
        place: of the queues.
        queues: their names.
        let_in: whether the broker ever let the operator in there for this resource.
    """

    fleet: str
    created: str
    runs: bool
    place: Place
    queues: frozenset[str]
    let_in: bool = True

    @property
    def rank(self) -> tuple[bool, bool, str, str]:
        """The lower keeps the queue: what runs goes before what is only asked for, then the older resource.

        Of those that run, one that its broker never let in comes last: it has shown no right to the queue.
        """
        return not self.runs, self.runs and not self.let_in, self.created, self.fleet


def only_asking_tells(one: Place, other: Place) -> bool:
    """Whether two places may be one under two names: brokers made alike in two namespaces call themselves alike."""
    return (
        one.vhost == other.vhost
        and one.cluster is not None
        and one.cluster == other.cluster
        and not one.addresses & other.addresses
    )


def may_clash(claim: Claim, other: Claim) -> bool:
    """Whether two claims are rivals if their places are one."""
    alike = claim.fleet != other.fleet and claim.place.vhost == other.place.vhost
    return alike and not claim.queues.isdisjoint(other.queues)


def lost(claims: Iterable[Claim], same: Collection[Pair] = ()) -> dict[Claim, dict[str, str]]:
    """The queues that each claim doesn't get, with the resource that has them; a claim that gets all is not in it.

    What is only asked for, and doesn't get all, is not let run: so it takes nothing from others.

    Args:
        claims: of all resources.
        same: places that are one although no address says so.
    """
    holders: dict[str, list[Claim]] = defaultdict(list)
    result = {}
    for claim in sorted(claims, key=lambda it: it.rank):
        missed = {
            queue: holder.fleet
            for queue in sorted(claim.queues)
            if (holder := next((it for it in holders[queue] if _rival(it, claim, same)), None)) is not None
        }
        if missed:
            result[claim] = missed
        if claim.runs or not missed:
            for queue in claim.queues - missed.keys():
                holders[queue].append(claim)
    return result


def _rival(holder: Claim, claim: Claim, same: Collection[Pair]) -> bool:
    return holder.fleet != claim.fleet and is_one(holder.place, claim.place, same)


def is_one(place: Place, other: Place, same: Collection[Pair]) -> bool:
    """Whether two places are known to be one: by an address of both, or because it was seen."""
    if place.vhost != other.vhost:
        return False
    return not place.addresses.isdisjoint(other.addresses) or frozenset({place, other}) in same


def why_stalled(missed: Mapping[str, str], *, runs: bool, meanwhile: str) -> list[str]:
    """One sentence for each resource that has queues of this one.

    Args:
        missed: who has each of them.
        runs: whether this version runs already: then its pools on those queues are led to zero.
        meanwhile: what runs until then, where this version does not.
    """
    found = []
    for holder in sorted(set(missed.values())):
        queues = [queue for queue, who in sorted(missed.items()) if who == holder]
        noun, them = ("queue", "it") if len(queues) == 1 else ("queues", "them")
        clash = f"spec.pools: UtilitarianWorkerPool {holder} has the {noun} {named(queues)} on the same broker already"
        remedy = f"take {them} out of one of the two resources, or delete one"
        after = "; its own pools there are led to zero until then" if runs else meanwhile
        found.append(f"{clash}: {remedy}{after}")
    return found


def given_up(pools: Sequence[Pool], missed: Mapping[str, str]) -> dict[str, str]:
    """The pools that consume a queue that another resource has, each with the sentence that leads it to zero."""
    found = {}
    for pool in pools:
        queues = [queue for queue in pool.queues if queue in missed]
        if queues:
            others = len(pool.queues) - len(queues)
            rest = f", and {plural(others, 'queue')} of its own with it" if others else ""
            found[pool.name] = f"queue {queues[0]} is left to UtilitarianWorkerPool {missed[queues[0]]}{rest}"
    return found


def held_back(pools: Sequence[Pool], doubted: Mapping[str, str]) -> dict[str, str]:
    """The pools without a worker whose queues may be another resource's, each with the sentence that keeps it at zero.

    Args:
        pools: of the spec that runs.
        doubted: who may have a queue, by the queue.
    """
    found = {}
    for pool in pools:
        queue = next((it for it in pool.queues if it in doubted), None)
        if queue is not None:
            of = f"UtilitarianWorkerPool {doubted[queue]}"
            found[pool.name] = f"queue {queue} may be on the same broker as that of {of}, which is being found out"
    return found
