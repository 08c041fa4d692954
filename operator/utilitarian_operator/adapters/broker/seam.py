"""What the operator asks of a broker: one protocol of six methods, and the values that go in and come out."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from utilitarian_operator.core.observation.broker_settings import BrokerSettings
from utilitarian_operator.core.observation.depth import Depths
from utilitarian_operator.core.observation.model import Counted, Source, WorkerLoad
from utilitarian_operator.core.observation.worked import Worked
from utilitarian_operator.errors import BrokerError


@dataclass(frozen=True, slots=True)
class Questions:
    """What one fleet wants asked of workers from now on.

    Args:
        now: workers that a decision rests on: asked once a second, or as often as their number allows.
        slowly: workers to learn averages from.
        around: whether every worker of the broker shall say, slowly, which queues it consumes.
        beats: whether every beat shall say, seldom, that it is there.
    """

    now: frozenset[str] = frozenset()
    slowly: frozenset[str] = frozenset()
    around: bool = False
    beats: bool = False


NO_QUESTIONS = Questions()


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """What a worker said, and when it was asked (monotonic seconds)."""

    held: WorkerLoad
    asked_at: float


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """What is known of one broker at one moment; nothing in it changes afterwards.

    Args:
        at: the moment, in monotonic seconds.
        depths: of the queues that were asked for, of this moment.
        failed: why there are no depths.
        counted: the statistics of each queue, a few seconds old; why they are not known; None where nothing counts.
        answers: what each worker said of what it holds and consumes, by node name; only what is to be believed.
        samples: the same for averages, also of a worker that has just been told something else.
        worked: what each worker has done since it was first asked.
        consuming: the queues of each worker of the broker, when all were asked last.
        beats: node names of all beats that answered when they were asked last, minutes ago perhaps.
        mute: why no worker can be asked; None when they can, whether they answer or not.
        seen_at: when each source was last asked with success (monotonic seconds), None if never; by its name.
        settings: what broker and workers tell of themselves, minutes old; good for advice only.
        cluster: what the broker calls itself; None while it was never connected to.
    """

    at: float
    depths: Depths = field(default_factory=dict)
    failed: BrokerError | None = None
    counted: Mapping[str, Counted] | BrokerError | None = None
    answers: Mapping[str, WorkerAnswer] = field(default_factory=dict)
    samples: Mapping[str, WorkerAnswer] = field(default_factory=dict)
    worked: Mapping[str, Worked] = field(default_factory=dict)
    consuming: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beats: tuple[str, ...] = ()
    mute: BrokerError | None = None
    seen_at: Mapping[str, float | None] = field(default_factory=dict)
    settings: BrokerSettings = field(default_factory=BrokerSettings)
    cluster: str | None = None

    def told(self, node: str, not_before: float) -> WorkerLoad | None:
        """What a worker said to a question asked after a moment (monotonic seconds); None if it said nothing since."""
        return _since(self.answers.get(node), not_before)

    def sample(self, node: str, not_before: float) -> WorkerLoad | None:
        """What a worker last said of itself and of how much it has done, if it was asked since a moment."""
        return _since(self.samples.get(node), not_before)

    def sources(self) -> Iterable[Source]:
        """How old the last success of each source is."""
        for name, seen_at in self.seen_at.items():
            yield Source(name, None if seen_at is None else timedelta(seconds=self.at - seen_at))


def _since(answer: WorkerAnswer | None, not_before: float) -> WorkerLoad | None:
    return answer.held if answer is not None and answer.asked_at >= not_before else None


class Broker(Protocol):
    """One broker, as all that looks at it and acts on it sees it."""

    @property
    def known(self) -> BrokerSnapshot:
        """What is known without a question: everything but depths."""

    async def look(self, queues: Sequence[str]) -> BrokerSnapshot:
        """What is known after the depths of these queues were read; why not, if they could not be, is part of it."""

    def ask(self, who: Hashable, questions: Questions) -> None:
        """Ask this from now on, in the background; replaces what the same one wanted before."""

    async def cancel_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to take nothing more from these queues; raises BrokerError."""

    async def add_consumers(self, node: str, queues: Sequence[str]) -> None:
        """Tell one worker to consume these queues again, and those of its own that it left; raises BrokerError."""

    async def is_same(self, other: "Broker") -> bool | None:
        """Whether another one is the same virtual host of the same broker; None where a right is missing.

        Raises:
            BrokerError: one of them can't be asked now.
        """

    async def close(self) -> None:
        """Ask nothing more, and leave nothing on the broker."""
