"""What a worker has done since it was first asked: ended tasks and the time of their slots.

Both are counted over the same stretches of the same worker, so that one divided by the other is what a task takes. A
task that is seen running stands for the whole time since the last question, wherever in it it began: tasks shorter than
that time are seen as seldom as they are short, and so the sum is right on the average, whatever they take. Nothing
here is a guess of a duration: where nothing is ever seen running, tasks take next to no time.
"""

from dataclasses import dataclass, replace

from utilitarian_operator.core.observation.model.pod import WorkerLoad

UNSEEN_S = 30.0
"""A worker that was not asked for longer may have done anything meanwhile: neither tasks nor their time count."""

FRESH_S = 15.0
"""A worker that is not up for longer when it first answers has done all that it counts under our eyes."""

AT_ONCE_S = 0.03
"""A worker that runs tasks in the thread that answers, and takes longer to do so, was running one."""

STARTS_S = 1.0
"""From a worker's own start to its first task, about."""

WAITED_S = 1.0
"""How long an answer is waited for."""

SHORT_S = 2.0
KNOWN = 50
"""Tasks after which a worker's are known well enough; before, short ones are rarely seen at a second's pace."""

STILL_S = 30.0
"""A worker that began nothing for so long is asked no more often than others."""


@dataclass(frozen=True, slots=True)
class Word:
    """One answer of a worker.

    Args:
        asked: when, seconds of a clock that never goes back.
        begun: tasks that it has begun since it started.
        active: those of them that run.
        took_s: seconds until it answered.
        alone: whether it runs its tasks in the thread that answers, one at a time (`--pool solo`).
        up_s: seconds since it started; None where it does not say.
        mean: tasks that ran, over several looks in a row of which `active` is the last; None for a single one.
    """

    asked: float
    begun: int
    active: int
    took_s: float = 0.0
    alone: bool = False
    up_s: float | None = None
    mean: float | None = None

    @property
    def running(self) -> float:
        """Tasks that ran when it was asked."""
        return self.active if self.mean is None else self.mean


@dataclass(frozen=True, slots=True)
class Worked:
    """What a worker has done, as far as it was seen.

    Args:
        ended: tasks; never falls.
        slot_seconds: what they took, and what those that run took so far; never falls.
        lasted_s: seconds of the task that silence alone showed with the last answer; 0 where none did.
        last: its last answer; None before the first.
        silent_since: the first question since then that it did not answer; None where it answered all.
        silent_until: the last of them.
        done: tasks that it ended since it started, by its own count.
        moved: when it was first heard, or last seen to have begun a task.
    """

    ended: int = 0
    slot_seconds: float = 0.0
    lasted_s: float = 0.0
    last: Word | None = None
    silent_since: float | None = None
    silent_until: float | None = None
    done: int = 0
    moved: float = 0.0

    def wants_a_closer_look(self, now: float) -> bool:
        """Whether it is at work on tasks that are short, and too few of them were seen."""
        few = self.ended < KNOWN and self.slot_seconds < SHORT_S * max(self.ended, 10)
        return self.last is not None and few and now - self.moved < STILL_S


def word(held: WorkerLoad, asked: float) -> Word:
    """The answer to all questions, as far as it counts here."""
    return Word(asked, held.begun or 0, held.active, held.took_s, held.alone, held.up_s)


def unheard(worked: Worked, asked: float) -> Worked:
    """After a question that was not answered."""
    since = asked if worked.silent_since is None else worked.silent_since
    return replace(worked, silent_since=since, silent_until=asked)


def heard(worked: Worked, word: Word) -> Worked:
    """After an answer."""
    last, done = worked.last or _start(worked, word), worked.done
    if last is word:  # it was there before us
        done = word.begun - word.active
    if word.begun < last.begun:  # its container was restarted
        last, done = replace(last, begun=0, active=0), 0
    # The two figures of an answer are some milliseconds apart: a task that ends in between counts once all the same.
    newly = max(word.begun - word.active - done, 0)
    seconds = _by_silence(worked, last, word, newly) if word.alone else word.running * (word.asked - last.asked)
    seen = _unwatched(worked, last, word) <= UNSEEN_S
    return Worked(
        ended=worked.ended + (newly if seen else 0),
        slot_seconds=worked.slot_seconds + (seconds if seen else 0.0),
        lasted_s=seconds if word.alone and newly == 1 and seen else 0.0,
        last=word,
        done=done + newly,
        moved=word.asked if worked.last is None or word.begun > last.begun else worked.moved,
    )


def _start(worked: Worked, word: Word) -> Word:
    """What stands for the answer before the first: it had begun nothing then; the first itself where that is unsure."""
    asked = word.asked if worked.silent_until is None else worked.silent_until
    if not word.begun:
        return replace(word, asked=asked, took_s=0.0)
    if word.up_s is None:
        return word
    if not word.alone:
        return Word(max(asked, word.asked - word.up_s), 0, 0) if word.up_s <= FRESH_S else word
    # Silent since its container started, but for the time before it could take a task.
    since, began = worked.silent_since, word.asked - word.up_s + STARTS_S
    return Word(began, 0, 0) if since is not None and since <= word.asked - word.up_s + FRESH_S else word


def _unwatched(worked: Worked, last: Word, word: Word) -> float:
    """The longest time without a question, or without an answer where silence says nothing."""
    if not word.alone or worked.silent_since is None or worked.silent_until is None:
        return word.asked - _until(last)
    return max(worked.silent_since - _until(last), word.asked - worked.silent_until)


def _until(word: Word) -> float:
    return word.asked + word.took_s


def _by_silence(worked: Worked, last: Word, word: Word, newly: int) -> float:
    """What the tasks of a worker took that answers between two of them only: it was at work as long as it kept silent.

    When the first of them began, since the last answer, is not seen. One as short as the time between two questions
    delays an answer as seldom as it is short, and then stands for the whole of that time.
    """
    since, until = worked.silent_since, worked.silent_until
    if not newly or (until is None and word.took_s <= AT_ONCE_S):
        return 0.0
    began = word.asked if since is None else max(since, _until(last))
    ended = _until(word)
    if until is not None and word.took_s <= AT_ONCE_S:
        ended = (min(until + WAITED_S, word.asked) + word.asked) / 2
    watched, before = max(ended - began, 0.0), max(began - _until(last), 0.0)
    if newly > 1:  # one after the other: it was probably not idle in between
        return watched + before
    return watched + min(max(before - watched, before / 2), before)
