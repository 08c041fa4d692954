"""The fleets of `examples/fleets` with the reference application standing in: from zero up and back, each task once.

Their wrappers, executions, prefetch, arguments and queues are kept. What needs a container (images, sidecars, volumes)
is left out here; `tests/controlplane` has the pods made by the real API server.
"""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import containers
from tests.support.celery_versions import interpreter
from tests.support.installation import NO_BEAT, QUICK, Installation
from tests.support.operator import Operator
from utilitarian.celery import build
from utilitarian.routing import DEFAULT_QUEUE, WORK_TASKS
from utilitarian.settings import Settings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "fleets"
WRAPPER = ["sh", "-c", f'exec {sys.executable} -m "$@"', "sh"]
"""Stands in for a wrapper that execs, as each of theirs does; here `celery` is a module of this interpreter."""

TASKS, SECONDS = 12, 0.2
LONG = timedelta(minutes=4)
QUICKEST = "alerting-seven-queues"
FLEETS = [
    pytest.param(path, id=path.stem, marks=[] if path.stem == QUICKEST else pytest.mark.soak)
    for path in sorted(EXAMPLES.glob("*.yaml"))
]

NAMES = {"late": ["späte Aufgaben", "tasks & more/%2F"], "reckoning": ["計算", "расчёт #1"]}
"""Queues of two pools, as applications call them elsewhere."""


def standing_in(path: Path) -> dict[str, Any]:
    """The spec with the reference application: small workers, quick pools, and no name of theirs but the queues'."""
    spec = yaml.safe_load(path.read_text())["spec"]
    defaults = {"worker": _worker(spec.get("defaults", {}).get("worker", {}))}
    return {"app": "utilitarian", "beat": NO_BEAT, "defaults": defaults, "pools": [_pool(it) for it in spec["pools"]]}


def _pool(written: dict[str, Any]) -> dict[str, Any]:
    kept = {name: written[name] for name in ("name", "queues", "priority", "rollout", "disruption") if name in written}
    scaling = {**QUICK, "max": 2, **({} if "queues" in written else {"min": 1})}
    return {**kept, "worker": _worker(written.get("worker", {})), "scaling": scaling}


def _worker(written: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in written.items() if name != "resources"}
    if kept.get("execution") == "gevent":  # its interpreter is another one, by the name `celery`
        kept.pop("commandPrefix", None)
    if "commandPrefix" in kept:
        kept["commandPrefix"] = WRAPPER
    if "concurrency" in kept:
        kept["concurrency"] = min(kept["concurrency"], 2)
    return kept


def send(installation: Installation, queue: str) -> list[str]:
    """Sends tasks to a queue that the reference application doesn't know by its name."""
    app = build(Settings(queue_type="classic", exchange_type="direct"))
    work = {"duration": {"distribution": "fixed", "seconds": SECONDS}}
    with app.connection_for_write(installation.broker_url) as connection, connection.channel() as channel:
        producer = app.amqp.Producer(channel)
        sent = [
            app.send_task(WORK_TASKS[DEFAULT_QUEUE], kwargs=work, queue=queue, producer=producer) for _ in range(TASKS)
        ]
    return [it.id for it in sent]


@pytest.mark.parametrize("path", FLEETS)
def test_each_fleet_goes_from_zero_to_work_and_back_and_does_each_task_once(
    path: Path, installation: Installation, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "gevent" in path.stem:
        python = str(interpreter("5.7"))
        monkeypatch.setitem(containers.PROGRAMS, "celery", [python, "-m", "celery"])
        monkeypatch.setitem(containers.PROGRAMS, "python3", [python])
    each_task_is_done_once(installation, standing_in(path))
    assert operator.healthy()


@pytest.mark.soak
def test_names_with_spaces_and_of_other_alphabets_are_names_of_queues_to_all_of_them(
    installation: Installation, operator: Operator
) -> None:
    pools = [_pool({"name": name, "queues": queues}) for name, queues in NAMES.items()]
    each_task_is_done_once(installation, {"app": "utilitarian", "beat": NO_BEAT, "pools": pools})
    assert operator.healthy()


def each_task_is_done_once(installation: Installation, spec: dict[str, Any]) -> None:
    """Has a fleet declare its queues, do tasks in each pool, and come to rest."""
    fleet = installation.fleet
    least = {it["name"]: it["scaling"].get("min", 0) for it in spec["pools"]}
    queues = {queue for it in spec["pools"] for queue in it.get("queues", [DEFAULT_QUEUE])}

    def at_rest() -> bool:
        return all(fleet.replicas(name) == number for name, number in least.items())

    installation.create(**spec)
    installation.wait(lambda: queues <= installation.rabbitmq.queues(installation.vhost), within=LONG)
    installation.wait(at_rest, within=LONG)
    sent = [
        task
        for queue in (it.get("queues", [DEFAULT_QUEUE])[0] for it in spec["pools"])
        for task in send(installation, queue)
    ]
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == len(sent), within=LONG)
    installation.wait(at_rest, within=LONG)
    summary = installation.ledger.read().summary(sent)
    assert summary.each_finished_once, summary
