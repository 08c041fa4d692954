"""What is shown of a status that another version has written."""

from copy import deepcopy
from typing import Any

import pytest

from tests.support.fake_shell import NAMESPACE, SAVED, FakeShell
from tests.support.yaml_text import load
from utilitarian_operator.cli.readable_status import faults, readable


def resource(**status: Any) -> dict[str, Any]:
    """The saved one, with other values in its status."""
    body: dict[str, Any] = load(SAVED.read_text())
    return {**body, "status": {**body["status"], **status}}


def test_a_status_of_this_version_is_left_as_it_is() -> None:
    it = resource()
    assert readable(it) == (it, ())
    assert readable({"metadata": {}}) == ({"metadata": {}}, ())


@pytest.mark.parametrize(
    "status",
    [
        {"aLaterField": {"a": 1}},
        {"pools": [{"name": "a", "aLaterField": 3}]},
        {"conditions": [{"type": "Ready", "status": "Perhaps", "reason": "", "message": "x" * 40_000}]},
        {"pools": [{"name": "a", "backlog": -1, "trail": [{"rule": "demand"}]}]},
    ],
    ids=["a-new-field", "one-of-a-pool", "a-value-of-another-size", "what-is-missing"],
)
def test_what_is_new_or_missing_or_of_another_size_stays(status: dict[str, Any]) -> None:
    it = resource(**status)
    assert readable(it) == (it, ())


@pytest.mark.parametrize(
    "status, left_out",
    [
        ({"backlog": "12"}, "status.backlog"),
        ({"backlog": float("nan")}, "status.backlog"),
        ({"pools": "none"}, "status.pools"),
        ({"beat": {"ready": 1}}, "status.beat.ready"),
        ({"conditions": ["Ready"]}, "status.conditions[0]"),
        ({"conditions": [{"type": "Ready", "status": 5}]}, "status.conditions[0].status"),
        ({"pools": [{"name": ["a"]}]}, "status.pools[0]"),
        ({"pools": [{"name": "a", "run": {"name": 3, "remaining": 1.5}}]}, "status.pools[0].run"),
    ],
)
def test_what_is_of_another_type_is_left_out_alone(status: dict[str, Any], left_out: str) -> None:
    it = resource(**status)
    before = deepcopy(it)
    shown, left = readable(it)
    assert left_out in left
    assert it == before
    assert faults(shown["status"]) == []
    assert {name: shown["status"].get(name) for name in ("mode", "workers")} == {"mode": "Auto", "workers": "3/15"}


def test_what_is_null_is_as_if_it_were_not_there() -> None:
    it = resource(
        workers=None,
        conditions=[{"type": "Ready", "status": None, "reason": "Why"}],
        pools=[{"name": "a", "desired": None, "trail": [{"rule": "demand", "before": None}], "memory": {"v": None}}],
    )
    before = deepcopy(it)
    shown, left = readable(it)
    assert (it, left) == (before, ())
    assert "workers" not in shown["status"]
    assert shown["status"]["conditions"] == [{"type": "Ready", "reason": "Why"}]
    assert shown["status"]["pools"] == [{"name": "a", "trail": [{"rule": "demand"}], "memory": {}}]


def test_of_several_in_one_list_those_that_fit_stay() -> None:
    shown, left = readable(resource(pools=["a", {"name": "b", "ready": "1"}, 3, {"name": "c", "ready": 1}]))
    assert shown["status"]["pools"] == [{"name": "b"}, {"name": "c", "ready": 1}]
    assert left == ("status.pools[0]", "status.pools[1].ready", "status.pools[2]")


def test_a_status_that_is_none_is_left_out() -> None:
    assert readable({"metadata": {}, "status": "text"}) == ({"metadata": {}, "status": {}}, ("status",))


def test_the_doctor_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = FakeShell(monkeypatch)
    shell.fleet()
    shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["status"]["backlog"] = "many"
    done = shell.run("doctor", env={"COLUMNS": "400"})
    assert "leaves out: status.backlog; remedy: use the command line of the operator's version" in done.stdout
