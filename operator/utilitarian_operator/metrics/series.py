"""The series of metrics, as plain figures: an object with a lock for each of a pool's seventy takes 30 KiB a pool.

The library makes the page of what the families here tell it when they are asked.
"""

import math
from abc import abstractmethod
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import accumulate, takewhile
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

FleetLabels: TypeAlias = tuple[str, str]
"""Namespace and name."""

Labels: TypeAlias = tuple[str, ...]
"""The values of a series' labels; the first two of all families here are those of a fleet."""

PLACES = frozenset({"namespace", "fleet", "pool", "queue", "run"})
"""Labels that say what a figure is of. Those after them have the same values for many."""

BUCKET = "le"
"""The label by which a histogram tells its buckets apart."""

Kept = TypeVar("Kept")


class Family(Collector):
    """One metric of the page, with all its series.

    Args:
        registry: where it is registered.
        kind: of it, by the library's name.
        name: without `utilitarian_`.
        text: what it means.
        labels: their names.
    """

    def __init__(self, registry: CollectorRegistry, kind: str, name: str, text: str, labels: Labels) -> None:
        self._kind, self._name, self._text, self.labels = kind, f"utilitarian_{name}", text, labels
        registry.register(self)

    def describe(self) -> list[Metric]:
        """What it is, without a series."""
        return [Metric(self._name, self._text, self._kind)]

    def collect(self) -> list[Metric]:
        """All that is shown of it; may be asked in a thread of its own."""
        [found] = self.describe()
        for suffix, values, figure in self._series():
            found.add_sample(self._name + suffix, dict(zip(self.labels, values, strict=False)), float(figure))
        return [found]

    @abstractmethod
    def _series(self) -> Iterator[tuple[str, Labels, float]]:
        """What is added to the name, values of the labels, and the figure of each series."""


class _Counted(Family, Generic[Kept]):
    """A family whose series are kept until they are forgotten."""

    def __init__(self, registry: CollectorRegistry, kind: str, name: str, text: str, labels: Labels) -> None:
        self._kept: dict[FleetLabels, dict[Labels, Kept]] = defaultdict(dict)
        super().__init__(registry, kind, name, text, labels)

    def forget(self, fleet: FleetLabels, *first: str) -> None:
        """Show nothing any more of a fleet, or of one of its pools: labels after the fleet's that begin so."""
        if not first:
            self._kept.pop(fleet, None)
        kept = self._kept.get(fleet, {})
        for labels in [it for it in kept if it[: len(first)] == first]:
            del kept[labels]

    def _all(self) -> Iterator[tuple[Labels, Kept]]:
        for fleet, kept in list(self._kept.items()):
            for labels, it in list(kept.items()):
                yield (*fleet, *labels), it


class Counter(_Counted[float]):
    """What only grows; `_total` is added to its name."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: Labels) -> None:
        super().__init__(registry, "counter", name, text, labels)

    def begin(self, fleet: FleetLabels, *labels: str) -> None:
        """Show a series from now on, at nothing if it was not shown: `rate` doesn't see the step from nothing to 1."""
        self._kept[fleet].setdefault(labels, 0.0)

    def add(self, number: float, fleet: FleetLabels, *labels: str) -> None:
        """Count so many more.

        Raises:
            ValueError: it would go back.
        """
        if number < 0:
            raise ValueError(f"{self._name} can't go back by {-number}")
        kept = self._kept[fleet]
        kept[labels] = kept.get(labels, 0.0) + number

    def _series(self) -> Iterator[tuple[str, Labels, float]]:
        return (("_total", labels, count) for labels, count in self._all())


class Histogram(_Counted[list[float]]):
    """How often something took at most so long, for some bounds, and how long in all."""

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, bounds: tuple[float, ...]
    ) -> None:
        self._bounds = (*bounds, math.inf)
        self._said = [str(floatToGoString(it)) for it in self._bounds]  # type: ignore[no-untyped-call]
        self._nothing = [0.0] * (len(self._bounds) + 1)
        super().__init__(registry, "histogram", name, text, (*labels, BUCKET))

    def begin(self, fleet: FleetLabels, *labels: str) -> None:
        """Show a series from now on, without anything seen if it was not shown."""
        self._kept[fleet].setdefault(labels, self._nothing)

    def observe(self, figure: float, fleet: FleetLabels, *labels: str) -> None:
        """Take one more into account."""
        counts = list(self._kept[fleet].get(labels, self._nothing))
        counts[bisect_left(self._bounds, figure)] += 1
        counts[-1] += figure
        self._kept[fleet][labels] = counts

    def _series(self) -> Iterator[tuple[str, Labels, float]]:
        for labels, (*counts, in_all) in self._all():
            so_far = list(accumulate(counts))
            for bound, number in zip(self._said, so_far, strict=True):
                yield "_bucket", (*labels, bound), number
            yield "_count", labels, so_far[-1]
            yield "_sum", labels, in_all


