"""Keeps the accepted specs of one resource in the cluster, and reads them at a start."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import MOST_OF_A_SPEC, weight
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.spec.revisions import KEPT, in_order, newest, revision, selector, spec_of
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected

logger = logging.getLogger(__name__)


AGAIN_AFTER_S = 30.0
"""A record that the API server refuses (a missing right, a quota) stops nothing; it is tried again after this time."""


MOST_READ = (2 * KEPT + 1) * MOST_OF_A_SPEC
"""Bytes of memory for all records of one resource, while they are read: also of one that was deleted before it."""


class _Bounded:
    """Keeps what is listed, until it is too much: who may write records in a namespace may write many."""

    def __init__(self) -> None:
        self._left = MOST_READ

    def __call__(self, record: Object) -> Object:
        """The same; raises ClusterError."""
        self._left -= weight(record)
        if self._left < 0:
            mib = MOST_READ // 2**20
            raise ClusterError(f"its ControllerRevisions take more than {mib} MiB of memory: delete the oldest of them")
        return record


class Revisions:
    """The accepted specs of one resource.

    Args:
        records: where they are kept.
        owner: the resource.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, records: Cluster, owner: Owner, monotonic: Callable[[], float]) -> None:
        self._records, self._owner, self._monotonic = records, owner, monotonic
        self._fleet = f"{owner.namespace}/{owner.name}"
        self._live: list[Object] = []
        self._last: str | None = None
        self._kept = 0
        self._not_before = 0.0
        self._unheard = False
        """Whether another record may be there than is known: an answer was lost, or said that there is one."""
        self._refused_at: float | None = None
        """When they might not be read; None since they were."""

    async def newest(self) -> Object | None:
        """Read the spec that was accepted last, with its generation as `revision`; None if none was, or may be read.

        Raises:
            ClusterError: they are not known yet: nothing may be decided.
        """
        try:
            found, _ = await self._records.kept_items(
                "controllerrevisions", self._owner.namespace, selector(self._owner.name), _Bounded()
            )
        except Rejected as error:
            logger.warning("accepted specs not read", extra={"fleet": self._fleet, "because": str(error)})
            self._refused_at = self._monotonic()
            return None
        ordered = in_order(found, self._owner.uid)
        self._live, self._unheard, self._refused_at = [_without_spec(it) for it in ordered], False, None
        last = newest(ordered, self._owner.uid)
        self._last = None if last is None else _digest(spec_of(last))
        return last

    async def again(self) -> Object | None:
        """What `newest` gives, where that was refused and half a minute has passed; else None.

        The API server may refuse it for a moment only: a role takes a while until it is in force.

        Raises:
            ClusterError: as `newest`.
        """
        return await self.newest() if self._is_to_be_read() else None

    async def keep(self, generation: int, spec: Mapping[str, Any], *, makes_objects: bool) -> None:
        """Keep an accepted spec, unless it is the one that was kept last; the oldest goes.

        Args:
            generation: of the resource.
            spec: as it was written.
            makes_objects: whether it lets the operator make objects; one that doesn't is kept only after one that did.

        Raises:
            ClusterError: it could not be kept, and may be if it is tried again.
        """
        known = generation == self._kept and not self._is_to_be_read()
        if known or self._monotonic() < self._not_before:
            return
        if self._unheard or self._is_to_be_read():
            await self.newest()
        last = newest(self._live, self._owner.uid)
        if not (makes_objects or last):
            return
        try:
            if last is None or self._last != _digest(spec):
                await self._add(revision(self._owner, generation, spec))
            await self._let_the_oldest_go()
        except (Rejected, Conflict) as error:
            logger.warning("accepted spec not kept", extra={"fleet": self._fleet, "because": str(error)})
            self._not_before, self._unheard = self._monotonic() + AGAIN_AFTER_S, isinstance(error, Conflict)
        else:
            self._kept = generation

    def _is_to_be_read(self) -> bool:
        """Whether it is time to ask again what was refused."""
        return self._refused_at is not None and self._monotonic() >= self._refused_at + AGAIN_AFTER_S

    async def _add(self, manifest: Object) -> None:
        """Make a record, or find it there; raises Conflict where its name is another object's."""
        self._unheard = True
        try:
            self._live.append(_without_spec(await self._records.create(manifest)))
            self._last = _digest(spec_of(manifest))
        except Conflict:  # the answer to an earlier request was lost: only what is there has a uid to be deleted by
            await self.newest()
            if self._last != _digest(spec_of(manifest)):
                raise
        self._unheard = False

    async def _let_the_oldest_go(self) -> None:
        """Delete until as many are there as are kept; raises Conflict where another record has the name of one."""
        while len(self._live) > KEPT:
            try:
                await self._records.delete(self._live[0])
            except Gone:
                logger.info("accepted spec gone already", extra={"fleet": self._fleet})
            self._live.pop(0)


def _without_spec(record: Object) -> Object:
    """What is needed of a record to know it again and to delete it: specs are large."""
    return {name: it for name, it in record.items() if name != "data"}


def _digest(spec: Mapping[str, Any] | None) -> str | None:
    """Of a spec; equal for two that are."""
    return None if spec is None else hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
