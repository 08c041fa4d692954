"""What is wrong with a `commandPrefix`, and which wrappers end their worker otherwise than it should end."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from utilitarian_operator.api import cel_rules as rules
from utilitarian_operator.api.problem import Problem

_NO_NAME = (
    "the first word after a shell's script is the script's own name: add one more word, such as sh, "
    "or celery itself would be taken for it"
)
_STAYS = (
    'a shell that runs "$@" without exec stays process 1 and does not pass SIGTERM on, so only the preStop hook can '
    'tell the worker to stop: write exec "$@"'
)
_IN_A_PIPE = (
    'exec "$@" in a pipe or behind a & is a child of the shell, which stays process 1 and does not pass SIGTERM on, so '
    "only the preStop hook can tell the worker to stop: leave tee or the & out, celery writes to the container's log"
)
_PIPED = re.compile(r'exec\s+"\$@"(?:[^|&;\n<>]|[<>](?!&)|[<>]&|&>)*(?:\|(?!\|)|&(?![&>]))')
"""Redirections (`2>&1`, `&>file`) are none of these; what follows `||`, `&&` or `;` never runs."""
_TO_ALL = (
    "it passes SIGTERM on to all processes, which ends tasks in the middle where the preStop hook could not reach the "
    "worker: {}"
)
_INIT = {"dumb-init": ({"-c", "--single-child"}, True, "add -c"), "tini": ({"-g"}, False, "leave -g out")}

_FILES = "it ends the worker when a file changes, whatever it runs, and is meant for development: leave it out"
_OTHERWISE = {
    "timeout": "it ends the worker when its time is over, whatever it runs: leave it out",
    "watchmedo": _FILES,
    "watchfiles": _FILES,
    "nodemon": _FILES,
}
_ONE_STRING = "su -c runs the one word celery, without its arguments: use gosu, su-exec or setpriv"


def check_command_prefix(path: str, prefix: Sequence[str]) -> Iterator[Problem]:
    """Why a command with this prefix would not start celery.

    Args:
        path: of the field.
        prefix: as written.
    """
    script = _script(prefix)
    if any(re.search(rules.CELERY, word) for word in prefix):
        yield Problem(path, "", rules.COMMAND_PREFIX[0].message)
    elif script is not None and '"$@"' not in script:
        yield Problem(path, "", rules.COMMAND_PREFIX[1].message)
    elif script is not None and prefix[-1] == script:
        yield Problem(path, "", _NO_NAME)


def prefix_warnings(path: str, prefix: Sequence[str]) -> Iterator[Problem]:
    """What starts celery but does not end it as it should.

    Args:
        path: of the field.
        prefix: as written.
    """
    script = _script(prefix)
    if script is not None and not re.search(r'exec\s+"\$@"', script):
        yield Problem(path, "", _STAYS)
    elif script is not None and _PIPED.search(script):
        yield Problem(path, "", _IN_A_PIPE)
    for number, word in enumerate(prefix):
        flags, needed, cure = _INIT.get(word.rsplit("/", 1)[-1], (frozenset[str](), False, ""))
        if cure and bool(flags & set(prefix[number + 1 :])) is not needed:
            yield Problem(path, "", f"{word}: {_TO_ALL.format(cure)}")
        if otherwise := _OTHERWISE.get(word.rsplit("/", 1)[-1]):
            yield Problem(path, "", f"{word}: {otherwise}")
    if set(prefix[-1:]) & {"-c", "--command"} and any(word.rsplit("/", 1)[-1] == "su" for word in prefix):
        yield Problem(path, "", _ONE_STRING)


def _script(prefix: Sequence[Any]) -> str | None:
    """The script that a shell in the prefix is given; None if there is none."""
    for number, word in enumerate(prefix):
        if re.search(rules.SHELL, word):
            rest = prefix[number + 1 :]
            options = [*takewhile(lambda it: it.startswith("-"), rest)]
            given = next((n for n, it in enumerate(options, 1) if re.search(rules.SCRIPT_FOLLOWS, it)), len(rest))
            if given < len(rest):
                return str(rest[given])
    return None
