"""Puts another version's CRD into a control plane for a while."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.support.controlplane import APPLY_PATCH, MERGE_PATCH, REPOSITORY, ControlPlane
from tests.support.waiting import wait_until

SOON = timedelta(seconds=30)
CRD = yaml.safe_load(Path(REPOSITORY, "crds", "utilitarianworkerpools.yaml").read_text())
_DEFINITION = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD['metadata']['name']}"


def status_schema() -> dict[str, Any]:
    """Of the status, as this version has it; a copy."""
    parts = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return dict(copy.deepcopy(parts["status"]))


@contextmanager
def with_status_schema(plane: ControlPlane, schema: Mapping[str, Any], resource: str, probe: Any) -> Iterator[None]:
    """Another schema of the status for the time of the block.

    Args:
        plane: whose CRD it is.
        schema: of the status.
        resource: path of one that is there, by which it is seen which schema is in force.
        probe: a status that is stored otherwise by the two schemas.
    """
    other = copy.deepcopy(CRD)
    other["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = schema
    path = f"{resource}/status?dryRun=All"

    def stored() -> Any:
        return plane.request("PATCH", path, {"status": probe}, MERGE_PATCH).get("status")

    def put(crd: Any) -> None:
        before = stored()  # what the block has stored is in it
        plane.request("PATCH", f"{_DEFINITION}?fieldManager=tests&force=true", crd, APPLY_PATCH)
        wait_until(lambda: stored() != before, within=SOON)

    try:
        put(other)
        yield
    finally:
        put(CRD)
