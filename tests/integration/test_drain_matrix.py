"""Which way of leaving is safe for which worker: every execution on every version of Celery.

`make soak NAME=matrix` runs it, and docs/drain.md has its rows. A row is four workers side by side: early and late
acknowledgement, one and four messages fetched ahead for each slot.
"""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import leaving
from tests.support.celery_versions import VERSIONS, interpreter
from tests.support.celery_workers import running, send
from tests.support.leaving import GRACE, NODE, QUEUE, SOON, Kind, Outcome, Stand, Way, standing, started
from tests.support.rabbitmq import RabbitMQ
from tests.support.waiting import wait_until
from utilitarian_operator.adapters.broker.workers.remote_control import RemoteControl

EXECUTIONS = ("prefork", "threads", "gevent", "solo")
INSTALLED = "installed"
BEAT = ("broker.heartbeat=2",)
# The first of each slot is long enough to see the worker full; then short and longer ones by turns.
SECONDS = (5.0, 5.0, *(0.2, 1.5) * 8)


def kinds(version: str, execution: str) -> list[Kind]:
    python = sys.executable if version == INSTALLED else interpreter(version)
    return [Kind(version, python, execution, late, multiplier) for late in (False, True) for multiplier in (1, 4)]


def let_go(
    which: Sequence[tuple[Kind, Way]], rabbitmq: RabbitMQ, directory: Path, seconds: Sequence[float] = SECONDS
) -> list[tuple[Kind, Outcome]]:
    """Lets workers leave side by side; prints what became of each."""
    with ExitStack() as stack:
        stands = [
            stack.enter_context(started(kind, rabbitmq, directory / str(number)))
            for number, (kind, _) in enumerate(which)
        ]
        # None before all of them consume: the first would have nothing left when the last comes.
        for stand in stands:
            stand.fill(seconds)
        with ThreadPoolExecutor(len(stands)) as threads:
            outcomes = list(threads.map(Stand.leave, stands, (way for _, way in which)))
    for (kind, way), outcome in zip(which, outcomes, strict=True):
        said = {name: value for name, value in asdict(kind).items() if name != "python"}
        sys.stdout.write(json.dumps({"way": way.__name__, **said, **asdict(outcome)}) + "\n")
    return [(kind, outcome) for (kind, _), outcome in zip(which, outcomes, strict=True)]


def harmed(outcomes: Sequence[tuple[Kind, Outcome]]) -> list[Kind]:
    """Workers of which a task was lost, ran twice or was given back."""
    return [kind for kind, outcome in outcomes if not outcome.harmless or outcome.returned]


