"""Ten fleets whose brokers are silent, drip or send bombs, beside a healthy one on a real API server and broker."""

import contextlib
import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

from tests.support.controlplane import ControlPlane
from tests.support.operator import in_process
from tests.support.pace import paced
from tests.support.plain_fleet import apply
from tests.support.ports import LOOPBACK
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until

HOSTILE, POOLS = 10, 20
WAKES_WITHIN_S = 2.0
SOON = timedelta(seconds=120)
BOMB = gzip.compress(b" " * 64 * 1024 * 1024, 9)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"


@contextlib.contextmanager
def serving(says: bytes, each_s: float) -> Iterator[int]:
    """A server that says this to every client: at once, or a byte after each pause, and then nothing."""
    over = threading.Event()
    server = socket.create_server((LOOPBACK, 0), backlog=200)
    server.settimeout(0.2)

    def client(of: socket.socket) -> None:
        with of, contextlib.suppress(OSError):
            if not each_s:
                of.sendall(says)
            position = 0
            while not over.wait(each_s or 1.0):
                if each_s and says:
                    of.sendall(says[position % len(says) : position % len(says) + 1])
                    position += 1

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                threading.Thread(target=client, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        over.set()
        thread.join()
        server.close()


def test_a_healthy_fleet_wakes_in_time_beside_ten_hostile_ones(
    controlplane: ControlPlane, namespace: str, rabbitmq: RabbitMQ, vhost: str
) -> None:
    theirs = f"{namespace}-hostile"
    controlplane.request("POST", "/api/v1/namespaces", {"metadata": {"name": theirs}})
    queues = [f"q{number}" for number in range(POOLS)]
    for queue in queues:
        rabbitmq.declare(vhost, queue)
    with (
        serving(b"", 0) as silent,
        serving(b"\x01\x00\x00\x00\x00\x10\x00" + b"x" * 60, 1.0) as dripping,
        serving(HEAD % len(BOMB) + BOMB, 0) as bomb,
        in_process(controlplane, namespace, theirs) as operator,
    ):
        for number in range(HOSTILE):
            ports = [(silent, dripping)[(number + address) % 2] for address in range(3)]
            url = ";".join(f"amqp://u{number}:p@{LOOPBACK}:{port}" for port in ports)
            apply(controlplane, theirs, f"hostile-{number}", url, f"http://{LOOPBACK}:{bomb}", ["q"])
        apply(controlplane, namespace, "healthy", rabbitmq.amqp_url(vhost), "", queues)
        deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        wait_until(lambda: len(controlplane.request("GET", deployments)["items"]) == POOLS, within=SOON)

        def replicas(number: int) -> int:
            return int(controlplane.request("GET", f"{deployments}/healthy-p{number}")["spec"]["replicas"])

        took = []
        with paced() as pace:
            for number, queue in enumerate(queues):
                begun = time.monotonic()
                rabbitmq.publish(vhost, queue, ["{}"])
                wait_until(lambda number=number: replicas(number) >= 1, within=SOON)
                took.append(time.monotonic() - begun)
        healthy = operator.healthy()
    logging.getLogger(__name__).warning(
        "wakes in seconds: %s", {"longest": round(max(took), 2), "median": round(sorted(took)[POOLS // 2], 2)}
    )
    assert healthy
    assert pace.allows(max(took), WAKES_WITHIN_S), (took, pace)
