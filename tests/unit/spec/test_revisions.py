from typing import Any

from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.spec.revisions import in_order, newest, revision


def live(name: str = "fleet-a", **metadata: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"name": name, **metadata}, "spec": {"template": {"metadata": {}}}}


def record(spec: Any, generation: int, uid: str = "mine") -> dict[str, Any]:
    return revision(Owner("ns", "fleet", uid), generation, spec)


def test_records_are_ordered_by_generation_and_only_those_of_this_very_resource_count() -> None:
    left = record({}, 12)
    left["metadata"]["ownerReferences"] = []
    live = [record({}, 10), record({}, 9), record({}, 11, uid="old"), left]
    ordered = in_order(live, "mine")
    assert [it["revision"] for it in ordered] == [12, 9, 10]
    assert newest(ordered, "mine") == live[0]
    assert newest(ordered[:1], "mine") is None
    assert newest([], "mine") is None


def test_a_record_has_a_name_of_its_own() -> None:
    names = {record({}, generation, uid)["metadata"]["name"] for generation in (1, 2) for uid in ("mine", "old")}
    assert len(names) == 4
    assert all(name.startswith("fleet-spec-") for name in names)
