import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.simulated import load
from utilitarian_operator.simulation.load.prometheus_history import MOST_SAMPLES, read_history
from utilitarian_operator.simulation.load.workload import InvalidLoad

BEGINS = load({"work": {"arrivals": [{"rate": "1/s"}]}}).begins


BORN = 60 * (MOST_SAMPLES + 5)
"""Seconds from the begin after which `young` is there: none of the first answer's minutes knows it."""


class Prometheus(BaseHTTPRequestHandler):
    """Answers as a Prometheus does that saw 3 tasks in each minute; refuses what it refuses.

    It knows the queues `work`, `young`, which is there since BORN, and those that are called as the number they have.
    """

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        begin, end = float(asked["start"]), float(asked["end"])
        if end < begin:
            self.send_error(400, "end timestamp must not be before start time")
            return
        minutes = [begin + 60 * i for i in range(int((end - begin) / 60) + 1)]
        queue = json.loads(asked["query"].partition("queue=")[2].partition("}")[0])
        count = "3" if queue in {"work", "young"} else queue
        if queue == "young":
            minutes = [at for at in minutes if at >= BEGINS.timestamp() + BORN]
        result = [{"metric": {}, "values": [[at, count] for at in minutes]}] if minutes and queue != "other" else []
        body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not a word."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), Prometheus)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_the_tasks_of_each_minute_come_within_it(server: str) -> None:
    came = list(read_history(server, "work", BEGINS, 600))
    assert len(came) == 30
    assert came[:4] == [0, 20, 40, 60]


@pytest.mark.parametrize("until, count", [(1, 1), (30, 2), (59, 3), (60, 3), (90, 5), (61.5, 4)])
def test_less_than_whole_minutes_can_be_played(server: str, until: float, count: int) -> None:
    came = list(read_history(server, "work", BEGINS, until))
    assert len(came) == count
    assert all(0 <= at < until for at in came)


def test_a_queue_younger_than_the_first_answer_is_played_from_its_first_sample(server: str) -> None:
    came = list(read_history(server, "young", BEGINS, BORN + 600))
    assert len(came) == 3 * 11
    assert came[0] == BORN - 60


@pytest.mark.parametrize("count", ["NaN", "+Inf", "-Inf", "1e300", "1e9"])
def test_what_is_no_number_of_tasks_is_refused(server: str, count: str) -> None:
    with pytest.raises(
        InvalidLoad, match=f"prometheus of queue {re.escape(count)}: .* at 2026-03-02T00:01:00"
    ) as raised:
        list(read_history(server, count, BEGINS, 600))
    assert "choose other days" in raised.value.reason


@pytest.mark.parametrize("answer", ["lots", "[]", "{}"])
def test_an_answer_that_can_not_be_read_is_refused(server: str, answer: str) -> None:
    with pytest.raises(InvalidLoad, match="is it a Prometheus server"):
        list(read_history(server, answer, BEGINS, 600))


def test_a_queue_without_a_history_is_refused(server: str) -> None:
    with pytest.raises(InvalidLoad, match=r"^http://[^ ]+: prometheus of queue other: no history of .*: choose days"):
        list(read_history(server, "other", BEGINS, 600))


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1", "prometheus:9090", "http://127.0.0.1:1", "http://[", "http://127.0.0.1:port", ""]
)
def test_what_is_no_prometheus_is_refused(url: str) -> None:
    with pytest.raises(InvalidLoad, match="Prometheus"):
        list(read_history(url, "work", BEGINS, 600))
