"""What workers answered, each with the moment of the question, and the work that all answers add up to."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from utilitarian_operator.core.observation.model import WorkerLoad
from utilitarian_operator.core.observation.worked import Word, Worked, heard, unheard, word


@dataclass(frozen=True)
class Told:
    """What a worker said, and when it was asked (event loop's monotonic seconds)."""

    held: WorkerLoad
    asked_at: float


class Answers:
    """The answers of one broker's workers, by node name."""

    def __init__(self) -> None:
        self._told: dict[str, Told] = {}
        self._returning: set[str] = set()
        self._cancelled: dict[str, tuple[str, ...]] = {}
        self._samples: dict[str, Told] = {}
        self._worked: dict[str, Worked] = {}

    def take(self, asked: Iterable[str], answers: Mapping[str, WorkerLoad], at: float) -> None:
        """Keep the answers to all questions of those who were asked at a moment."""
        told = {node: Told(held, at) for node, held in answers.items()}
        self._told |= told
        self._samples |= told
        self.count(asked, {node: word(held, at) for node, held in answers.items()}, at)

    def count(self, asked: Iterable[str], words: Mapping[str, Word], at: float) -> None:
        """Go on with what each of those has done who were asked at a moment."""
        for node in asked:
            worked, said = self._worked.get(node, Worked()), words.get(node)
            self._worked[node] = unheard(worked, at) if said is None else heard(worked, said)

    def told(self, node: str, not_before: float) -> WorkerLoad | None:
        """What a worker said to a question asked after a moment; None if it said nothing since.

        One that was told to consume again, and says that it consumes nothing, has not come to it yet: it is not
        believed until it was told to cancel anew, for it may take a task in the next moment.
        """
        told = self._told.get(node)
        if told is None or told.asked_at < not_before or (node in self._returning and not told.held.consuming):
            return None
        self._returning.discard(node)
        return told.held

    def sample(self, node: str, not_before: float) -> WorkerLoad | None:
        """What a worker last said, if it was asked since a moment."""
        told = self._samples.get(node)
        return told.held if told and told.asked_at >= not_before else None

    def worked(self, node: str) -> Worked | None:
        """What a worker has done since it was first asked; None before."""
        return self._worked.get(node)

    def wanting_a_closer_look(self, now: float) -> list[str]:
        """The workers whose tasks are short and of which too few were seen."""
        return [node for node, worked in self._worked.items() if worked.wants_a_closer_look(now)]

    def cancelled(self, node: str, queues: Iterable[str]) -> None:
        """A worker was told to take nothing more from these queues."""
        self._cancelled[node] = self.to_return(node, queues)
        if node in self._returning:
            self._returning.discard(node)
            self._told.pop(node, None)

    def to_return(self, node: str, queues: Iterable[str]) -> tuple[str, ...]:
        """These queues, and those of its own that a worker was told to leave."""
        return tuple(dict.fromkeys((*queues, *self._cancelled.get(node, ()))))

    def returns(self, node: str) -> None:
        """A worker was told to consume again."""
        if node not in self._returning:  # said once more, it must not throw away the answer that it waits for
            self._returning.add(node)
            self._told.pop(node, None)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Forget the workers that no fleet wants to ask any more."""
        self._told = {node: told for node, told in self._told.items() if node in wanted}
        self._samples = {node: told for node, told in self._samples.items() if node in wanted}
        self._worked = {node: worked for node, worked in self._worked.items() if node in wanted}
        self._returning &= set(wanted)
        self._cancelled = {node: queues for node, queues in self._cancelled.items() if node in wanted}
