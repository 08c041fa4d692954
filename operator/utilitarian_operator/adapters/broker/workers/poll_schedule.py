"""Which fleet asks its workers next: a question reaches every worker of the broker, so their number sets the pace.

Remote control is a fanout: each worker gets the message, whichever worker it is for. What must stay bounded is not
the number of workers asked but the number of workers there are, times the rounds.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass

from utilitarian_operator.adapters.intervals import (
    INTERVALS,
    Intervals,
)
from utilitarian_operator.core.observation.broker import NO_QUESTIONS, Questions

NEAR_A_SECOND = 100.0
"""Workers that a question of the quick lane reaches a second: with a thousand there is a round each ten seconds."""

LEARNING_A_SECOND = 50.0
"""The same of the slow lanes."""

MOST_IN_A_ROUND = 500
"""Answers that are surely read within the time that a worker may take; more are asked in turn."""


@dataclass(frozen=True, slots=True)
class Round:
    """Questions that are due.

    Args:
        nodes: to ask what they hold, sorted.
        learning: whether to ask them also what they have done.
        around: whether to ask all workers of the broker which queues they consume.
        beats: whether to ask the beats alone.
        closely: whether to ask only what runs, and how much was begun.
    """

    nodes: tuple[str, ...]
    learning: bool = False
    around: bool = False
    beats: bool = False
    closely: bool = False


class PollSchedule:
    """The turns of one broker's workers; several fleets may share them.

    Args:
        intervals: how often whom, as far as their number allows.
    """

    def __init__(self, intervals: Intervals = INTERVALS) -> None:
        self._every = intervals
        self._questions: dict[Hashable, Questions] = {}
        self._near_at = self._learned_at = self._around_at = self._beats_at = self._closely_at = float("-inf")
        self._last = ""

    def want(self, who: Hashable, questions: Questions) -> frozenset[str]:
        """Replace what a fleet wanted before; returns all workers that any fleet wants asked."""
        self._questions.pop(who, None)
        if questions != NO_QUESTIONS:
            self._questions[who] = questions
        return self._near | self._slowly

    def due(self, now: float, closely: Collection[str] = ()) -> Round | None:
        """The round that is due, which counts as begun; None while there is nothing to ask.

        Args:
            now: seconds of a clock that never goes back.
            closely: workers whose tasks are short and of which too few were seen.
        """
        near, slowly = self._near, self._slowly
        there = len(near | slowly)
        if slowly and now - self._learned_at >= max(self._every.learn_s, there / LEARNING_A_SECOND):
            self._learned_at = self._near_at = now
            return Round(tuple(sorted(near | slowly)), learning=True)
        if self._wants_around and now - self._around_at >= max(self._every.look_around_s, there / LEARNING_A_SECOND):
            self._around_at = now
            return Round((), around=True)
        if self._wants_beats and now - self._beats_at >= max(self._every.beats_s, there / LEARNING_A_SECOND):
            self._beats_at = now
            return Round((), beats=True)
        if near and now - self._near_at >= max(self._every.near_s, there / NEAR_A_SECOND):
            self._near_at = now
            return Round(self._turn(sorted(near)))
        since = now - max(self._near_at, self._closely_at)
        if closely and since >= max(self._every.closely_s, there / LEARNING_A_SECOND):
            self._closely_at = now
            return Round(tuple(sorted(closely)), closely=True)
        return None

    def failed(self) -> None:
        """The last round of workers came to nothing: it is due again."""
        self._near_at = self._learned_at = self._around_at = float("-inf")

    @property
    def _near(self) -> frozenset[str]:
        return frozenset().union(*(questions.now for questions in self._questions.values()))

    @property
    def _slowly(self) -> frozenset[str]:
        return frozenset().union(*(questions.slowly for questions in self._questions.values()))

    @property
    def _wants_around(self) -> bool:
        return any(questions.around for questions in self._questions.values())

    @property
    def _wants_beats(self) -> bool:
        return any(questions.beats for questions in self._questions.values())

    def _turn(self, nodes: list[str]) -> tuple[str, ...]:
        """The next of them by name, after those asked last: one that comes or goes doesn't shift the others."""
        if len(nodes) <= MOST_IN_A_ROUND:
            return tuple(nodes)
        after = [node for node in nodes if node > self._last]
        turn = [*after, *nodes][:MOST_IN_A_ROUND]
        self._last = turn[-1]
        return tuple(turn)
