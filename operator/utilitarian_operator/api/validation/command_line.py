"""Reads the words of a `celery` command as Celery does (with click): subcommand, options, values.

`-BE` is `-B -E`, `-Qbeat` and `-Q beat` give the queue `beat`, and the value of an option is no subcommand.
The tables hold the options that take a value, of Celery 5.7; every other option takes none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Options that take a value.

    Args:
        letters: of the short ones.
        names: of the long ones.
    """

    letters: str
    names: frozenset[str]

    def __or__(self, other: "Options") -> "Options":
        return Options(self.letters + other.letters, self.names | other.names)


_DAEMON = frozenset({"--logfile", "--pidfile", "--uid", "--gid", "--umask", "--executable"})

CELERY = Options("Ab", frozenset({"--app", "--broker", "--result-backend", "--loader", "--config", "--workdir"}))
BEAT = Options("sSnlf", _DAEMON | {"--schedule", "--scheduler", "--max-interval", "--hostname", "--loglevel"})
WORKER = Options(
    "nSlOcPQXIsf",
    _DAEMON
    | {"--hostname", "--statedb", "--loglevel", "--optimization", "--prefetch-multiplier", "--concurrency", "--pool"}
    | {"--time-limit", "--soft-time-limit", "--max-tasks-per-child", "--pool-start-method", "--max-memory-per-child"}
    | {"--queues", "--exclude-queues", "--include", "--heartbeat-interval", "--autoscale"}
    | {"--schedule-filename", "--schedule", "--scheduler"},
)
_TABLES = {"beat": BEAT, "worker": WORKER, "multi": WORKER}


@dataclass(frozen=True, slots=True)
class Word:
    """One option, or a word that is none.

    Args:
        option: as it is written, without its value; empty for a word that is none.
        value: of the option, or the word; None for an option without one.
        end: how many words of the command are read by now.
    """

    option: str
    value: str | None
    end: int


@dataclass(frozen=True, slots=True)
class Command:
    """A `celery` command.

    Args:
        app: as given with -A; empty if it is not.
        subcommand: `worker`, `beat` …; empty if there is none.
        options: of the subcommand, in their order.
    """

    app: str
    subcommand: str
    options: tuple[Word, ...]

    @property
    def schedules(self) -> bool:
        """Whether it sends scheduled tasks: a beat, or a worker with one inside."""
        embedded = any(word.option in {"-B", "--beat"} for word in self.options)
        return self.subcommand == "beat" or (self.subcommand in {"worker", "multi"} and embedded)


def read(words: Sequence[str], table: Options) -> Iterator[Word]:
    """The options and other words of a command, in their order; all that follow `--` are no options.

    Args:
        words: of the command, after its name.
        table: which of its options take a value.
    """
    at = 0
    while at < len(words):
        word, at = words[at], at + 1
        if word == "--":
            yield from (Word("", rest, at + number) for number, rest in enumerate(words[at:], 1))
            return
        if word.startswith("--"):
            name, given, value = word.partition("=")
            if not given and name in table.names:
                value, at = (words[at] if at < len(words) else ""), at + 1
            yield Word(name, value if given or name in table.names else None, at)
        elif word.startswith("-") and len(word) > 1:
            letters = _short(word[1:], table.letters)
            option, value = letters[-1]
            yield from (Word(flag, None, at) for flag, _ in letters[:-1])
            if option[1:] in table.letters and not value:
                value, at = (words[at] if at < len(words) else ""), at + 1
            yield Word(option, value or None, at)
        else:
            yield Word("", word, at)


def _short(letters: str, with_value: str) -> list[tuple[str, str]]:
    """Short options written as one word: the first that takes a value has the rest of it."""
    found: list[tuple[str, str]] = []
    for at, letter in enumerate(letters):
        if letter in with_value:
            return [*found, (f"-{letter}", letters[at + 1 :])]
        found.append((f"-{letter}", ""))
    return found


def celery_command(words: Sequence[str]) -> Command:
    """What a `celery` command does.

    Args:
        words: after `celery`.
    """
    app = ""
    for word in read(words, CELERY):
        if word.option in {"-A", "--app"}:
            app = word.value or ""
        elif not word.option and word.value:
            rest = tuple(read(words[word.end :], _TABLES.get(word.value, WORKER) | CELERY))
            # Celery 4 takes -A after the subcommand, too.
            late = next((it.value for it in rest if it.option in {"-A", "--app"}), None)
            return Command(app or late or "", word.value, rest)
    return Command(app, "", ())
