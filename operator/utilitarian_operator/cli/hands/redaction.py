"""Takes out of objects and logs what may be secret, so that they can be given to others."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

GONE = "(redacted)"
_LOGIN = re.compile(r"(?i)(?P<scheme>(?<=[a-z0-9+.-])(?::\\?/\\?/|%3A%2F%2F)).*(?:@|%40)", re.DOTALL)
"""To the last @: a password that was not escaped may have any letter in it."""
_CUT = re.compile(r"(?P<scheme>://)[^\s@/]*:(?!\d{1,5}(?:/|\s|$))[^@]*$", re.DOTALL)
"""The beginning of one, where a text was cut before its @."""
_SECRETS = (
    r"passw|pass(?:phrase|code)?(?![a-z])|pwd|secret|token|credential|authorization|auth(?![a-z])|cookie|signature|"
    r"(?:api|access|account|private|shared|signing|encryption|session)[-_]?key|dsn(?![a-z])|(?<![a-z])sig(?![a-z])"
)
_WORD = r"(?<![\w.-])[\w.-]*"
"""From its beginning on: one that is looked at from each of its letters on takes the square of its length."""
_NAMED = re.compile(
    rf"(?i)(?P<name>{_WORD}(?:{_SECRETS})[\w.-]*)(?P<is>\\*[\"']?\s*[=:]\s*(?:(?:bearer|basic)\s+)?)"
    r"(?P<value>\\+\".*?(?:(?<!\\)\"|\Z)|\"(?:\\.|[^\"\\])*\"|'[^']*'|(?:\\.|[^\s\"\\])+)",
    re.DOTALL,
)
"""What a text within a text is called goes to the end of the outer one: quotes of several depths tell no end."""
_OPTION = re.compile(
    rf"(?i)(?P<name>(?<![\w-])--?[\w-]*(?:{_SECRETS})[\w-]*)(?P<is>\s+)(?P<value>\"[^\"]*\"|'[^']*'|\S+)"
)
"""Of a command, with its value behind a space."""
_LISTED = re.compile(
    rf"(?i)(?P<name>[\"'][\w.-]*(?:{_SECRETS})[\w.-]*\\*[\"'])(?P<is>\s*,\s*b?)"
    r"(?P<value>\\*\"(?:\\[^\"]|[^\"\\])*\\*\"|'[^']*')"
)
"""A name with its value behind it in a list or a pair, as Python and JSON write them."""
_BEGUN = re.compile(rf"(?i){_WORD}(?:{_SECRETS})[\w.-]*\\*[\"']?\s*[=:]\s*[|>]?[-+]?\s*$")
"""A line after whose end the value comes."""
_BEARER = re.compile(r"(?i)\b(?P<kind>bearer|basic)\s+[a-z0-9+/=._~-]{6,}")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_KNOWN_SHAPE = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abeprs]-[\w-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|"
    r"sk-[\w-]{20,}|AIza[\w-]{35}|hooks\.slack\.com/services/\S+)"
)
"""Tokens of services that many applications call: GitHub, GitLab, Slack, AWS, Google and others."""
_PEM = re.compile(r"-----BEGIN [^-]+-----.*?(-----END [^-]+-----|\Z)", re.DOTALL)

_SECRET_FIELD = re.compile(
    r"(?i)passw|passphrase$|pwd$|token$|(?:api|access|account|private|shared|signing|encryption)[-_]?key$|credential|"
    r"authorization|signature$|^username$|^user$"
)
_WORDS = {"command", "args", "extraArgs", "commandPrefix"}
"""What programs are started with: any word may be secret, and none is needed to understand a size."""
_DROPPED = {"managedFields", "template", "data", "stringData", "binaryData"}
"""What is large and says nothing, or may have anything in it: a pod's template is made of the other fields."""
_VALUES = {"volumeAttributes", "options", "httpHeaders", "parameters"}
_SAID_BY_A_PROGRAM = {"terminated"}
"""Its message may be the end of the container's log (`terminationMessagePolicy: FallbackToLogsOnError`)."""
_SHORTEST = 8
"""Of a word that is looked for in other texts: a shorter one is a word of its own too often."""
_NAMES_ALONE = {"managedFields", "annotations", "valueFrom", "secretKeyRef", "configMapKeyRef"}
"""Fields in which no value stands that is of use to anybody, or one too large to be looked for."""
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
        others = field == "annotations" and not _OURS.match(name)
        said = field in _SAID_BY_A_PROGRAM and name == "message" and it
        if field in _VALUES or field == "env" or others or said:
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
    for named in (_NAMED, _OPTION, _LISTED):
        text = named.sub(lambda it: f"{it['name']}{it['is']}{GONE}", text)
    text = _KNOWN_SHAPE.sub(GONE, _BEARER.sub(lambda it: f"{it['kind']} {GONE}", text))
    return _JWT.sub(GONE, text)


def plain_log(text: str) -> str:
    """The lines of a log, each of them plain; one that follows on the name of a secret goes."""
    lines, begun = [], False
    for line in _PEM.sub(GONE, text).splitlines():
        lines.append(GONE if begun and line.strip() else plain(line))
        begun = _BEGUN.search(line) is not None or (begun and not line.strip())
    return "\n".join(lines)


def _variable(entry: Any) -> Any:
    """A variable of the environment with its name and where its value comes from."""
    if not isinstance(entry, Mapping):
        return GONE
    return {name: GONE if name not in {"name", "valueFrom"} else redacted(it, name) for name, it in entry.items()}


def without_values_of(objects: Iterable[Any]) -> Callable[[str], str]:
    """What takes out of a text each value that stands in an object where `redacted` takes it out.

    An event, a log or a message may tell of it without a word such as `password` in front. A value that the object has
    elsewhere too, such as a queue's name, is none.

    Args:
        objects: as the API server has them.
    """
    values: set[str] = set()
    for it in objects:
        asked = {name: part for name, part in it.items() if name != "status"}
        told = json.dumps(redacted(asked), ensure_ascii=False)
        values |= {value for value in _hidden(asked) if value not in told}
    spelt = {it for value in values for it in (value, json.dumps(value)[1:-1], quote(value, safe=""))}
    if not spelt:
        return lambda text: text
    found = "|".join(re.escape(it) for it in sorted(spelt, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])(?:{found})(?![\w-])")
    return lambda text: pattern.sub(GONE, text)


def _hidden(value: Any, field: str = "", *, within: bool = False) -> Iterator[str]:
    """The words of what `redacted` takes out for the place where it stands, but for what is short."""
    hides = within or field in _VALUES or field in _WORDS or bool(_SECRET_FIELD.search(field))
    if isinstance(value, Mapping):
        for name, it in value.items():
            if name not in _NAMES_ALONE and (field, name) != ("env", "name"):
                yield from _hidden(it, name, within=hides or field == "env")
    elif isinstance(value, list | tuple):
        for it in value:
            yield from _hidden(it, field, within=within)
    elif isinstance(value, str) and hides:
        found = {part for line in value.splitlines() for part in (line.strip(), *line.split(), line.partition("=")[2])}
        yield from (it for it in found if len(it) >= _SHORTEST)
