from tests.support.pools import fleet
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.simulation.report.advice import Change, Figures
from utilitarian_operator.simulation.report.candidates import FieldChange, differences, wakes
from utilitarian_operator.simulation.report.written import as_yaml, followed

NOTHING = Figures(0, 0, 0, 0, 0, 0, (), 0)
RESOURCE = {
    "apiVersion": "utilitarian.io/v1alpha1",
    "kind": "UtilitarianWorkerPool",
    "metadata": {"name": "fleet"},
    "spec": {"image": "utilitarian:1", "broker": {"urlFrom": {"secretKeyRef": {"name": "broker", "key": "url"}}}},
    "status": {"backlog": 3},
}


def test_changes_are_written_and_the_status_is_left_out() -> None:
    (asked,) = fleet({"name": "one", "queues": ["a"]}).pools
    (to,) = wakes(asked)
    resource = {
        **RESOURCE,
        "spec": {**RESOURCE["spec"], "pools": [{"name": "one", "queues": ["a"]}, {"name": "two", "queues": ["b"]}]},
    }  # type: ignore[dict-item]
    merged = Change(
        ("one", "two"), to, (*differences(asked, to), FieldChange("queues", ("a",), ("a", "b"))), NOTHING, NOTHING
    )
    changed = followed(resource, [merged])
    assert changed["spec"]["pools"] == [{"name": "one", "queues": ["a", "b"], "scaling": {"wake": "WhenDue"}}]
    assert "status" not in changed
    assert "wake: WhenDue" in as_yaml(changed)
    assert resource["spec"]["pools"][0] == {"name": "one", "queues": ["a"]}  # type: ignore[index]


def test_the_built_in_layout_is_written_out_and_means_the_same() -> None:
    body = {**RESOURCE, "spec": {**RESOURCE["spec"], "defaults": {"worker": {"concurrency": 3}}}}  # type: ignore[dict-item]
    del body["status"]
    written = followed(body, [])
    assert effective_fleet(parse(written).spec) == effective_fleet(parse(body).spec)
    assert len(written["spec"]["pools"]) == 11
