"""What a resource doesn't get of the queues that it names, and what is said of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.core.blocker import QUEUE_TAKEN, SECRET_MISSING, Blocker
from utilitarian_operator.core.mode import makes_objects
from utilitarian_operator.core.spec.queue_claims import Claim, given_up, why_stalled
from utilitarian_operator.core.wording import named
from utilitarian_operator.errors import OperatorError, SecretMissing

_NOTHING_RUNS = "; nothing of this resource runs until then"
_LAST_RUNS = "; until then, the last accepted spec keeps running"


@dataclass(frozen=True, slots=True)
class Lost:
    """What one fleet doesn't get.

    Args:
        blockers: what to say of it.
        may_run: whether its newest spec may run.
        pools: of the spec that runs, those that are led to zero, each with why.
        doubted: whether it isn't known yet whose the queues of its newest spec are.
    """

    blockers: tuple[Blocker, ...] = ()
    may_run: bool = True
    pools: Mapping[str, str] = field(default_factory=dict)
    doubted: bool = False


def said(running: Fleet | None, newest: Fleet | None, missed: Mapping[bool, Mapping[str, str]]) -> Lost:
    """What follows for a resource of which others have queues, by whether those are of the spec that runs."""
    meanwhile = _NOTHING_RUNS if running is None else _LAST_RUNS
    blockers = [
        Blocker(QUEUE_TAKEN, why)
        for runs, queues in sorted(missed.items())
        for why in why_stalled(queues, runs=runs, meanwhile=meanwhile)
    ]
    # A fleet that only looks takes no queue from another.
    may_run = False not in missed or (newest is not None and not makes_objects(newest.mode))
    pools = given_up(running.pools, missed.get(True, {})) if running is not None else {}
    return Lost(tuple(blockers), may_run, pools)


def waits(why: OperatorError, adds: Collection[str], rival: Claim, running: Fleet | None) -> Blocker:
    """What is said of a spec whose broker can't be read, while another resource runs on what may be its queues.

    Args:
        why: it can't be read.
        adds: the queues that its resource doesn't have yet.
        rival: the claim of the other.
        running: what runs of the resource.
    """
    no_answer = ("spec.broker: the API server gives no answer about its Secret", ())
    text, about = (str(why), why.about) if isinstance(why, SecretMissing) else no_answer
    meanwhile = _NOTHING_RUNS if running is None else _LAST_RUNS
    queues = named(sorted(rival.queues.intersection(adds)), 3)
    may_have = f"UtilitarianWorkerPool {rival.fleet} may have {queues} on the same broker"
    return Blocker(SECRET_MISSING, f"{text}{meanwhile}, since {may_have}", about)


def shared(pairs: Iterable[tuple[Claim, Claim]]) -> dict[str, str]:
    """Which other resource may have each queue that both of two claims name."""
    return {queue: other.fleet for one, other in pairs for queue in sorted(one.queues & other.queues)}
