import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.simulated import load
from utilitarian_operator.simulation.history import read_history
from utilitarian_operator.simulation.workload import InvalidLoad

BEGINS = load({"work": {"arrivals": [{"rate": "1/s"}]}}).begins


class Prometheus(BaseHTTPRequestHandler):
    """Answers as a Prometheus does that saw 3 tasks in each minute; knows no other queue than `work`."""

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        begin, end = float(asked["start"]), float(asked["end"])
        minutes = [begin + 60 * i for i in range(int((end - begin) / 60) + 1)]
        known = 'queue="work"' in asked["query"]
        result = [{"metric": {}, "values": [[at, "3"] for at in minutes]}] if known else []
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


def test_a_queue_without_a_history_is_refused(server: str) -> None:
    with pytest.raises(InvalidLoad, match="has no history"):
        list(read_history(server, "other", BEGINS, 600))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "prometheus:9090", "http://127.0.0.1:1"])
def test_what_is_no_prometheus_is_refused(url: str) -> None:
    with pytest.raises(InvalidLoad, match="Prometheus"):
        list(read_history(url, "work", BEGINS, 600))
