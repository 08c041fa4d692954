"""Reads a listing of `metrics.k8s.io`: what each pod uses, each value within its bounds.

The API is served by metrics-server or another adapter behind the API server: its answer is another program's word.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from utilitarian_operator.core.containers import WORKER
from utilitarian_operator.core.observation.model.usage import PodUsage

PATH = "apis/metrics.k8s.io/v1beta1"
MOST_BYTES = 4 * 2**20
"""Of a listing: about 4,000 pods, each with its labels."""

MOST_PODS = 5_000
LONGEST_MOMENT = 64
"""Characters of a moment that is kept as it is written."""
MOST_CORES, MOST_MEMORY = 1024.0, float(2**50)

_QUANTITY = re.compile(r"([0-9]{1,20}(?:[.][0-9]{1,9})?)(n|u|m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_SUFFIXES = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    **{letter: 1000.0**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", start=1)},
}


def from_listing(body: bytes) -> dict[str, PodUsage]:
    """What the worker's container of each pod uses, by the pod's name; what can't be read is left out.

    Raises:
        ValueError: it is no listing of pods.
    """
    try:
        listing = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    items = listing.get("items") if isinstance(listing, Mapping) else None
    if not isinstance(items, list):
        raise ValueError("no listing of pods")  # noqa: TRY004 - one error for whatever else it is
    return dict(_rows(items[:MOST_PODS]))


def _rows(items: list[Any]) -> Iterator[tuple[str, PodUsage]]:
    for item in items:
        metadata = item.get("metadata") if isinstance(item, Mapping) else None
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        containers = item.get("containers") if isinstance(name, str) else None
        for container in containers if isinstance(containers, list) else ():
            if isinstance(container, Mapping) and container.get("name") == WORKER:
                usage = _usage(container.get("usage"))
                if usage is not None:
                    yield str(name), replace(usage, measured=_moment(item.get("timestamp")))


def _usage(written: object) -> PodUsage | None:
    if not isinstance(written, Mapping):
        return None
    cpu, memory = _quantity(written.get("cpu"), MOST_CORES), _quantity(written.get("memory"), MOST_MEMORY)
    return None if cpu is None or memory is None else PodUsage(cpu, memory)


def _moment(written: object) -> str | None:
    return written if isinstance(written, str) and len(written) <= LONGEST_MOMENT else None


def _quantity(written: object, most: float) -> float | None:
    """A quantity as Kubernetes writes what was measured: `12345678n` cores, `123456Ki` bytes."""
    found = _QUANTITY.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        return None
    value = float(found[1]) * _SUFFIXES[found[2] or ""]
    return value if math.isfinite(value) and value <= most else None
