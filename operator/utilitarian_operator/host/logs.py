"""How log lines look: constant text and key-values, for people or as JSON."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from utilitarian_operator.core.moments import timestamp

_PLAIN = re.compile(r'[^\s="]+')
"""A value that needs no quotes, as it can't be read as two values or two lines."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Lines(logging.Formatter):
    """`2026-01-01T00:00:00Z INFO reconciler: scaled fleet=a/b pool=c`, or the same as one JSON object a line.

    Args:
        as_json: for machines.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line, with the traceback behind it where there is one."""
        values = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        moment = timestamp(datetime.fromtimestamp(record.created, UTC), "microseconds")
        logger = record.name.removeprefix("utilitarian_operator.")
        if self._as_json:
            head = {"time": moment, "level": record.levelname, "logger": logger, "message": record.getMessage()}
            return json.dumps(values | head, default=str)
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in values.items())
        return f"{moment} {record.levelname} {logger}: {_on_one_line(record.getMessage())}{pairs}"


def configure(level: str, *, as_json: bool) -> None:
    """Send everything to stderr in these lines; the libraries only from WARNING on, with two exceptions."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json=as_json))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("utilitarian_operator").setLevel(level)
    # It warns that it hears no signals, since it has a thread of its own: they are heard beside it.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    # It warns of each message and word that it throws away, with names that a broker chose, as many as that sends.
    logging.getLogger("amqp").setLevel(logging.ERROR)


def _quoted(value: object) -> str:
    text = str(value)
    if not text.isprintable():  # an escape of a terminal, another kind of line end, a change of the direction
        return json.dumps(text)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _on_one_line(message: str) -> str:
    """Our own are constant; those of libraries have the words of others in them."""
    return message if message.isprintable() else json.dumps(message)[1:-1]
