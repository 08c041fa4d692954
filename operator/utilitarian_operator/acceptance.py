"""What of a resource may run: judged anew only when it changes; a bad edit leaves what ran before. Reads no cluster."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.invalid import InvalidSpec, Problem
from utilitarian_operator.api.resource import UtilitarianWorkerPoolSpec
from utilitarian_operator.api.validation import accept, warnings
from utilitarian_operator.core.override import PREFIX, Override, overrides
from utilitarian_operator.core.references import Reference, references

Object = Mapping[str, Any]

LARGEST = 4 * 1024 * 1024
"""Bytes of a spec that is read back; the API server stores none so large."""

KEPT = "accepted"
"""Where `status.memory` keeps the spec that runs, while it is not the one that is asked for."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """One version of a resource, read once; equal only to itself.

    Args:
        generation: of the spec.
        written: the spec as it was written.
        spec: the same, read; None if it is wrong.
        fleet: the same with every default; None if it is wrong.
        references: what the spec names.
        problems: what is wrong with the spec, or with an override.
        warnings: what will run, but hardly as meant.
        overrides: numbers of workers that a person set, by pool name.
    """

    generation: int
    written: Object
    spec: UtilitarianWorkerPoolSpec | None
    fleet: Fleet | None
    references: Sequence[Reference]
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    overrides: Mapping[str, Override]


class Acceptance:
    """The spec that runs, and the newest one.

    Args:
        resource: as it is when the operator first sees it. Its status holds the spec that ran before, if the newest
            one was refused then.
    """

    def __init__(self, resource: Object) -> None:
        self._newest: Judgement | None = None
        self._annotations: dict[str, str] = {}
        self._running = _kept(resource)

    @property
    def running(self) -> Judgement | None:
        """The last that was let run; None while there was none."""
        return self._running

    @property
    def kept(self) -> str | None:
        """The spec that runs, as text, if it is not the newest one: a restarted operator then runs the same."""
        if self._running is None or self._newest is None or self._running.written == self._newest.written:
            return None
        return _packed(self._running.written)

    def judge(self, resource: Object) -> Judgement:
        """Read a resource, unless generation and overrides are those that were read last."""
        metadata = resource["metadata"]
        annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k.startswith(PREFIX)}
        newest = self._newest
        if newest is None or newest.generation != metadata["generation"] or annotations != self._annotations:
            newest, self._annotations = _judged(resource, annotations), annotations
            self._newest = newest
            if self._running is not None and self._running.generation == newest.generation and newest.fleet:
                self._running = newest  # only an override changed
        return newest

    def let_run(self, judgement: Judgement) -> None:
        """Run this one from now on; it must have a fleet."""
        self._running = judgement


def _judged(resource: Object, annotations: Mapping[str, str]) -> Judgement:
    found, problems = overrides(annotations)
    generation, written = int(resource["metadata"]["generation"]), resource.get("spec", {})
    try:
        spec = accept(resource).spec
    except InvalidSpec as error:
        return Judgement(generation, written, None, None, (), (*error.errors, *problems), (), found)
    fleet = effective_fleet(spec)
    return Judgement(generation, written, spec, fleet, references(spec), problems, warnings(spec), found)


def _kept(resource: Object) -> Judgement | None:
    """The spec that status keeps, if there is one and this operator still understands it."""
    text = (resource.get("status", {}).get("memory") or {}).get(KEPT)
    try:
        judgement = _judged({**resource, "spec": _unpacked(text)}, {}) if text else None
    except (TypeError, ValueError, zlib.error):
        return None
    return replace(judgement, generation=0) if judgement and judgement.fleet else None


def _packed(spec: Object) -> str:
    """A spec as short text: a large one, as it is, would be more than a status should hold."""
    return base64.b64encode(zlib.compress(json.dumps(spec, sort_keys=True).encode())).decode()


def _unpacked(text: str) -> Any:
    return json.loads(zlib.decompressobj().decompress(base64.b64decode(text), LARGEST))
