"""Whatever a load file, a trace or a Prometheus server says, it is played or refused in one sentence."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.simulated import load, one_pool
from utilitarian_operator.simulation.load.arrivals import Tasks
from utilitarian_operator.simulation.load.prometheus_history import read_history
from utilitarian_operator.simulation.load.trace import read_trace
from utilitarian_operator.simulation.load.workload import InvalidLoad, read_load
from utilitarian_operator.simulation.play import scene

FLEET = one_pool(["work"], {})
BEGINS = load({"work": {"arrivals": [{"rate": "1/s"}]}}).begins
GOOD = """\
start: 2026-01-01
queues:
  work:
    seconds: {median: 2, p95: 6}
    arrivals:
      - {cron: "0 * * * *", tasks: 5}
"""
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.sampled_from([0, -1, 1e-320, 1e300, float("nan"), float("inf"), 10**400]),
)
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["1h", "999999h", "0s", "60/h", "0/s", "9999/s", "24:00", "* * * * *", "0 0 30 2 *", "2026-01-01"]),
    st.sampled_from(["Europe", "../UTC", "UTC\0", "zone.tab", "late", "0001-01-01", "9999-12-31", "/dev/null", "."]),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


def mostly(good: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(good), st.just(good), ANYTHING)


SOURCE = st.fixed_dictionaries(
    {},
    optional={
        "cron": mostly("*/30 * * * *"),
        "tasks": mostly(2),
        "poisson": mostly("10/h"),
        "rate": mostly("1/m"),
        "trace": mostly("trace.csv"),
        "prometheus": st.just("ftp://nowhere"),
        "from": mostly("01:00"),
        "to": mostly("02:00"),
    },
)
LOAD = st.fixed_dictionaries(
    {
        "start": mostly("2026-03-29"),
        "queues": mostly(None)
        | st.fixed_dictionaries(
            {
                "work": st.fixed_dictionaries(
                    {
                        "seconds": mostly(None) | st.fixed_dictionaries({"median": mostly(2), "p95": mostly(6)}),
                        "arrivals": st.lists(SOURCE, max_size=2),
                    },
                    optional={"eta": st.fixed_dictionaries({"share": mostly(0.5), "after": mostly("1m")})},
                )
            }
        ),
    },
    optional={
        "days": mostly(1),
        "timeZone": mostly("Europe/Stockholm"),
        "startUp": mostly("5s") | st.fixed_dictionaries({"median": mostly("5s"), "p95": mostly("9s")}),
        "acks": mostly("late"),
        "nodeKills": st.lists(
            st.fixed_dictionaries({}, optional={"at": mostly("2026-03-29T01:00:00"), "cron": mostly("0 1 * * *")}),
            max_size=2,
        ),
    },
)
SENTENCE = re.compile(r"^.+: .{10,}$", re.DOTALL)


def played_or_refused(folder: Path) -> None:
    try:
        asked = read_load(folder / "load.yaml", FLEET)
        tasks = scene(FLEET, asked, days=0.05, seed=1, folder=folder).tasks["pool"]
    except InvalidLoad as error:
        refused = str(error)
    else:
        refused = ""
        played_well(tasks)
    assert not refused or SENTENCE.match(refused)


def played_well(tasks: Tasks) -> None:
    assert all(one <= other for one, other in zip(tasks.at, tasks.at[1:], strict=False))
    assert all(0 < seconds < 1e12 for seconds in tasks.seconds)


FILES = settings(
    max_examples=examples(200),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FILES
@given(begin=st.integers(0, len(GOOD)), length=st.integers(0, 40), text=st.text(max_size=30) | WORDS)
def test_any_damage_to_a_file_is_said(tmp_path: Path, begin: int, length: int, text: str) -> None:
    damaged = GOOD[:begin] + text + GOOD[begin + length :]
    (tmp_path / "load.yaml").write_bytes(damaged.encode("utf-8", "surrogatepass"))
    played_or_refused(tmp_path)


@FILES
@given(values=LOAD | ANYTHING)
def test_any_value_of_any_field_is_played_or_refused(tmp_path: Path, values: Any) -> None:
    (tmp_path / "load.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    (tmp_path / "trace.csv").write_text("time,count\n2026-03-29T00:30:00,2\n")
    played_or_refused(tmp_path)


@FILES
@given(
    rows=st.lists(
        st.tuples(
            st.datetimes().map(lambda moment: moment.isoformat())
            | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
            | WORDS,
            st.integers(-1, 50).map(str) | st.sampled_from(["1e3", "9" * 30, "", "NaN"]) | WORDS,
        ),
        max_size=4,
    ),
    mark=st.sampled_from(["", "\ufeff"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_trace_is_played_or_refused(tmp_path: Path, rows: list[tuple[str, str]], mark: str, end: str) -> None:
    path = tmp_path / "trace.csv"
    text = mark + end.join(["time,count", *(",".join(row) for row in rows)])
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        count, refused = len(list(read_trace(path, BEGINS))), ""
    except InvalidLoad as error:
        count, refused = 0, str(error)
    assert count <= 50 * len(rows)
    assert not refused or re.match(r"^.+trace\.csv:\d+: .{10,}$", refused, re.DOTALL)


class Anything(BaseHTTPRequestHandler):
    """Says whatever it is told to say."""

    answer = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Not a word."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), Anything)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


SAMPLE = st.tuples(NUMBERS | st.floats(1.77e9, 1.78e9), st.sampled_from(["3", "NaN", "-1", "1e12"]) | WORDS)


@FILES
@given(values=st.lists(SAMPLE, max_size=4) | ANYTHING, whole=st.booleans())
def test_any_answer_of_a_server_is_played_or_refused(server: str, values: Any, *, whole: bool) -> None:
    said = {"data": {"result": [{"values": values}]}} if whole else values
    Anything.answer = json.dumps(said).encode()
    try:
        came, refused = list(read_history(server, "work", BEGINS, 600)), ""
    except InvalidLoad as error:
        came, refused = [], str(error)
    assert all(0 <= at < 600 for at in came)
    assert not refused or refused.startswith(f"{server}: prometheus of queue work: ")
