"""What the API server does with a resource by its generated schema, as cases for the real one and the modelled one."""

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.errors import Rejected

KIND = "UtilitarianWorkerPool"
ROW: dict[str, Any] = {"name": "a", "replicas": 1, "memory": {"highs": [["x", 1]], "of": {"another": "version"}}}
STATUS = {"mode": "Auto", "backlog": 3, "pools": [ROW]}
WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "a text for a number": ({"backlog": "3"}, "backlog"),
    "a number below its least": ({"activePools": -1}, "activePools"),
    "a number for a text": ({"mode": 3}, "mode"),
    "no list": ({"pools": {"a": 1}}, "pools"),
    "a row without its name": ({"pools": [{"replicas": 1}]}, "name"),
    "two rows of a name": ({"pools": [{"name": "a"}, {"name": "a"}]}, "pools"),
    "no moment": ({"beat": {"lastSeen": "yesterday"}}, "lastSeen"),
}
OTHERS = {"mode": 7, "future": {"deep": 1}, "pools": [{**ROW, "replicas": "many", "future": 1}]}
"""A status that another version's schema let in."""


@dataclass(frozen=True)
class Stage:
    """Where a case plays.

    Args:
        cluster: that is tried.
        namespace: of the case's own.
        store: has the status of the resource be this, as another version's schema let it in.
    """

    cluster: Cluster
    namespace: str
    store: Callable[[Object, Object], Awaitable[None]]

    async def made(self, **more: Any) -> Object:
        """A resource, made anew."""
        body = resource()
        body["metadata"] |= {"namespace": self.namespace}
        return await self.cluster.create({**body, **more})

    async def read(self) -> Object:
        """The resource as it is shown."""
        return await self.cluster.read(KIND, self.namespace, "fleet")


class SchemaContract:
    """The cases; a class that derives from it has a fixture `stage`."""

    async def test_a_status_is_not_made_with_the_resource(self, stage: Stage) -> None:
        assert "status" not in await stage.made(status=STATUS)

    async def test_unknown_fields_are_taken_away_but_from_the_memory(self, stage: Stage) -> None:
        made = await stage.made()
        told = copy.deepcopy(STATUS) | {"future": 1}
        told["pools"][0]["future"] = {"a": 1}  # type: ignore[index]
        written = await stage.cluster.patch(made, {"status": told}, "status")
        assert written["status"] == STATUS

    async def test_null_in_a_row_is_as_if_it_were_left_out(self, stage: Stage) -> None:
        made = await stage.made()
        rows = [{**ROW, "backlog": None, "ready": None}]
        written = await stage.cluster.patch(made, {"status": {"pools": rows}}, "status")
        assert written["status"] == {"pools": [ROW]}

    async def test_unknown_fields_of_a_spec_are_refused(self, stage: Stage) -> None:
        with pytest.raises(Rejected, match=r"HTTP 400.*unknown field \\?\"spec.future"):
            await stage.made(spec={**resource()["spec"], "future": 1})

    async def test_a_spec_of_another_kind_is_refused(self, stage: Stage) -> None:
        with pytest.raises(Rejected, match=r"HTTP 422.*maxWorkers"):
            await stage.made(spec={**resource()["spec"], "maxWorkers": "3"})

    @pytest.mark.parametrize("change, path", WRONG.values(), ids=WRONG)
    async def test_one_wrong_value_has_a_whole_status_refused(
        self, stage: Stage, change: Mapping[str, Any], path: str
    ) -> None:
        made = await stage.made()
        await stage.cluster.patch(made, {"status": STATUS}, "status")
        with pytest.raises(Rejected, match=rf"HTTP 422.*{path}"):
            await stage.cluster.patch(made, {"status": {"backlog": 4, **change}}, "status")
        assert (await stage.read())["status"] == STATUS

    async def test_of_another_versions_status_what_is_unknown_is_not_shown(self, stage: Stage) -> None:
        await stage.store(await stage.made(), OTHERS)
        assert (await stage.read())["status"] == {"mode": 7, "pools": [{**ROW, "replicas": "many"}]}

    async def test_of_another_versions_status_only_what_changes_is_judged(self, stage: Stage) -> None:
        made = await stage.made()
        await stage.store(made, OTHERS)
        rows = [{**ROW, "replicas": "many", "ready": 1}]
        written = await stage.cluster.patch(made, {"status": {"backlog": 4, "pools": rows}}, "status")
        assert written["status"] == {"mode": 7, "backlog": 4, "pools": rows}
        with pytest.raises(Rejected, match=r"HTTP 422.*replicas"):
            await stage.cluster.patch(made, {"status": {"pools": [{**ROW, "replicas": "few"}]}}, "status")
        right = await stage.cluster.patch(made, {"status": {"mode": "Auto", "pools": [ROW]}}, "status")
        assert right["status"] == {"mode": "Auto", "backlog": 4, "pools": [ROW]}
