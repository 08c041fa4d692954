"""Which beats beside the fleet's own send the application's tasks as well: names alone; it stops none of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from utilitarian_operator.core.manifests import BROKER_VARIABLE

NODE = "celerybeat"
"""What Celery calls a beat's node, before the @, unless it is told otherwise."""

_NODE_OPTIONS = ("--hostname", "-n")

Object = Mapping[str, Any]


def elsewhere(
    answering: Iterable[str], ours: str, extra_args: Sequence[str], named: Iterable[str], strangers: Iterable[str]
) -> tuple[str, ...]:
    """The node names of beats that answer and are neither the fleet's own nor told of already, sorted.

    Args:
        answering: node names of all beats that answered on the broker.
        ours: name of the pod of this fleet's beat.
        extra_args: of its command: it may have another node name by them.
        named: other beats in the namespace, as `also_beat` names them.
        strangers: names of pods that run the beat of another application, which may share the broker.
    """
    known = {
        _node(ours, extra_args),
        *(f"{NODE}@{it.split()[0]}" for it in named),
        *(f"{NODE}@{it}" for it in strangers),
    }
    return tuple(sorted(set(answering) - known))


def _node(pod: str, extra_args: Sequence[str]) -> str:
    """The node name of our beat, as Celery makes it of its pod's name and `-n`."""
    words = [part for word in extra_args for part in (word.split("=", 1) if word.startswith("--") else [word])]
    given = next((words[at + 1] for at, word in enumerate(words[:-1]) if word in _NODE_OPTIONS), pod)
    return (given if "@" in given else f"{NODE}@{given}").replace("%h", pod)


def also_beat(pods: Iterable[Object], app: str) -> tuple[str, ...]:
    """Pods that run a beat of the application, as `NAME (COMMAND)`, by name; also a worker with an embedded one (-B).

    Args:
        pods: that are not the operator's.
        app: as it is given to Celery.
    """
    found = {pod["metadata"]["name"]: _beat_command(pod, app) for pod in pods if _may_run(pod)}
    return tuple(f"{name} ({command})" for name, command in sorted(found.items()) if command)


def same_beat(pods: Iterable[Object], ours: Object, app: str) -> tuple[str, ...]:
    """Pods of other fleets that run a beat of the same application on the same broker, as `also_beat` names them.

    Args:
        pods: beats of other resources.
        ours: the pod of this fleet's beat.
        app: as it is given to Celery.
    """
    broker = _broker(ours)
    return also_beat([pod for pod in pods if broker is not None and _broker(pod) == broker], app)


def _broker(pod: Object) -> object:
    """Where a pod's first container has its broker's URL from; None if that can't be told."""
    for variable in pod.get("spec", {}).get("containers", [{}])[0].get("env", []):
        if variable["name"] == BROKER_VARIABLE:
            return variable.get("valueFrom") or variable.get("value")
    return None


def _may_run(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}


def _beat_command(pod: Object, app: str) -> str | None:
    for container in pod.get("spec", {}).get("containers", []):
        # One that goes through a shell has its words in one argument.
        words = " ".join([*container.get("command", []), *container.get("args", [])]).replace(";", " ; ").split()
        names = [word.rsplit("/", 1)[-1] for word in words]
        if "celery" not in names:
            continue
        rest = words[names.index("celery") + 1 :]
        env = {it["name"]: it.get("value", "") for it in container.get("env", [])}
        if _module(_app(rest) or env.get("APP", "")) == _module(app) and _schedules(rest):
            return " ".join(["celery", *rest])[:120]
    return None


def _app(words: list[str]) -> str | None:
    for index, word in enumerate(words):
        if word in {"-A", "--app"} and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(("--app=", "-A")):
            return word.removeprefix("--app=").removeprefix("-A")
    return None


def _module(app: str) -> str:
    """`utilitarian`, `utilitarian.celery` and `utilitarian:app` are one application."""
    return app.partition(":")[0].removesuffix(".celery")


def _schedules(words: list[str]) -> bool:
    return "beat" in words or ("worker" in words and bool({"-B", "--beat"} & set(words)))
