"""Which beats beside the fleet's own send the application's tasks as well, by name."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice

from utilitarian_operator.api.objects import ReadOnlyObject
from utilitarian_operator.api.validation.command_line import BEAT, Command, celery_command, read
from utilitarian_operator.core.containers import spec_of_ours
from utilitarian_operator.core.objects.broker_environment import BROKER_VARIABLE, PART_PREFIX
from utilitarian_operator.core.observation.beat import OtherBeat

NODE = "celerybeat"
"""What Celery calls a beat's node, before the @, unless it is configured otherwise."""

MOST_COMMANDS = 5
"""Of one container, each after a word `celery`, that are looked at: each is read to its end."""

LONGEST_COMMAND = 4_000
"""Characters of a container's words that are looked at: they are another's, and may have a megabyte."""

MOST_SCRIPTS = 50
"""Different scripts that are split as a shell does it, which takes 10 µs a character."""

LONGEST_APP = 255
"""Characters of an application's name in which variables are filled in."""

_NODE_OPTIONS = {"--hostname", "-n"}
_VARIABLE = re.compile(r"\$(?:\{(?P<a>\w+)(?::?-(?P<otherwise>[^}]*))?\}|\((?P<b>\w+)\)|(?P<c>\w+))")


def elsewhere(
    answering: Iterable[str], ours: str, extra_args: Sequence[str], named: Iterable[OtherBeat], strangers: Iterable[str]
) -> tuple[str, ...]:
    """The node names of beats that answer and are neither the fleet's own nor reported already, sorted.

    Args:
        answering: node names of all beats that answered on the broker.
        ours: name of the pod of this fleet's beat.
        extra_args: of its command: it may have another node name by them.
        named: other beats in the namespace.
        strangers: names of pods that run the beat of another application, which may share the broker.
    """
    known = {
        _node(ours, extra_args),
        *(f"{NODE}@{it.name}" for it in named),
        *(f"{NODE}@{it}" for it in strangers),
    }
    return tuple(sorted(set(answering) - known))


def _node(pod: str, extra_args: Sequence[str]) -> str:
    """The node name of our beat, as Celery makes it of its pod's name and `-n`."""
    names = [word.value for word in read(extra_args, BEAT) if word.option in _NODE_OPTIONS and word.value]
    given = names[-1] if names else pod
    return (given if given and "@" in given else f"{NODE}@{given}").replace("%h", pod)


def also_beat(pods: Iterable[ReadOnlyObject], app: str) -> tuple[OtherBeat, ...]:
    """Pods that run a beat of the application, by name; also a worker with an embedded one (-B).

    Args:
        pods: that are not the operator's.
        app: as it is given to Celery.
    """
    scripts = _Scripts()
    found = {pod["metadata"]["name"]: _beat_command(pod, app, scripts) for pod in pods if _may_run(pod)}
    return tuple(OtherBeat(name, command) for name, command in sorted(found.items()) if command)


def same_beat(pods: Iterable[ReadOnlyObject], ours: ReadOnlyObject, app: str) -> tuple[OtherBeat, ...]:
    """Pods of other fleets that run a beat of the same application on the same broker.

    Args:
        pods: beats of other resources.
        ours: the pod of this fleet's beat.
        app: as it is given to Celery.
    """
    broker = _broker(ours)
    return also_beat([pod for pod in pods if broker is not None and _broker(pod) == broker], app)


def _broker(pod: ReadOnlyObject) -> object:
    """Where a beat of ours has its broker's URL, or its parts, from; None if that can't be known."""
    env = [it for it in spec_of_ours(pod).get("env") or [] if it["name"].startswith((BROKER_VARIABLE, PART_PREFIX))]
    return [it.get("valueFrom") or it.get("value") for it in env] or None


def _may_run(pod: ReadOnlyObject) -> bool:
    return pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}


class _Scripts:
    """Shell scripts, each split once: the pods of one Deployment have the same."""

    def __init__(self) -> None:
        self._split: dict[str, tuple[Sequence[str], ...]] = {}

    def commands(self, script: str) -> tuple[Sequence[str], ...]:
        """The commands of a script, each in words; nothing of one that is too many."""
        if script not in self._split and len(self._split) < MOST_SCRIPTS:
            self._split[script] = tuple(_split(script))
        return self._split.get(script, ())


def _beat_command(pod: ReadOnlyObject, app: str, scripts: _Scripts) -> str | None:
    """The command with which a pod runs a beat of the application, without options that may hold a password."""
    spec = pod.get("spec", {})
    sidecars = [it for it in spec.get("initContainers") or [] if it.get("restartPolicy") == "Always"]
    for container in [*spec.get("containers", []), *sidecars]:
        env = {it["name"]: it.get("value") or "" for it in container.get("env") or []}
        words = _bounded([*(container.get("command") or []), *(container.get("args") or [])])
        for command in islice(_commands(words, scripts), MOST_COMMANDS):
            found = celery_command(command)
            given = _filled_in(found.app, env)
            if found.schedules and _module(given or env.get("APP", "")) == _module(app):
                return " ".join(["celery", *(["-A", given] if given else []), _shown(found)])
    return None


def _shown(command: Command) -> str:
    return command.subcommand if command.subcommand == "beat" else f"{command.subcommand} -B"


def _bounded(words: Sequence[str]) -> Sequence[str]:
    """The words as far as they are looked at."""
    found, left = [], LONGEST_COMMAND
    for word in words:
        found.append(word[:left])
        left -= len(word) + 1
        if left <= 0:
            break
    return found


def _commands(words: Sequence[str], scripts: _Scripts) -> Iterator[Sequence[str]]:
    """What follows each `celery` of a container's words; those that a shell is given in one are split as it does."""
    given = [word for word in words if "celery" in word and any(it.isspace() for it in word)]
    for part in (words, *(part for script in given for part in scripts.commands(script))):
        for at, word in enumerate(part):
            if word.rsplit("/", 1)[-1] == "celery":
                yield part[at + 1 :]


def _split(script: str) -> Iterator[Sequence[str]]:
    """The commands of a shell script, each in words."""
    lexer = shlex.shlex(script.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quotation that does not end
        words = script.replace("'", " ").replace('"', " ").split()
    for ends, command in groupby(words, key=lambda word: set(word) <= set(";&|()")):
        if not ends:
            yield list(command)


def _filled_in(word: str, env: Mapping[str, str]) -> str:
    """A word with the variables of its container, as a shell or Kubernetes fills them in."""
    if len(word) > LONGEST_APP:
        return word
    return _VARIABLE.sub(lambda it: env.get(it["a"] or it["b"] or it["c"], "") or it["otherwise"] or "", word)


def _module(app: str) -> str:
    """`utilitarian`, `utilitarian.celery` and `utilitarian:app` are one application."""
    return app.partition(":")[0].removesuffix(".celery")
