"""What is new about the runs after a decision: forecasts, and the events that they are worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from utilitarian_operator.api.effective import Fleet, Pool
from utilitarian_operator.api.units import format_duration
from utilitarian_operator.core.changed import changed
from utilitarian_operator.core.diagnosis.findings import REASONS, RUN_MISSED, Finding
from utilitarian_operator.core.forecast.completion import Forecast, Forecasts, forecast, missed
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.observation.model.fleet import FleetSnapshot
from utilitarian_operator.core.sizing.decision import Decision
from utilitarian_operator.core.sizing.facts import Facts
from utilitarian_operator.core.sizing.memory import FRESH, Memory
from utilitarian_operator.core.sizing.runs.run_state import OpenRun, Outcome, PastRun
from utilitarian_operator.core.wording import number, plural

DEADLINE_AT_RISK = "DeadlineAtRisk"
DEADLINE_SAFE = "DeadlineSafe"
DEADLINE_MISSED = "DeadlineMissed"
RUN_OVERLAPS = "RunOverlaps"

_TOO_LONG = "a run takes longer than the time between two of them"
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class News:
    """One thing that began or ended with this look.

    Args:
        reason: one word, of the event.
        note: pool, run, and the figures.
    """

    reason: str
    note: str


@dataclass(frozen=True, slots=True)
class Watched:
    """The runs of a fleet at one look.

    Args:
        memories: with what is known of each run now, by pool name.
        forecasts: of the open runs, by pool name.
        news: since the look before.
        ended: runs that are over since the look before, each with its pool.
    """

    memories: dict[str, Memory] = field(default_factory=dict)
    forecasts: Forecasts = field(default_factory=dict)
    news: tuple[News, ...] = ()
    ended: tuple[tuple[str, PastRun], ...] = ()


def watch(
    fleet: Fleet,
    snapshot: FleetSnapshot,
    seen: Mapping[str, Facts],
    decisions: Mapping[str, Decision],
    before: Mapping[str, Memory],
    after: Mapping[str, Memory],
) -> Watched:
    """Forecast every open run and say what is new.

    Args:
        fleet: what runs.
        snapshot: of this look.
        seen: the facts of it, by pool name.
        decisions: of it, by pool name.
        before: memories of the look before, by pool name.
        after: memories of this look, by pool name.
    """
    memories, forecasts, news, ended = dict(after), {}, [], []
    for pool in fleet.pools:
        name, was, memory = pool.name, before.get(pool.name, FRESH), after[pool.name]
        if not memory.runs and memory.history is was.history:
            continue
        open_forecasts = forecast(fleet, pool, seen[name], decisions[name], memory, snapshot.at)
        forecasts[name] = open_forecasts
        risky = {(it.run.name, it.run.start) for it in open_forecasts if it.risk is not None}
        marked = tuple(replace(run, at_risk=(run.name, run.start) in risky) for run in memory.runs)
        memories[name] = memory if marked == memory.runs else changed(memory, runs=marked)
        closed = [past for past in memory.history if past not in was.history]
        ended += [(name, past) for past in closed]
        news += [
            News(it.reason, f"pool {name}: {it.note}") for it in _news(pool, was, open_forecasts, closed, snapshot)
        ]
    return Watched(memories, forecasts, tuple(news), tuple(ended))


def with_missed_runs(findings: Mapping[str, Sequence[Finding]], forecasts: Forecasts) -> dict[str, tuple[Finding, ...]]:
    """What is wrong in the pools, missed runs included, the most serious first; all by pool name."""
    found = {pool: tuple(each) for pool, each in findings.items()}
    for pool, message in missed(forecasts):
        each = (*found.get(pool, ()), Finding(RUN_MISSED, message))
        found[pool] = tuple(sorted(each, key=lambda it: REASONS.index(it.reason)))
    return found


def _news(
    pool: Pool, was: Memory, open_forecasts: tuple[Forecast, ...], closed: list[PastRun], snapshot: FleetSnapshot
) -> Iterator[News]:
    known = {(run.name, run.start): run for run in was.runs}
    for it in open_forecasts:
        run, old = it.run, known.get((it.run.name, it.run.start))
        if run.missed and not (old and old.missed):
            yield News(RUN_MISSED, f"{it.message}{_of_beat(pool, snapshot)}")
        if it.risk is not None and not (old and old.at_risk):
            yield News(DEADLINE_AT_RISK, it.risk.message)
        elif it.risk is None and old and old.at_risk and (it.deadline is None or snapshot.at <= it.deadline):
            yield News(DEADLINE_SAFE, f"run {run.name} {'will be' if it.remaining else 'is'} done in time after all")
        if run.start <= snapshot.at and (old is None or (was.looked_at is not None and was.looked_at < run.start)):
            yield from _overlaps(it, open_forecasts)
    for past in closed:
        yield from _late(past)


def _overlaps(it: Forecast, open_forecasts: tuple[Forecast, ...]) -> Iterator[News]:
    for other in open_forecasts:
        if (
            other.run.name == it.run.name
            and other.run.start < it.run.start
            and other.run.first_message
            and it.remaining
        ):
            yield News(RUN_OVERLAPS, f"{_still_open(other.run)} still has {plural(it.remaining, 'task')}: {_TOO_LONG}")


def _still_open(run: OpenRun | PastRun) -> str:
    return f"the next run begins, and {run.name} of {timestamp(run.start)}"


def _late(past: PastRun) -> Iterator[News]:
    if past.outcome is Outcome.LATE and past.deadline is not None:
        late = format_duration(max(round((past.finished - past.deadline).total_seconds()), 1) * _SECOND)
        yield News(
            DEADLINE_MISSED,
            f"run {past.name} of {timestamp(past.start)} was done {late} after its deadline: "
            f"{plural(past.tasks, 'task')} with {number(past.most_workers)} workers at most",
        )
    elif past.outcome is Outcome.OVERTAKEN:
        yield News(RUN_OVERLAPS, f"{_still_open(past)} is not done: {_TOO_LONG}; what is left is the next one's")


def _of_beat(pool: Pool, snapshot: FleetSnapshot) -> str:
    came = [moment for queue, moment in snapshot.last_messages.items() if queue in pool.queues]
    last = f"; the last message came {timestamp(max(came))}" if came else ""
    if snapshot.beat is None:
        return f" (spec.beat.enabled is false: the scheduler is not run from here{last})"
    beat = "beat's pod is ready" if snapshot.beat.ready else "beat is not ready: see the condition BeatReady"
    return f" ({beat}{last})"
