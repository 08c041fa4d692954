"""The status of the resource, as the schema describes it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from utilitarian_operator.api.cel_rules import MOST_POOLS
from utilitarian_operator.api.fields import ATOMIC, Schema, keyed_by
from utilitarian_operator.api.kubernetes import Part

Line = Annotated[str, Field(max_length=255)]
Sentence = Annotated[str, Field(max_length=4096)]
Moment = Annotated[str, Schema({"type": "string", "format": "date-time"})]
Figure = Annotated[int, Field(ge=0)]
Maybe = Annotated[Figure, Schema({"nullable": True})]
"""A figure that may be unknown, which is no zero: then it is absent or null."""


class ConditionStatus(Part):
    """One aspect of the fleet, after Kubernetes' API conventions."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Which aspect."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(max_length=1024)]
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in a sentence for people."""
    last_transition_time: Moment
    """When `status` last changed."""
    observed_generation: Figure | None = None
    """The generation of the spec that this is about."""


class StepStatus(Part):
    """One rule's word on a pool."""

    rule: Line
    """Name of the rule."""
    before: Figure
    """Workers before the rule."""
    after: Figure
    """Workers after it."""
    because: Sentence
    """Why, with the numbers."""


class RunStatus(Part):
    """The open run; of several, the one whose deadline is nearest."""

    name: Line | None = None
    """The schedule's name."""
    started: Moment | None = None
    """When it started, or will: it is open from its warm-up on."""
    remaining: Figure | None = None
    """Tasks left; absent while that is unknown."""
    eta: Moment | None = None
    """When it will be done, at the pace of the workers that it has; absent while nothing is left, or nothing works."""
    uncertainty: Annotated[str, Field(max_length=32)] | None = None
    """The eta may be off by so much, either way, in nineteen of twenty cases."""
    deadline: Moment | None = None
    """When it must be done."""


class PastRunStatus(Part):
    """A run that is over."""

    name: Line | None = None
    """The schedule's name."""
    started: Moment | None = None
    """When it started."""
    finished: Moment | None = None
    """When it was done, or was given up."""
    deadline: Moment | None = None
    """When it had to be done."""
    tasks: Figure | None = None
    """Tasks that were seen in it."""
    outcome: Line | None = None
    """How it ended: Done, Late, Ended (its duration was over), Missed, Overtaken (by the next one) or Unseen."""
    most_workers: Figure | None = None
    """Workers asked for, at most."""
    worker_seconds: Figure | None = None
    """Worker-seconds of the pool, from the run's warm-up on."""


Memory = Annotated[dict[str, Any], Schema({"x-kubernetes-preserve-unknown-fields": True, "maxProperties": 64})]


class PoolStatus(Part):
    """A pool as it was last seen, and what was decided for it."""

    name: Line
    """Name of the pool."""
    replicas: Figure | None = None
    """Workers that exist."""
    ready: Figure | None = None
    """Workers that consume."""
    desired: Figure | None = None
    """Workers wanted, without those that drain."""
    draining: Figure | None = None
    """Workers that finish what they hold and then go."""
    backlog: Maybe | None = None
    """Messages that wait in its queues; absent or null while it can't be known."""
    unacked: Maybe | None = None
    """Messages delivered and not acknowledged; absent or null while it can't be known."""
    busy: Maybe | None = None
    """Tasks running; absent or null while it can't be known."""
    deferred: Maybe | None = None
    """Tasks with a later time of their own."""
    reason: Line | None = None
    """Why it has this size, in one word for programs."""
    message: Sentence | None = None
    """Why it has this size, in a sentence with numbers."""
    trail: Annotated[tuple[StepStatus, ...], Field(max_length=16), ATOMIC] | None = None
    """Each rule that spoke, in order."""
    held_up: Sentence | None = None
    """Why more workers would not start either, whatever is needed; absent while they would."""
    next_run: Moment | None = None
    """When its next scheduled run starts."""
    run: RunStatus | None = None
    """The run that is open."""
    task_duration: Annotated[str, Field(max_length=32)] | None = None
    """Measured time per task."""
    start_up: Annotated[str, Field(max_length=32)] | None = None
    """Measured time from asking for a worker to its first sign, without what it waited for."""
    start_waited: Annotated[str, Field(max_length=32)] | None = None
    """Time that the newest worker waited before it could start: for a node, its image, a volume or the broker."""
    cpu_per_slot: Annotated[str, Field(max_length=32)] | None = None
    """CPU that a busy slot of a worker uses, measured; absent without the metrics API (metrics.k8s.io)."""
    peak_memory: Annotated[str, Field(max_length=32)] | None = None
    """Memory of the largest worker in the last seven days that had one, measured; absent as above."""
    memory: Memory | None = None
    """What the operator needs to decide alike after a restart; not for people."""
    history: Annotated[tuple[PastRunStatus, ...], Field(max_length=12), ATOMIC] | None = None
    """The last runs, the newest first; fewer where more than 25 pools have schedules."""


class LastMessageStatus(Part):
    """A queue of a pool with schedules."""

    queue: Line
    """Its name."""
    at: Moment | None = None
    """When a message was last seen to come to it."""


class BeatStatus(Part):
    """The scheduler as it was last seen."""

    ready: bool | None = None
    """Whether exactly one runs."""
    memory_since: Moment | None = None
    """Since when it has known without a gap when each task was last sent; what was due before is not caught up."""
    last_seen: Moment | None = None
    """When it was last seen running."""
    last_messages: Annotated[tuple[LastMessageStatus, ...], Field(max_length=100), keyed_by("queue")] | None = None
    """When something last came to the queues of pools with schedules: beat is alive when it sends. At most 100, those
    to which nothing has come for longest; of a queue that is not among them no message has been seen yet."""


class FleetStatus(Part):
    """What was last seen and decided."""

    observed_generation: Figure | None = None
    """The generation of the spec that was last accepted or refused."""
    mode: Line | None = None
    """The mode that is in force."""
    workers: Line | None = None
    """Workers that consume, of those there may be at most."""
    queues: Line | None = None
    """Queues that some pool consumes, of those there should be."""
    active_pools: Figure | None = None
    """Pools that have workers."""
    backlog: Maybe | None = None
    """Messages that wait in the queues of all pools; absent or null while that of one can't be known."""
    delayed: Figure | None = None
    """Tasks that wait in the broker for their time; absent where Celery's native delayed delivery is not set up."""
    let_in: Line | None = None
    """What stands for the addresses and the virtual host by which the broker last let the operator in."""
    next_run: Line | None = None
    """The next scheduled run, of which pool and when."""
    conditions: Annotated[tuple[ConditionStatus, ...], Field(max_length=16), keyed_by("type")] | None = None
    """Ready, Reconciling, Stalled, BrokerReachable, QueuesCovered, BeatReady, AtMaximum, DeadlineAtRisk."""
    pools: Annotated[tuple[PoolStatus, ...], Field(max_length=MOST_POOLS), keyed_by("name")] | None = None
    """Each pool."""
    beat: BeatStatus | None = None
    """The scheduler."""
    advice: Annotated[tuple[Sentence, ...], Field(max_length=20), ATOMIC] | None = None
    """Which of the broker's settings probably don't go well with the fleet."""
