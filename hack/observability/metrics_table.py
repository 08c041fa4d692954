"""Makes the table of docs/metrics.md from the metrics that the operator registers."""

import re
import time
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry

from hack.places import ROOT
from utilitarian_operator.metrics.fleet import Metrics
from utilitarian_operator.metrics.series import BUCKET, Family

PAGE = ROOT / "docs" / "metrics.md"
HEAD = "| Metric | Type | Labels | Meaning |"
_TABLE = re.compile(rf"{re.escape(HEAD)}\n(\|.*\n)*")
_PAGE_NAME = re.compile(r"\b[\w-]+\.md(?:#[\w-]+)?")


def page() -> str:
    """docs/metrics.md as it should be: all but the table is kept."""
    lines = [HEAD, "| --- | --- | --- | --- |", *rows(), ""]
    return _TABLE.sub(lambda _: "\n".join(lines), PAGE.read_text(), count=1)


def rows() -> Iterator[str]:
    """A row for each metric, in the order in which they are registered."""
    for it in registered():
        name, kind, labels, meaning = described(it)
        meaning = _PAGE_NAME.sub(lambda page: f"[{page[0].partition('#')[0]}]({page[0]})", meaning)
        yield f"| `{name}` | {kind} |{''.join(f' `{label}`' for label in labels)} | {meaning} |"


def registered() -> list[Any]:
    """The metrics of an operator, in the order in which it registers them."""
    registry = CollectorRegistry()
    Metrics(registry, time.monotonic)
    return list(dict.fromkeys(registry._collector_to_names))  # noqa: SLF001 - it has no public list of them


def described(metric: Any) -> tuple[str, str, tuple[str, ...], str]:
    """Name as it is served, kind, labels and meaning of a metric of ours, or of one of prometheus_client's."""
    [family] = metric.describe()
    labels = metric.labels if isinstance(metric, Family) else metric._labelnames  # noqa: SLF001 - it has no public one
    if family.type == "info":  # what an Info says becomes the labels of a gauge that is always 1
        return f"{family.name}_info", "gauge", tuple(metric._value), family.documentation  # noqa: SLF001
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return name, family.type, tuple(it for it in labels if it != BUCKET), family.documentation
