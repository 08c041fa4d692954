"""What is learned of a pool's tasks: their seconds, the longest, and when a hanging one doesn't count."""

from dataclasses import dataclass

from utilitarian_operator.core.sizing.facts import Facts

GUESS_WEIGHT = 5
"""Completions that the first guess of a task's duration counts as."""

MOST_COMPLETIONS = 10_000
"""Completions above which old ones count half."""

HANGS_AFTER = 5
"""Times the mean that the oldest running task counts for while it runs; the rest of it counts when it has ended.

Not above `GUESS_WEIGHT`, or a task that never ends could raise the mean and with it its own allowance."""

FAR_LONGER = 100
"""Times the mean that one task's time is believed, unless others took as long."""

MOST_STRETCHES = 4
"""Earlier stretches of which the longest task is remembered: a stretch is a busy period, and at most a day."""

MOST_AT_ONCE_S = 120.0
"""Seconds that a task ages between two looks, at most: ages are by the clocks of other machines, which may step."""

LONGEST_TASK_S = 7 * 86_400.0
"""No task is counted as longer: the most that `taskDuration` may say."""

SEEN_EARLIER_S = 1.0
"""Seconds that a task may go on for after it was last seen, about; so much the clock of a worker may differ, too."""


@dataclass(frozen=True, slots=True)
class Oldest:
    """The task that has run longest.

    Args:
        age_s: seconds that it has run, at the last look.
        settled_s: s when a task last ended: what its age is compared with.
        owed_s: seconds of it that are not to be counted and were not taken off yet.
        withheld_s: seconds of it that were not counted, because it may hang.
    """

    age_s: float = 0.0
    settled_s: float = 0.0
    owed_s: float = 0.0
    withheld_s: float = 0.0


def believed(longest_s: float, earlier: tuple[float, ...], seconds_per_task: float) -> float:
    """Seconds of the longest task that is to be expected again: a single one that took far longer has hung.

    Args:
        longest_s: seen in this stretch.
        earlier: the longest of each stretch before.
        seconds_per_task: s.
    """
    first, second = sorted((longest_s, *earlier, 0.0), reverse=True)[:2]
    return max(second, min(first, FAR_LONGER * seconds_per_task))


def no_longer_than(longest_s: float, guess_s: float, completions: float) -> float:
    """Seconds that a task takes at most: the mean of tasks is never above the longest of them.

    Args:
        longest_s: that was seen; 0 before one was.
        guess_s: of a task's duration, which is believed before anything was learned.
        completions: n.
    """
    if not longest_s:
        return LONGEST_TASK_S
    most = longest_s + SEEN_EARLIER_S
    return min(max(most, (GUESS_WEIGHT * guess_s + completions * most) / (GUESS_WEIGHT + completions)), LONGEST_TASK_S)


def spent(facts: Facts, oldest: Oldest, gap_s: float, seconds_per_task: float, most_s: float) -> tuple[float, Oldest]:
    """Slot-seconds of a look that count, and what is to be known of the oldest task at the next one.

    A task that runs counts while it runs, since else long tasks would be known only when it is too late. But a single
    one says little of the others: what it takes beyond a few times the mean counts when it has ended.

    Args:
        facts: of the look.
        oldest: as it was at the look before.
        gap_s: seconds since then in which looks were made.
        seconds_per_task: s, before this look.
        most_s: seconds that a task which ended is believed; one that took longer has hung.
    """
    used = max(facts.running * gap_s if facts.slot_seconds is None else facts.slot_seconds, 0.0)
    given_back = 0.0
    if facts.longest_s < oldest.age_s:
        given_back = oldest.withheld_s if facts.completed and oldest.age_s <= most_s else 0.0
        oldest = Oldest(settled_s=oldest.settled_s)
    settled = seconds_per_task if facts.completed or not oldest.settled_s else oldest.settled_s
    beyond = facts.longest_s - max(HANGS_AFTER * settled, oldest.age_s)
    owed = oldest.owed_s + (min(max(beyond, 0.0), MOST_AT_ONCE_S) if oldest.age_s else 0.0)
    held_back = min(owed, used)
    return used - held_back + given_back, Oldest(
        facts.longest_s, settled, owed - held_back, oldest.withheld_s + held_back
    )
