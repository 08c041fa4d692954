"""Keeps the accepted specs of one resource in the cluster, and reads them at a start."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from utilitarian_operator.adapters.cluster.seam import Cluster
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.spec.revisions import KEPT, in_order, newest, revision, selector, spec_of
from utilitarian_operator.errors import Conflict, Gone, Rejected

logger = logging.getLogger(__name__)


AGAIN_AFTER_S = 30.0
"""A record that the API server refuses (a missing right, a quota) stops nothing; it is tried again after this time."""


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
        self._kept = 0
        self._not_before = 0.0

    async def newest(self) -> Object | None:
        """Read the spec that was accepted last, with its generation as `revision`; None if none was, or may be read.

        Raises:
            ClusterError: they are not known yet: nothing may be decided.
        """
        try:
            found, _ = await self._records.items(
                "controllerrevisions", self._owner.namespace, selector(self._owner.name)
            )
        except Rejected as error:
            logger.warning("accepted specs not read", extra={"fleet": self._fleet, "because": str(error)})
            return None
        self._live = in_order(found, self._owner.uid)
        return newest(self._live, self._owner.uid)

    async def keep(self, generation: int, spec: Mapping[str, Any], *, makes_objects: bool) -> None:
        """Keep an accepted spec, unless it is the one that was kept last; the oldest goes.

        Args:
            generation: of the resource.
            spec: as it was written.
            makes_objects: whether it lets the operator make objects; one that doesn't is kept only after one that did.

        Raises:
            ClusterError: it could not be kept, and may be if it is tried again.
        """
        last = newest(self._live, self._owner.uid)
        if generation == self._kept or self._monotonic() < self._not_before or not (makes_objects or last):
            return
        if last is None or spec_of(last) != spec:
            try:
                await self._add(revision(self._owner, generation, spec))
            except Rejected as error:
                logger.warning("accepted spec not kept", extra={"fleet": self._fleet, "because": str(error)})
                self._not_before = self._monotonic() + AGAIN_AFTER_S
                return
        self._kept = generation

    async def _add(self, manifest: Object) -> None:
        try:
            self._live.append(await self._records.create(manifest))
        except Conflict:  # the answer to an earlier request was lost: only what is there has a uid to be deleted by
            await self.newest()
        while len(self._live) > KEPT:
            try:
                await self._records.delete(self._live[0])
            except (Conflict, Gone):
                logger.info("accepted spec gone already", extra={"fleet": self._fleet})
            self._live.pop(0)
