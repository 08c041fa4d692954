"""Takes out of objects and logs what may be secret, so that they can be given to others."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

GONE = "(redacted)"
_LOGIN = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://).*@", re.DOTALL)
"""To the last @: a password that was not escaped may have any letter in it."""
_CUT = re.compile(r"(?P<scheme>://)[^\s@/]*:(?!\d{1,5}(?:/|\s|$))[^@]*$", re.DOTALL)
"""The beginning of one, where a text was cut before its @."""
_NAMED = re.compile(
    r"(?i)(?P<name>[\w.-]*(?:passw|passwd|pwd|secret|token|api[-_]?key|credential|authorization|cookie)[\w.-]*)"
    r"(?P<is>[\"']?\s*[=:]\s*(?:(?:bearer|basic)\s+)?)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
)
_BEARER = re.compile(r"(?i)\b(?P<kind>bearer|basic)\s+[a-z0-9+/=._~-]{6,}")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.DOTALL)

_SECRET_FIELD = re.compile(r"(?i)passw|passwd|pwd$|token$|api[-_]?key|credential|authorization|^username$|^user$")
_WORDS = {"command", "args", "extraArgs", "commandPrefix"}
"""What programs are started with: any word may be secret, and none is needed to understand a size."""
_DROPPED = {"managedFields", "template", "data", "stringData", "binaryData"}
"""What is large and says nothing, or may have anything in it: a pod's template is made of the other fields."""
_VALUES = {"volumeAttributes", "options", "httpHeaders", "parameters"}
_OURS = re.compile(r"^(utilitarian\.io|app\.kubernetes\.io|controller\.kubernetes\.io|deployment\.kubernetes\.io)/")


def redacted(value: Any, field: str = "") -> Any:
    """An object as JSON has it, without what may be secret: names stay, values of variables go.

    Args:
        value: the object, or a part of it.
        field: that it stands in.
    """
    if field in _DROPPED or (field in _WORDS and value):
        return GONE
    if isinstance(value, Mapping):
        return dict(_parts(value, field))
    if isinstance(value, list | tuple):
        return [_variable(it) if field == "env" else GONE if field in _VALUES else redacted(it, field) for it in value]
    if isinstance(value, str):
        return GONE if _SECRET_FIELD.search(field) else plain(value)
    return value


def _parts(value: Mapping[str, Any], field: str) -> Iterator[tuple[str, Any]]:
    for name, it in value.items():
        if field in _VALUES or field == "env" or (field == "annotations" and not _OURS.match(name)):
            yield name, GONE
        elif field == "from":
            yield name, redacted(it) if isinstance(it, Mapping) else GONE
        else:
            yield name, redacted(it, name)


def plain(text: str) -> str:
    """A text without logins in URLs, without what stands behind a word such as `password`, tokens and keys."""
    text = _PEM.sub(GONE, text)
    text = _LOGIN.sub(lambda it: f"{it['scheme']}{GONE}@", text)
    text = _CUT.sub(lambda it: f"{it['scheme']}{GONE}", text)
    text = _NAMED.sub(lambda it: f"{it['name']}{it['is']}{GONE}", text)
    return _JWT.sub(GONE, _BEARER.sub(lambda it: f"{it['kind']} {GONE}", text))


def plain_log(text: str) -> str:
    """The lines of a log, each of them plain."""
    return "\n".join(plain(line) for line in _PEM.sub(GONE, text).splitlines())


def _variable(entry: Any) -> Any:
    """A variable of the environment with its name and where its value comes from."""
    if not isinstance(entry, Mapping):
        return GONE
    return {name: GONE if name not in {"name", "valueFrom"} else redacted(it, name) for name, it in entry.items()}
