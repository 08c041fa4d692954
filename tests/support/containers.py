"""Turns a container of a pod into a command and an environment as a kubelet does; starts nothing and writes nothing.

A folder on this machine stands for each mounted volume, and the mount's path is replaced by the folder's wherever it
occurs in the command and in plain variables: there are no mount namespaces.
"""

import base64
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from utilitarian_operator.api.objects import ReadOnlyObject

Read = Callable[[str, str], Mapping[str, str] | None]
"""Reads the values of "secrets" or "configmaps" by name; None if there is no such object."""

_REFERENCE = re.compile(r"\$\$|\$\((?P<name>[-._a-zA-Z][-._a-zA-Z0-9]*)\)")
PROGRAMS = {
    "celery": [sys.executable, "-m", "celery"],
    "python": [sys.executable],
    "python3": [sys.executable],
}
"""What stands for the programs of a Python image; a test may put another interpreter there."""


class ContainerConfigError(Exception):
    """A container can't be made yet; the message is what a kubelet would say."""


@dataclass(frozen=True)
class Launch:
    """What is to be executed."""

    command: list[str]
    env: dict[str, str]


def launch(
    pod: ReadOnlyObject, container: ReadOnlyObject, read: Read, folder: Callable[[ReadOnlyObject], Path]
) -> Launch:
    """The command of a container, resolved.

    Args:
        pod: it belongs to.
        container: an entry of `containers` or `initContainers`.
        read: of Secrets and ConfigMaps of the pod's namespace.
        folder: the folder that stands for a volume.

    Raises:
        ContainerConfigError: a Secret, ConfigMap or key is missing, or the image's own command is asked for.
    """
    folders = _folders(pod, container, folder)
    env = _environment(pod, container, read, folders)
    words = [*container.get("command", []), *container.get("args", [])]
    if not container.get("command"):
        raise ContainerConfigError(f"container {container['name']} names no command, and there is no image to ask")
    return Launch(on_this_machine([_moved(expand(word, env), folders) for word in words]), env)


def exec_command(
    command: list[str], pod: ReadOnlyObject, container: ReadOnlyObject, folder: Callable[[ReadOnlyObject], Path]
) -> list[str]:
    """The command of an exec hook, in which variables are not expanded."""
    folders = _folders(pod, container, folder)
    return on_this_machine([_moved(word, folders) for word in command])


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)`; `$$` is a dollar sign, and a name that is not known stays as it is written."""

    def value(match: re.Match[str]) -> str:
        return "$" if match["name"] is None else variables.get(match["name"], match[0])

    return _REFERENCE.sub(value, text)


def on_this_machine(command: list[str]) -> list[str]:
    """The same command with the programs of a Python image replaced by this interpreter's."""
    return [*PROGRAMS.get(command[0], command[:1]), *command[1:]]


def _environment(
    pod: ReadOnlyObject, container: ReadOnlyObject, read: Read, folders: Mapping[str, Path]
) -> dict[str, str]:
    variables = {"HOSTNAME": str(pod["metadata"]["name"])}
    for source in container.get("envFrom", []):
        variables |= _all_of(source, read)
    for variable in container.get("env", []):
        name = variable["name"]
        if "valueFrom" not in variable:
            variables[name] = _moved(expand(variable.get("value", ""), variables), folders)
        elif (value := _value_from(variable["valueFrom"], pod, read)) is not None:
            variables[name] = value
    return variables


def _all_of(source: ReadOnlyObject, read: Read) -> dict[str, str]:
    kind, reference = (
        ("secrets", source["secretRef"]) if "secretRef" in source else ("configmaps", source["configMapRef"])
    )
    values = _values(kind, reference, read)
    return {source.get("prefix", "") + name: value for name, value in values.items()}


def _value_from(source: ReadOnlyObject, pod: ReadOnlyObject, read: Read) -> str | None:
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    kind, reference = (
        ("secrets", source["secretKeyRef"]) if "secretKeyRef" in source else ("configmaps", source["configMapKeyRef"])
    )
    values = _values(kind, reference, read)
    if reference["key"] not in values and not reference.get("optional"):
        raise ContainerConfigError(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return values.get(reference["key"])


def _values(kind: str, reference: ReadOnlyObject, read: Read) -> Mapping[str, str]:
    values = read(kind, reference["name"])
    if values is None and not reference.get("optional"):
        raise ContainerConfigError(f'{kind} "{reference["name"]}" not found')
    return values or {}


def _field(pod: ReadOnlyObject, path: str) -> str:
    section, _, name = path.partition(".")
    if (section, name) not in {("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")}:
        raise ContainerConfigError(f"this node doesn't know the field {path}")
    return str(pod[section][name])


def decoded(kind: str, body: ReadOnlyObject) -> dict[str, str]:
    """The values of a Secret or ConfigMap."""
    data: Mapping[str, str] = body.get("data") or {}
    return {k: base64.b64decode(v).decode() for k, v in data.items()} if kind == "secrets" else dict(data)


def _folders(
    pod: ReadOnlyObject, container: ReadOnlyObject, folder: Callable[[ReadOnlyObject], Path]
) -> dict[str, Path]:
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
    return {
        mount["mountPath"]: folder(volumes[mount["name"]])
        for mount in container.get("volumeMounts", [])
        if "emptyDir" in volumes[mount["name"]] or "persistentVolumeClaim" in volumes[mount["name"]]
    }


def _moved(text: str, folders: Mapping[str, Path]) -> str:
    for path, folder in folders.items():
        text = text.replace(path, str(folder))
    return text
