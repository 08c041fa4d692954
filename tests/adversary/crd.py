"""The CRD of the resource as the modelled API server has it: the generated one, or that of another version."""

import copy
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.support.structural import NOTHING, admitted, refused, unknown
from utilitarian_operator.api.generated.crd import definition
from utilitarian_operator.api.objects import Object

PLURAL = "utilitarianworkerpools"
ADDED = (
    (("advice", "delayed", "letIn"), ()),
    (("cpuPerSlot", "heldUp", "peakMemory", "startWaited"), ("pools", "items", "properties")),
    (("lastMessages", "memorySince"), ("beat", "properties")),
)
"""Fields of the status that the first CRD did not have, and where they stand."""
OLDER_BY = 4
"""Of them, those that an older version does not know."""


class Invalid(Exception):
    """The schema refuses an object; the text says why."""


@cache
def _generated() -> Object:
    """The schema of the CRD as it is; never changed in its place."""
    schema: Object = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


class Crd:
    """The schema in force."""

    def __init__(self) -> None:
        self._schema = _generated()

    def stored(self, body: Object, before: Object) -> Object:
        """An object as it is stored: spec and status without unknown fields.

        Raises:
            Invalid: a value is not as it should be, and was not there before.
        """
        others = [it for it in ("spec", "status") if it in body and (it != "spec" or body[it] is not before.get(it))]
        new: Object = {**body, **{part: self.read(part, body[part]) for part in others}}
        wrong = [why for part in others for why in self._wrong(part, new, before)]
        if wrong:
            raise Invalid(f"{body['metadata']['name']} is invalid: {'; '.join(wrong)}")
        return new

    def read(self, part: str, value: Any) -> Any:
        """What a client is shown of a spec or status, whichever version has written it."""
        return admitted(self._schema["properties"][part], value)

    def unknown(self, body: Object) -> list[str]:
        """Paths of the fields that the schema does not know."""
        parts = [it for it in ("spec", "status") if it in body]
        return [path for it in parts for path in unknown(self._schema["properties"][it], body[it], it)]

    def _wrong(self, part: str, new: Object, before: Object) -> Iterator[str]:
        return refused(self._schema["properties"][part], new[part], part, before.get(part, NOTHING))

    def forget(self, part: float) -> list[str]:
        """Be that of an older version: without some of the fields that were added since.

        Args:
            part: between 0 and 1: which ones.

        Returns their names.
        """
        self._schema = copy.deepcopy(self._schema)
        chosen = random.Random(part).sample([(name, path) for names, path in ADDED for name in names], OLDER_BY)
        for name, path in chosen:
            fields = self._schema["properties"]["status"]["properties"]
            for key in path:
                fields = fields[key]
            fields.pop(name, None)
        return [name for name, _ in chosen]
