"""A CRD that is older than the operator, as where an upgrade leaves it as it was: the operator works all the same."""

from datetime import timedelta

from tests.support.controlplane import ControlPlane
from tests.support.crd_versions import status_schema, with_status_schema
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.waiting import wait_until

SOON = timedelta(seconds=60)
NO_BROKER = "amqp://user:password@127.0.0.1:1/"


def test_the_rest_of_a_status_is_written_where_the_crd_does_not_know_all_of_it(
    controlplane: ControlPlane, namespace: str
) -> None:
    fleet = Fleet(controlplane, namespace)
    fleet.create(NO_BROKER, pools=[{"name": "work", "queues": ["q"]}], beat={"enabled": False})
    path = f"/apis/utilitarian.io/v1alpha1/namespaces/{namespace}/utilitarianworkerpools/fleet"
    older = status_schema()
    del older["properties"]["workers"]
    with with_status_schema(controlplane, older, path, {"workers": "0/1"}), in_process(controlplane, namespace):
        wait_until(lambda: fleet.condition("Ready")[0], within=SOON, describe=fleet.status)
        assert "workers" not in fleet.status()
        assert fleet.pool("work")["replicas"] == 0
