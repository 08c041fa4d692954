"""Arguments of beat that would have it ended as one that hangs, or undo what its command says."""

from collections.abc import Iterator, Sequence

from utilitarian_operator.api.command_line import BEAT, Word, read
from utilitarian_operator.api.invalid import Problem

LONGEST_INTERVAL_S = 900
"""Between two moments at which beat wakes; its liveness probe takes one that sleeps longer for one that hangs."""

_PATH = "spec.beat.extraArgs"
_ASLEEP = (
    f"a beat that hasn't woken for {LONGEST_INTERVAL_S} s is restarted as one that hangs: "
    f"write {LONGEST_INTERVAL_S} or less"
)


def check_beat_arguments(arguments: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with `spec.beat.extraArgs` beyond single flags, in the order of the arguments.

    Args:
        arguments: as written.
    """
    for word in read(arguments, BEAT):
        name, value = _named(word)
        match name:
            case "--max-interval" | "beat.max_loop_interval" if _number(value) > LONGEST_INTERVAL_S:
                yield Problem(_PATH, "", f"{name} {value}: {_ASLEEP}")
            case "beat.sync_every" if _number(value) != 1:
                remedy = (
                    "beat writes its memory after each task that it sends, so that none is sent twice: leave it out"
                )
                yield Problem(_PATH, "", f"{name}: {remedy}")
            case "beat.schedule_filename":
                yield Problem(_PATH, "", f"{name}: the schedule file is on beat's own volume: leave it out")


def _named(word: Word) -> tuple[str, str]:
    """An option, or a setting such as `beat.sync_every=1` that stands among them, with its value."""
    if word.option:
        return word.option, word.value or ""
    name, _, value = (word.value or "").partition("=")
    return name.replace("beat_", "beat.", 1), value.strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # Celery refuses it itself