class Ages(Family):
    """Seconds since something was last so, by fleet.

    Args:
        registry: where it is registered.
        name: without `utilitarian_`.
        text: what it means.
        labels: of a fleet.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, labels: Labels, monotonic: Callable[[], float]
    ) -> None:
        self._since: dict[FleetLabels, float] = {}
        self._monotonic = monotonic
        super().__init__(registry, "gauge", name, text, labels)

    def from_now(self, fleet: FleetLabels) -> None:
        """It is so at this moment."""
        self._since[fleet] = self._monotonic()

    def forget(self, fleet: FleetLabels) -> None:
        """Show nothing any more of a fleet."""
        self._since.pop(fleet, None)

    def _series(self) -> Iterator[tuple[str, Labels, float]]:
        now = self._monotonic()
        return (("", fleet, now - since) for fleet, since in list(self._since.items()))


class Gauge(Family):
    """What goes up and down; all figures of it are the board's."""

    def __init__(self, board: "Board", name: str, text: str, labels: Labels) -> None:
        self._board = board
        self.places = sum(1 for _ in takewhile(PLACES.__contains__, labels))
        super().__init__(board.registry, "gauge", name, text, labels)

    def _series(self) -> Iterator[tuple[str, Labels, float]]:
        for one in self._board.shown():
            for at, rest in one.shape.of.get(self, ()):
                yield "", (*one.place, *rest), one.figures[at]


Figures: TypeAlias = Mapping[tuple[Gauge, Labels], float | None]
"""What gauges tell, by metric and labels; None where a figure is not known: it is not shown."""


class _Shape:
    """Of which gauges there are figures at a place, and where each stands: once for all places that are alike."""

    __slots__ = ("__weakref__", "of")

    def __init__(self, gauges: Iterable[tuple[Gauge, Labels]]) -> None:
        self.of: dict[Gauge, list[tuple[int, Labels]]] = defaultdict(list)
        for at, (gauge, rest) in enumerate(gauges):
            self.of[gauge].append((at, rest))


class _Place:
    """The figures of one pool, queue, run or fleet."""

    __slots__ = ("figures", "place", "shape")

    def __init__(self, place: Labels, shape: _Shape, figures: tuple[float, ...]) -> None:
        self.place, self.shape, self.figures = place, shape, figures


class Board:
    """The gauges of all fleets: each part of a fleet shows what it said last, and nothing that it said before.

    Args:
        registry: where its gauges are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._told: dict[FleetLabels, dict[str, tuple[_Place, ...]]] = defaultdict(dict)
        self._shapes = WeakValueDictionary[tuple[tuple[Gauge, Labels], ...], _Shape]()

    def gauge(self, name: str, text: str, labels: Labels) -> Gauge:
        """A gauge of the operator, registered."""
        return Gauge(self, name, text, labels)

    def show(self, fleet: FleetLabels, part: str, figures: Figures) -> None:
        """Show what a part tells now, and nothing else of it any more.

        Args:
            fleet: whose part it is.
            part: whose figures no other part tells.
            figures: all of it.
        """
        by_place: dict[Labels, dict[tuple[Gauge, Labels], float]] = defaultdict(dict)
        for (gauge, labels), figure in figures.items():
            if figure is not None:
                by_place[labels[: gauge.places]][gauge, labels[gauge.places :]] = figure
        self._told[fleet][part] = tuple(
            _Place(place, self._shape(tuple(it)), tuple(it.values())) for place, it in by_place.items()
        )

    def _shape(self, gauges: tuple[tuple[Gauge, Labels], ...]) -> _Shape:
        found = self._shapes.get(gauges)
        if found is None:
            found = self._shapes[gauges] = _Shape(gauges)
        return found

    def shown(self) -> Iterator[_Place]:
        """All that is shown; may be asked in a thread of its own."""
        for parts in list(self._told.values()):
            for places in list(parts.values()):
                yield from places

    def keep_only(self, fleet: FleetLabels, parts: Collection[str]) -> None:
        """Show nothing of a fleet's other parts any more."""
        for part in self._told[fleet].keys() - parts:
            del self._told[fleet][part]

    def forget(self, fleet: FleetLabels) -> None:
        """Show nothing of a fleet any more."""
        self._told.pop(fleet, None)
