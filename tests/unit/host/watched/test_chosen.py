"""Which namespaces are kept where they are chosen by their labels: by what the watch tells, and by lists."""

from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.cache import FLEETS, PODS
from utilitarian_operator.host.watched.chosen import Chosen


def at(version: int, name: str = "metering") -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def of(namespace: str) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": "u"}}


@pytest.mark.parametrize(
    "steps, kept, leaving",
    [
        pytest.param([], False, False, id="not told of"),
        pytest.param([("tells", 5)], True, False, id="the watch tells of it"),
        pytest.param([("lists", 5)], True, False, id="it is listed"),
        pytest.param([("tells", 5), ("deletes", 6)], True, True, id="it lost its label, and is kept until released"),
        pytest.param([("tells", 5), ("deletes", 6), ("releases", 0)], False, False, id="released"),
        pytest.param([("tells", 5), ("releases", 0)], False, False, id="released by mistake"),
        pytest.param([("tells", 5), ("deletes", 6), ("tells", 7)], True, False, id="it has its label again"),
        pytest.param([("deletes", 6), ("tells", 5)], False, False, id="told in the wrong order"),
        pytest.param([("lists", 5), ("lists another", 6)], True, True, id="missing in a list"),
        pytest.param([("tells", 7), ("lists another", 6)], True, False, id="chosen after the list"),
        pytest.param([("tells", 5), ("deletes", 7), ("lists", 6)], True, True, id="gone after the list"),
    ],
)
def test_what_was_told_last_counts(steps: list[tuple[str, int]], kept: bool, leaving: bool) -> None:
    chosen = Chosen("shard=a")
    for what, version in steps:
        if what == "tells":
            chosen.see(at(version), deleted=False)
        elif what == "deletes":
            chosen.see(at(version), deleted=True)
        elif what == "releases":
            chosen.release("metering")
        else:
            chosen.replace({"metering" if what == "lists" else "another"}, version)
    assert ("metering" in chosen, "metering" in chosen.leaving) == (kept, leaving)
    assert chosen.wants("metering") is (kept and not leaving) or steps[-1:] == [("releases", 0)]


def test_what_is_not_kept_is_noted_where_it_is_a_fleet() -> None:
    chosen = Chosen("shard=a")
    assert not chosen.takes(PODS, of("pods"))
    assert not chosen.takes(FLEETS, of("gone"), deleted=True)
    assert not chosen.takes(FLEETS, of("metering"))
    assert chosen.elsewhere == {"metering"}
    chosen.see(at(5), deleted=False)
    assert (chosen.elsewhere, chosen.unlisted) == (set(), {"metering"})
    assert chosen.takes(FLEETS, of("metering"))
    chosen.see(at(6), deleted=True)
    chosen.release("metering")
    assert (chosen.elsewhere, chosen.unlisted) == ({"metering"}, set())
