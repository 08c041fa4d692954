"""A worker whose broker is behind a proxy in its pod: what becomes of its tasks when the proxy ends first, or after it.

A kubelet ends an ordinary sidecar when it runs the worker's preStop hook, and a native one after the worker.
`tests/e2e/test_fleets.py` has the latter on a real kubelet.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.broker_proxy import proxy, through_proxy
from tests.support.leaving import Kind, Stand, hook, plain, standing
from tests.support.ports import accepts_connections, free_port
from tests.support.processes import Process
from tests.support.rabbitmq import RabbitMQ

SOON, SHORT = timedelta(seconds=60), timedelta(seconds=2)
TASKS = (12.0, 12.0)
EARLY, LATE = (Kind("installed", sys.executable, "prefork", late=late) for late in (False, True))


@dataclass(frozen=True)
class Behind:
    """A worker that is busy, and the proxy through which it and its hook reach their broker."""

    stand: Stand
    sidecar: Process
    port: int

    def told(self) -> None:
        """The preStop hook, which has a shorter patience here, and SIGTERM."""
        url = through_proxy(self.stand.broker_url, self.port)
        hook(self.stand, url=url, silence=SHORT).wait(within=SOON)
        plain(self.stand)

    def ended(self) -> None:
        """The proxy gets its signal, and ends at once."""
        self.sidecar.signal(signal.SIGTERM)
        assert self.sidecar.wait(within=SOON) == 0


@contextmanager
def behind_proxy(kind: Kind, rabbitmq: RabbitMQ, directory: Path) -> Iterator[Behind]:
    port = free_port()
    _, *words = proxy(rabbitmq.amqp_url(), port)
    with Process("proxy", [sys.executable, *words], log=directory / "proxy.log") as sidecar:
        sidecar.wait_ready(lambda: accepts_connections(port), within=SOON)
        with standing(kind, rabbitmq, directory, TASKS, through=lambda url: through_proxy(url, port)) as stand:
            yield Behind(stand, sidecar, port)


@pytest.mark.parametrize(
    "kind, again",
    [pytest.param(EARLY, 0, id="acknowledged early", marks=pytest.mark.soak), pytest.param(LATE, 2, id="late")],
)
def test_a_proxy_that_ends_first_cuts_a_busy_worker_off(
    kind: Kind, again: int, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    """It finishes what it runs; what it could not acknowledge is given out again, and so runs twice."""
    with behind_proxy(kind, rabbitmq, tmp_path) as behind:
        outcome = behind.stand.leave(lambda _: (behind.ended(), behind.told())[-1])
        assert (outcome.ran, outcome.cut, outcome.vanished, outcome.overlap) == (len(TASKS), 0, 0, again)


@pytest.mark.soak
def test_a_proxy_that_ends_after_the_worker_costs_nothing(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with behind_proxy(LATE, rabbitmq, tmp_path) as behind:
        outcome = behind.stand.leave(lambda _: behind.told())
        assert behind.sidecar.running
        assert (outcome.ran, outcome.harmless) == (len(TASKS), True)
