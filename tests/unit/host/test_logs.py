"""Log lines: one line each, constant text with key-values or JSON, and no secret in them."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from amqp.connection import AMQP_LOGGER
from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.adapters.broker.session import Credentials
from utilitarian_operator.host import logs

SECRET = "hunter2"


def record(
    message: str = "scaled", *, name: str = "utilitarian_operator.reconcile.act.writer", **extra: object
) -> logging.LogRecord:
    made = logging.getLogger(name).makeRecord(name, logging.INFO, "file.py", 1, message, (), None, extra=extra)
    made.created = 1_795_435_200.25
    return made


def text(made: logging.LogRecord) -> str:
    return logs.Lines(as_json=False).format(made)


HEAD = "2026-11-23T12:00:00.250000Z INFO reconcile.act.writer: scaled"


@pytest.mark.parametrize(
    "value,shown",
    [
        pytest.param("a/b", "a/b", id="a-word"),
        pytest.param(3, "3", id="a-number"),
        pytest.param("two words", '"two words"', id="words"),
        pytest.param("", '""', id="nothing"),
        pytest.param("a=b", '"a=b"', id="like-a-pair"),
        pytest.param("a\nb", '"a\\nb"', id="two-lines"),
        pytest.param("a\tb", '"a\\tb"', id="a-tab"),
        pytest.param('say"so', '"say\\"so"', id="a-quote"),
        pytest.param("größe", "größe", id="letters"),
        pytest.param("die größe", '"die größe"', id="words-of-letters"),
        pytest.param("a\x1b[2Jb", '"a\\u001b[2Jb"', id="an-escape"),
        pytest.param("a\x9b2Jb", '"a\\u009b2Jb"', id="an-escape-of-one-sign"),
        pytest.param("a\u2028b", '"a\\u2028b"', id="another-line-end"),
        pytest.param("a\u202eb", '"a\\u202eb"', id="the-other-direction"),
        pytest.param("a\udc80b", '"a\\udc80b"', id="half-a-sign"),
        pytest.param(None, "None", id="none"),
    ],
)
def test_values_in_a_line_for_people(value: object, shown: str) -> None:
    assert text(record(value=value)) == f"{HEAD} value={shown}"


@given(message=st.text(), value=st.text(), as_json=st.booleans())
def test_whatever_is_said_is_one_line_that_no_terminal_obeys(message: str, value: str, *, as_json: bool) -> None:
    """A library logs what its peer says: `Failed to export spans batch code: 500, reason: …`."""
    line = logs.Lines(as_json=as_json).format(record(message.replace("%", "%%"), value=value))
    assert line.isprintable()
    line.encode()


def test_a_line_without_values() -> None:
    assert text(record()) == HEAD
    assert text(record(name="kopf.objects")).endswith("INFO kopf.objects: scaled")


def test_a_line_for_machines() -> None:
    line = logs.Lines(as_json=True).format(record(fleet="ns/fleet", replicas=3, pools={"a"}))
    assert json.loads(line) == {
        "time": "2026-11-23T12:00:00.250000Z",
        "level": "INFO",
        "logger": "reconcile.act.writer",
        "message": "scaled",
        "fleet": "ns/fleet",
        "replicas": 3,
        "pools": "{'a'}",
    }


def test_a_value_never_takes_the_place_of_the_head() -> None:
    line = logs.Lines(as_json=True).format(record(level="of the water", time="tea"))
    assert json.loads(line)["level"] == "INFO"
    assert json.loads(line)["time"].startswith("2026-")


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_traceback_stays_on_the_line(*, as_json: bool) -> None:
    made = record()
    try:
        int("what went wrong")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = logs.Lines(as_json=as_json).format(made)
    assert "\n" not in line
    assert "ValueError: invalid literal" in line


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_credentials_are_never_logged(*, as_json: bool) -> None:
    credentials = Credentials(f"amqp://u:{SECRET}@a", (f"http://u:{SECRET}@a",))
    line = logs.Lines(as_json=as_json).format(record(one=credentials, many=[credentials], named={"x": credentials}))
    assert SECRET not in line
    assert "not shown" in line


@pytest.fixture
def as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("utilitarian_operator")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("level,lines", [("DEBUG", 3), ("INFO", 2), ("ERROR", 0)])
def test_the_level_is_the_operators_own_and_libraries_only_warn(
    capsys: pytest.CaptureFixture[str], level: str, lines: int
) -> None:
    logs.configure(level, as_json=False)
    ours, kopf = logging.getLogger("utilitarian_operator.reconcile.act.writer"), logging.getLogger("kopf.objects")
    ours.debug("one")
    ours.info("two")
    ours.warning("three")
    kopf.info("not shown")
    AMQP_LOGGER.warning("thrown away, as often as a broker sends it")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == lines
