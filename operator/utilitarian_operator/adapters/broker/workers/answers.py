"""What workers answered, each with the moment of the question, and the work that all answers add up to.

Each table is replaced when an answer comes and never changed in place, so that a snapshot may hold it.
"""

from collections.abc import Collection, Iterable, Mapping

from utilitarian_operator.core.observation.broker import WorkerAnswer
from utilitarian_operator.core.observation.counted.worked import Word, Worked, heard, unheard, word
from utilitarian_operator.core.observation.model.pod import WorkerLoad

_NOTHING = Worked()
"""Of a worker that was not asked before."""


class Answers:
    """The answers of one broker's workers, by node name.

    Attributes:
        newest: what is to be believed of what each holds and consumes.
        samples: what each last said, for averages.
        worked: what each has done since it was first asked.
    """

    def __init__(self) -> None:
        self.newest: Mapping[str, WorkerAnswer] = {}
        self.samples: Mapping[str, WorkerAnswer] = {}
        self.worked: Mapping[str, Worked] = {}
        self._returning: set[str] = set()
        self._cancelled: dict[str, tuple[str, ...]] = {}

    def take(self, asked: Iterable[str], answers: Mapping[str, WorkerLoad], at: float) -> None:
        """Keep the answers to all questions of those who were asked at a moment.

        One that was asked to consume again, and says that it consumes nothing, has not come to it yet: it is not
        believed until it was asked to cancel anew, for it may take a task in the next moment.
        """
        said = {node: WorkerAnswer(held, at) for node, held in answers.items()}
        self._returning -= {node for node, held in answers.items() if held.consuming}
        self.newest = {**self.newest, **{node: it for node, it in said.items() if node not in self._returning}}
        self.samples = {**self.samples, **said}
        self.count(asked, {node: word(held, at) for node, held in answers.items()}, at)

    def count(self, asked: Iterable[str], words: Mapping[str, Word], at: float) -> None:
        """Go on with what each of those has done who were asked at a moment."""
        worked = dict(self.worked)
        for node in asked:
            so_far, said = worked.get(node, _NOTHING), words.get(node)
            worked[node] = unheard(so_far, at) if said is None else heard(so_far, said)
        self.worked = worked

    def wanting_a_closer_look(self, now: float) -> list[str]:
        """The workers whose tasks are short and of which too few were seen."""
        return [node for node, worked in self.worked.items() if worked.wants_a_closer_look(now)]

    def cancelled(self, node: str, queues: Iterable[str]) -> None:
        """A worker was asked to take nothing more from these queues."""
        self._cancelled[node] = self.to_return(node, queues)
        if node in self._returning:
            self._returning.discard(node)
            self._forget(node)

    def to_return(self, node: str, queues: Iterable[str]) -> tuple[str, ...]:
        """These queues, and those of its own that a worker was asked to leave."""
        return tuple(dict.fromkeys((*queues, *self._cancelled.get(node, ()))))

    def returns(self, node: str) -> None:
        """A worker was asked to consume again: that it takes nothing more is not so any longer.

        That it consumes stays believed. Where one worker is silent a round of questions takes longer than a look, and
        what is said once more at each look must not throw away the answer that it waits for.
        """
        said = self.newest.get(node)
        if node not in self._returning and not (said and said.held.consuming):
            self._forget(node)
        self._returning.add(node)

    def keep_only(self, wanted: Collection[str]) -> None:
        """Forget the workers that no fleet wants to ask any more."""
        self.newest = {node: answer for node, answer in self.newest.items() if node in wanted}
        self.samples = {node: answer for node, answer in self.samples.items() if node in wanted}
        self.worked = {node: worked for node, worked in self.worked.items() if node in wanted}
        self._returning &= set(wanted)
        self._cancelled = {node: queues for node, queues in self._cancelled.items() if node in wanted}

    def _forget(self, node: str) -> None:
        self.newest = {one: answer for one, answer in self.newest.items() if one != node}
