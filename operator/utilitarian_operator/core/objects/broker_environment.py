"""What tells a container its broker: `CELERY_BROKER_URL`, from one key or put together from several."""

from utilitarian_operator.api import broker_url
from utilitarian_operator.api.broker_url import Broker
from utilitarian_operator.api.effective import Tree
from utilitarian_operator.api.kubernetes import SecretKeyRef
from utilitarian_operator.api.objects import Object

BROKER_VARIABLE = "CELERY_BROKER_URL"
PART_PREFIX = "UTILITARIAN_BROKER_"
"""Before the names of variables that hold a part of the URL."""

PUT_TOGETHER = """\
import os, re, sys
from urllib.parse import quote


def part(found):
    value = os.environ["UTILITARIAN_BROKER_" + found[1]].strip()
    return f"[{value}]" if found[1] == "HOST" and ":" in value else quote(value, safe="")


os.environ["CELERY_BROKER_URL"] = re.sub("{(\\\\w+)}", part, sys.argv[1])
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Sets the URL and becomes the command that follows: Kubernetes puts variables together but does not escape them.
Arguments: the URL's pattern, and the command. The same as `broker_url.filled`."""


def broker_variables(broker: Broker) -> list[Object]:
    """The variables of a container, without the value of a Secret."""
    if broker.parts is None:
        return [{"name": BROKER_VARIABLE, "valueFrom": {"secretKeyRef": _key(broker.sources["urlFrom"].ref)}}]
    found: list[Object] = []
    for path, source in broker.sources.items():
        if path.startswith("from."):
            kind = "secretKeyRef" if source.kind == "Secret" else "configMapKeyRef"
            found.append({"name": _variable(path), "valueFrom": {kind: _key(source.ref)}})
    # For other variables that refer to it. Celery and the preStop hook get it escaped, by the words before them.
    return [
        *found,
        {"name": BROKER_VARIABLE, "value": _pattern(broker).replace("{", f"$({PART_PREFIX}").replace("}", ")")},
    ]


def broker_words(broker: Broker, variables: tuple[Tree, ...]) -> list[str]:
    """The words before a command that needs the URL; none where the container has it in one piece.

    Args:
        broker: of the fleet.
        variables: that the resource gives the container.
    """
    given = any(variable["name"] == BROKER_VARIABLE for variable in variables)
    if given or broker.parts is None or "{" not in _pattern(broker):
        return []
    return ["python3", "-c", PUT_TOGETHER, _pattern(broker)]


def _pattern(broker: Broker) -> str:
    return broker_url.pattern(broker.parts or {})


def _variable(path: str) -> str:
    return PART_PREFIX + path.removeprefix("from.").upper()


def _key(ref: SecretKeyRef) -> Object:
    return {"name": ref.name, "key": ref.key}
