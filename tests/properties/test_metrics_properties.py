"""After any looks at any fleets the gauges show the newest look of each, as if there had been none before it."""

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from tests.support.pools import NOW, fleet
from utilitarian_operator.core.diagnosis.findings import STARVED, Finding
from utilitarian_operator.core.forecast.completion import Forecast
from utilitarian_operator.core.forecast.news import Watched
from utilitarian_operator.core.observation.beat import BeatSnapshot
from utilitarian_operator.core.observation.model.figures import Source, Unknown
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.observation.model.pod import PodSnapshot, WorkerLoad
from utilitarian_operator.core.observation.model.pool import PoolSnapshot
from utilitarian_operator.core.observation.model.queue import Missing, Present
from utilitarian_operator.core.sizing.decision import Decision, Step, start
from utilitarian_operator.core.sizing.runs.run_state import OpenRun
from utilitarian_operator.metrics.fleet import Metrics

FLEETS = [("ns", "a"), ("ns", "b")]
NOT_SEEN = Unknown("away", NOW)
COUNTS = st.integers(0, 5)
QUEUES = st.dictionaries(
    st.sampled_from("qrs"),
    st.builds(Present, COUNTS, COUNTS, st.none() | COUNTS) | st.just(Missing()) | st.just(NOT_SEEN),
    max_size=3,
)
HELD = st.builds(WorkerLoad, COUNTS, st.just(0), COUNTS, COUNTS, consuming=st.just(("q",)))
PODS = st.lists(
    st.builds(PodSnapshot, st.just("pod"), st.booleans(), st.booleans(), st.booleans(), HELD | st.just(NOT_SEEN)),
    max_size=2,
)
POOLS = st.builds(PoolSnapshot, QUEUES, st.just(0), PODS.map(tuple), st.none() | COUNTS)
NAMES = st.sampled_from(["p", "o", "beat-like"])


@dataclass(frozen=True)
class Look:
    snapshot: FleetSnapshot
    decisions: dict[str, Decision]
    findings: dict[str, tuple[Finding, ...]]
    runs: Watched
    mode: str


@st.composite
def looks(draw: st.DrawFn) -> Look:
    pools = draw(st.dictionaries(NAMES, POOLS, max_size=3))
    left = draw(st.dictionaries(NAMES, POOLS, max_size=1))
    snapshot = FleetSnapshot(
        NOW,
        pools,
        broker=draw(st.none() | st.just(NOT_SEEN)),
        beat=draw(st.none() | st.builds(BeatSnapshot, st.booleans())),
        leftover={name: pool for name, pool in left.items() if name not in pools},
        sources=tuple(
            draw(st.lists(st.sampled_from([Source("depths", timedelta()), Source("workers", None)]), unique=True))
        ),
        last_messages=draw(st.dictionaries(st.sampled_from("qr"), st.just(NOW))),
    )
    decisions = {name: start(Step("demand", 0, draw(COUNTS), "x")) for name in pools}
    findings = {name: (Finding(STARVED, "x"),) for name in pools if draw(st.booleans())}
    run = OpenRun("run", NOW)
    one = st.builds(Forecast, st.just(run), st.none() | st.just(NOW), st.none() | COUNTS, st.none() | st.just(NOW))
    runs = Watched(forecasts={name: (draw(one),) for name in pools if draw(st.booleans())})
    return Look(snapshot, decisions, findings, runs, draw(st.sampled_from(["Auto", "Preview", "Paused"])))


class Shown:
    """The metrics of one operator, and the gauges that they serve."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, lambda: 0.0)  # the age of a look is no figure of it

    def look(self, where: tuple[str, str], look: Look | None) -> None:
        """Look at a fleet; None is a look that fails before anything was seen."""
        with self.metrics.look(where):
            if look is not None:
                self.metrics.looked(where, look.snapshot, look.decisions, look.findings, look.mode)  # type: ignore[arg-type]
                self.metrics.runs.watched(where, SPEC, look.runs)

    def gauges(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        found = [metric for metric in self.registry.collect() if metric.type == "gauge"]
        samples = [it for metric in found for it in metric.samples]
        return {(it.name, tuple(sorted(it.labels.items()))): it.value for it in samples}

    def pools_counted(self) -> set[str]:
        samples = [it for metric in self.registry.collect() if metric.type != "gauge" for it in metric.samples]
        return {it.labels["pool"] for it in samples if "pool" in it.labels}


SPEC = fleet({"name": "p", "schedule": [{"name": "run", "start": "0 12 * * *"}]})


@given(
    st.lists(st.tuples(st.sampled_from(FLEETS), st.none() | looks()), max_size=8), st.none() | st.sampled_from(FLEETS)
)
def test_what_is_shown_is_the_newest_look_of_each_fleet(
    seen: list[tuple[tuple[str, str], Look | None]], deleted: tuple[str, str] | None
) -> None:
    all_of_them, only_the_newest = Shown(), Shown()
    for where, look in seen:
        all_of_them.look(where, look)
    newest = dict(seen)
    if deleted is not None:
        all_of_them.metrics.forget(deleted)
        newest.pop(deleted, None)
    for where, look in newest.items():
        only_the_newest.look(where, look)
    assert all_of_them.gauges() == only_the_newest.gauges()


@given(st.lists(looks(), min_size=1, max_size=5))
def test_no_pool_is_counted_that_the_newest_look_does_not_know(seen: list[Look]) -> None:
    shown = Shown()
    for look in seen:
        bare = replace(look, runs=Watched())
        shown.look(FLEETS[0], bare)
    known = {
        *seen[-1].snapshot.pools,
        *seen[-1].snapshot.leftover,
        "p",
    }  # the spec's own runs are counted from nothing on
    assert shown.pools_counted() <= known