@pytest.mark.soak
@pytest.mark.parametrize("way", [leaving.led, leaving.by_hook], ids=["led", "preStop"])
@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_each_task_runs_once_and_nothing_is_given_back(
    version: str, execution: str, way: Way, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    outcomes = let_go([(kind, way) for kind in kinds(version, execution)], rabbitmq, tmp_path)
    assert harmed(outcomes) == [], outcomes


@pytest.mark.soak
def test_workers_of_the_installed_celery_leave_without_a_loss(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    which = [
        (Kind(INSTALLED, sys.executable, execution, multiplier=2), way)
        for execution in ("prefork", "threads")
        for way in (leaving.led, leaving.by_hook)
    ]
    outcomes = let_go(which, rabbitmq, tmp_path, (2.0,) * 2 + (0.5,) * 6)
    assert harmed(outcomes) == [], outcomes


@pytest.mark.soak
@pytest.mark.parametrize("way", [leaving.led, leaving.by_hook], ids=["led", "preStop"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_drain_outlasts_the_patience_of_amqp(version: str, way: Way, rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    # The broker closes a connection that was silent for two beats: ten seconds of two are five minutes of sixty.
    # Not gevent: beats of less than four seconds stop it in its tracks, those of a minute don't.
    which = [
        (Kind(version, interpreter(version), execution, late=True, multiplier=2, settings=BEAT), way)
        for execution in ("prefork", "threads")
    ]
    outcomes = let_go(which, rabbitmq, tmp_path, (10.0,) * 3)
    assert harmed(outcomes) == [], outcomes


@pytest.mark.soak
@pytest.mark.parametrize("version", VERSIONS)
def test_what_sigterm_alone_does(version: str, rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    """Nothing is promised here but that no task is lost; docs/drain.md has the figures."""
    which = [
        (Kind(version, interpreter(version), execution, late, multiplier=2, settings=BEAT), leaving.plain)
        for execution in EXECUTIONS
        for late in (False, True)
    ]
    outcomes = let_go(which, rabbitmq, tmp_path, (10.0,) * 2 + (1.0,) * 6)
    assert [kind for kind, outcome in outcomes if outcome.cut or outcome.vanished] == [], outcomes


TAKEN_BACK = [
    (version, execution, queue_type)
    for version in VERSIONS
    for execution in ("prefork", "threads")
    for queue_type in ("classic", "quorum")
    # 5.4 asks for a prefetch of the whole channel, which no quorum queue has: it consumes none.
    if (version, queue_type) != ("5.4", "quorum")
]


@pytest.mark.soak
@pytest.mark.parametrize("version,execution,queue_type", TAKEN_BACK)
def test_a_worker_that_is_taken_back_goes_on(
    version: str, execution: str, queue_type: str, rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    kind = Kind(version, interpreter(version), execution)
    with standing(kind, rabbitmq, tmp_path, (6.0,) * 2 + (0.1,) * 6, queue_type=queue_type) as stand:
        with closing(RemoteControl(stand.broker_url)) as control:
            control.cancel_consumers(NODE, [QUEUE])
            wait_until(lambda: control.holdings([NODE], queues=True)[NODE].consuming == (), within=SOON)
            control.add_consumers(NODE, [QUEUE])
            wait_until(lambda: len(stand.ledger.read().ids("end")) == 8, within=SOON, describe=stand.worker.tail)
        outcome = stand.leave(leaving.by_hook)
    assert (outcome.ran, outcome.returned, outcome.harmless) == (8, 0, True), outcome


@pytest.mark.soak
def test_tasks_for_later_are_given_back_and_wait_for_the_next_worker(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    kind = Kind(INSTALLED, sys.executable, "prefork", multiplier=4)
    with standing(kind, rabbitmq, tmp_path, (4.0,) * 2) as stand:
        later = send(stand.broker_url, QUEUE, [0.1] * 3, eta=datetime.now(UTC) + timedelta(hours=1))
        stand.sent += later
        wait_until(lambda: rabbitmq.totals(stand.vhost)[QUEUE].unacked == 3, within=SOON)
        outcome = stand.leave(leaving.by_hook)
    assert (outcome.ran, outcome.returned, outcome.harmless) == (2, 3, True), outcome


@pytest.mark.soak
@pytest.mark.parametrize("way,lost", [(leaving.by_hook, False), (leaving.plain, True)], ids=["preStop", "SIGTERM"])
def test_returns_have_a_price_and_a_drain_pays_none(way: Way, lost: bool, rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    """A worker comes and leaves ten times; its queue drops what was returned more than twice."""
    kind = Kind(INSTALLED, sys.executable, "prefork", multiplier=4)
    with standing(kind, rabbitmq, tmp_path, (0.5,) * 60, queue_type="quorum", policy={"delivery-limit": 2}) as stand:
        way(stand)
        for _ in range(9):
            with running(stand.worker):
                full_or_done(stand)
                way(stand)
        with running(stand.worker):
            wait_until(lambda: stand.waiting == 0, within=GRACE, describe=stand.worker.tail)
            leaving.by_hook(stand)
        summary = stand.ledger.read().summary(stand.sent)
    sys.stdout.write(json.dumps({"way": way.__name__, "limit": 2, "cycles": 10, "outcome": str(summary)}) + "\n")
    assert not summary.run_twice
    assert bool(summary.lost) == lost, str(summary)


def full_or_done(stand: Stand) -> None:
    """Waits until the worker has taken all it may, or has left nothing in the queue."""
    begun = len(stand.ledger.read().ids("start"))
    wait_until(
        lambda: stand.waiting == 0 or len(stand.ledger.read().ids("start")) >= begun + stand.kind.concurrency,
        within=SOON,
        describe=stand.worker.tail,
    )
