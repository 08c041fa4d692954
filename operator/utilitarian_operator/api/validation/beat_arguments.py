"""Arguments of beat that make it hang or end, keep it from starting, or undo what its command says."""

import re
from collections.abc import Iterator, Sequence

from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.validation.command_line import BEAT, CELERY, Word, read

LONGEST_INTERVAL_S = 900
"""Between two moments at which beat wakes; its liveness probe takes one that sleeps longer for one that hangs."""

_PATH = "spec.beat.extraArgs"
_ASLEEP = (
    f"a beat that hasn't woken for {LONGEST_INTERVAL_S} s is restarted as one that hangs: "
    f"write {LONGEST_INTERVAL_S} or less"
)
_AWAKE = "with it beat would never sleep: write a number above 0"
_SEND_ONCE = "beat writes its memory after each task that it sends, so that none is sent twice: leave it out"
_BROKER = "the operator sets it: use spec.broker.urlFrom"
_GLOBAL = "it is an option of celery and not of beat, which would not start: "

_SYNC = "beat_sync_every"
_INTERVALS = {"--max-interval", "beat_max_loop_interval"}
_REFUSED = {
    _SYNC: _SEND_ONCE,
    "beat_schedule_filename": "the schedule file is on beat's own volume: leave it out",
    "beat_scheduler": "the operator sets it: use beat.scheduler",
    **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), _BROKER),
    **dict.fromkeys(("--uid", "--gid"), "a container has no right to change its user: use pod.securityContext"),
    **dict.fromkeys(("--help", "--version"), "beat would say it and end: leave it out"),
    "--result-backend": f"{_GLOBAL}set CELERY_RESULT_BACKEND in env",
    "--config": f"{_GLOBAL}set CELERY_CONFIG_MODULE in env",
    "--loader": f"{_GLOBAL}set CELERY_LOADER in env",
    "--workdir": f"{_GLOBAL}set PYTHONPATH in env",
}
_CAST = re.compile(r"\(\w+\)")


def check_beat_arguments(arguments: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with `spec.beat.extraArgs` beyond single flags, in the order of the arguments.

    Args:
        arguments: as written.
    """
    for word in read(arguments, BEAT | CELERY):
        written, value = (word.option, word.value) if word.option else _setting(word)
        remedy = _remedy(setting_name(written) if not word.option else written, value)
        if remedy is not None:
            shown = f"{written} {value}" if remedy in {_ASLEEP, _AWAKE} else written
            yield Problem(_PATH, "", f"{shown}: {remedy}")


def setting_name(written: str) -> str:
    """A setting's name as Celery has it, however it is written on a command line."""
    return written.lower().replace(".", "_")


def _setting(word: Word) -> tuple[str, str | None]:
    """A setting such as `beat.sync_every=1`, with its value; None for a word that is none."""
    name, given, value = (word.value or "").partition("=")
    return name, _CAST.sub("", value, count=1) if _CAST.match(value) else value if given else None


def _remedy(name: str, value: str | None) -> str | None:
    """What to do about an option or a setting; None where it is right."""
    if name in _INTERVALS and value:
        number = _number(value)
        return _AWAKE if number < 0 else _ASLEEP if not number <= LONGEST_INTERVAL_S else None
    if name in _REFUSED:
        return None if name == _SYNC and _number(value or "") == 1 else _REFUSED[name]
    if not name.startswith("-") and (value is None or not name):
        return "it is no option: a setting of Celery is written as beat.NAME=VALUE"
    return "it needs a value: write it after it" if value == "" and name.startswith("-") else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # Celery refuses it itself
