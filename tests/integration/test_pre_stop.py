"""A worker that is deleted by somebody: it takes nothing more, finishes what it holds, gives nothing back, and goes."""

import pytest

from tests.support.installation import DEFAULT, Installation


def pod_names(installation: Installation) -> set[str]:
    return set(installation.fleet.pods("work"))


@pytest.mark.usefixtures("operator")
def test_a_busy_worker_that_is_deleted_finishes_what_it_holds_and_a_new_one_does_the_rest(
    installation: Installation,
) -> None:
    pool = {"name": "work", "queues": [DEFAULT], "worker": {"concurrency": 2}, "scaling": {"min": 1, "max": 1}}
    installation.create(pools=[pool])
    installation.wait(lambda: DEFAULT in installation.rabbitmq.queues(installation.vhost))
    sent = installation.send(DEFAULT, 12, 2)
    installation.wait(lambda: len(installation.ledger.read().ids("start")) >= 2)
    (first,) = pod_names(installation)
    installation.fleet.controlplane.kubectl("delete", "pod", first, "-n", installation.fleet.namespace, "--wait=false")
    installation.wait(lambda: first not in pod_names(installation))
    gone = installation.ledger.read()
    held = [record for record in gone.records if record.hostname == f"celery@{first}"]
    assert len({record.task_id for record in held if record.event == "start"}) == len(
        {record.task_id for record in held if record.event == "end"}
    ), held
    installation.wait(lambda: len(installation.ledger.read().ids("end")) == 12)
    assert installation.ledger.read().summary(sent).each_finished_once
