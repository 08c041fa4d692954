"""What a typical fleet's metrics are in a month in which nothing is wrong, as a file for `promtool test rules`.

A figure each quarter of an hour. The month has what looks like trouble and is none: the days in `mode: Preview`, half
a day in `Paused`, pools that sleep over tasks which wait, a pool that is removed, a rollout, an operator that restarts,
a broker that is away for a moment, a node that is drained.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DAYS = 31
STEP = 15
"""Minutes from one figure to the next."""
AN_HOUR = 60 // STEP
A_DAY = 24 * AN_HOUR

PREVIEW = range(3 * A_DAY)
PAUSED = range(14 * A_DAY + 10 * AN_HOUR, 14 * A_DAY + 22 * AN_HOUR)
REMOVED = 18 * A_DAY
ROLLOUT = range(20 * A_DAY + 9 * AN_HOUR, 20 * A_DAY + 10 * AN_HOUR)
RESTART = 21 * A_DAY + 13 * AN_HOUR
BROKER_AWAY = 23 * A_DAY + 5 * AN_HOUR
NODE_DRAINED = 25 * A_DAY + 2 * AN_HOUR

_FLEET = 'namespace="m",fleet="f"'
Value = Callable[[int], float | None]


@dataclass(frozen=True)
class Look:
    """A pool at one moment: messages that wait, how many of them on purpose, workers, tasks, and the open run."""

    waiting: float = 0
    held: float = 0
    wanted: float = 0
    ready: float = 0
    tasks: float = 0
    run: str = ""


@dataclass
class Month:
    """The series, by their names with labels; a figure a step, None where there is none."""

    steps: int
    series: dict[str, list[float | None]] = field(default_factory=dict)

    def add(self, name: str, value: Value, labels: str = "") -> None:
        """A series of the operator's pod: another one after its restart."""
        for pod, alive in (("a", range(RESTART)), ("b", range(RESTART + 1, self.steps))):
            inside = ",".join(it for it in (_FLEET, labels, f'pod="{pod}"') if it)
            self.series[f"{name}{{{inside}}}"] = [value(at) if at in alive else None for at in range(self.steps)]

    def pool(self, name: str, look: Callable[[int], Look | None]) -> None:
        """All series of one pool; no look is no pool, and while the broker is away there is no figure of its queues."""
        looks = [None if at == BROKER_AWAY else look(at) for at in range(self.steps)]

        def of(attribute: str) -> Value:
            return lambda at: None if (it := looks[at]) is None else float(getattr(it, attribute))

        here, queue = f'pool="{name}"', f'pool="{name}",queue="q.{name}"'
        self.add("utilitarian_queue_messages", of("waiting"), f'{queue},state="ready"')
        self.add("utilitarian_queue_consumers", of("ready"), queue)
        self.add("utilitarian_pool_held_tasks", of("held"), here)
        for state in ("wanted", "ready"):
            self.add("utilitarian_pool_workers", of(state), f'{here},state="{state}"')
        self.add("utilitarian_pool_workers", lambda at: None if looks[at] is None else 0, f'{here},state="min"')
        self.add("utilitarian_pool_tasks", of("tasks"), f'{here},state="active"')
        for reason in ("Stuck", "Starved"):
            self.add("utilitarian_pool_ailing", _always(0), f'{here},reason="{reason}"')
        self._runs(here, looks)

    def _runs(self, here: str, looks: list[Look | None]) -> None:
        for run in {it.run for it in looks if it is not None and it.run}:
            opened = _where([it is not None and it.run == run for it in looks])
            for name in ("missed", "at_risk"):
                self.add(f"utilitarian_run_{name}", opened, f'{here},run="{run}"')

    def write(self, file: Path, rules: Path, firing: Mapping[str, int]) -> Path:
        """A test for promtool that expects these alerts to have fired, by name, each for so many steps."""
        asked = 'sum by (alertname) (count_over_time(ALERTS{alertstate="firing"}[31d]))'
        expected = [{"labels": f'{{alertname="{name}"}}', "value": count} for name, count in firing.items()]
        series = [{"series": name, "values": " ".join(map(_shown, of))} for name, of in self.series.items()]
        at_the_end = f"{(self.steps - 1) * STEP}m"
        test = {
            "interval": f"{STEP}m",
            "input_series": series,
            "promql_expr_test": [{"expr": asked, "eval_time": at_the_end, "exp_samples": expected}],
        }
        whole = {"rule_files": [str(rules)], "evaluation_interval": f"{STEP}m", "tests": [test]}
        file.write_text(json.dumps(whole))  # JSON is YAML
        return file


def quiet_month(days: int = DAYS, **pools: Callable[[int], Look | None]) -> Month:
    """The month, or its first days; `pools` are beside the typical ones, or instead of them."""
    month = Month(days * A_DAY)
    month.series["utilitarian_operator_last_tick_timestamp_seconds"] = [at * STEP * 60 for at in range(month.steps)]
    month.add("utilitarian_tick_age_seconds", _always(1))
    month.add("utilitarian_broker_reachable", lambda at: at != BROKER_AWAY)
    month.add("utilitarian_beat_ready", lambda at: None if at in PREVIEW else at not in ROLLOUT[:1])
    _add_modes(month)
    _add_conditions(month)
    _add_counters(month)
    for name, look in {**_POOLS, **pools}.items():
        month.pool(name, _previewed(look))
    return month


def _add_modes(month: Month) -> None:
    modes: dict[str, Value] = {
        "Preview": lambda at: at in PREVIEW,
        "Paused": lambda at: at in PAUSED,
        "Auto": lambda at: at not in PREVIEW and at not in PAUSED,
    }
    for mode, value in modes.items():
        month.add("utilitarian_fleet_mode", value, f'mode="{mode}"')


def _add_conditions(month: Month) -> None:
    # Less than half an hour in the monthly run.
    needed = range(5 * A_DAY + AN_HOUR, 5 * A_DAY + AN_HOUR + 2)
    at_maximum: dict[str, Value] = {
        "MoreNeeded": lambda at: 1 if at in needed else None,
        "EnoughRoom": lambda at: None if at in needed else 0,
    }
    for reason, value in at_maximum.items():
        month.add("utilitarian_condition", value, f'type="AtMaximum",reason="{reason}"')
    month.add("utilitarian_condition", _always(1), 'type="BeatReady",reason="Running"')


def _add_counters(month: Month) -> None:
    for reason, lost in {"OOMKilled": 0, "Crashed": 1, "Evicted": 6, "Preempted": 0, "NodeLost": 0}.items():
        for pool in ("hourly", "commits"):
            month.add("utilitarian_worker_losses_total", _from(NODE_DRAINED, lost), f'pool="{pool}",reason="{reason}"')
    month.series['utilitarian_errors_total{kind="ClusterError"}'] = [3.0 * (at // A_DAY) for at in range(month.steps)]


def _always(value: float) -> Value:
    return lambda _: value


def _where(there: list[bool]) -> Value:
    """0 at these steps, and nothing at the others."""
    return lambda at: 0 if there[at] else None


def _from(step: int, value: float) -> Value:
    """0 before a step, and a value from then on."""
    return lambda at: value if at >= step else 0


def _previewed(look: Callable[[int], Look | None]) -> Callable[[int], Look | None]:
    """In Preview the workers that the fleet would have are run by others: messages wait, and none of ours is ready."""

    def seen(at: int) -> Look | None:
        it = look(at)
        return it if it is None or at not in PREVIEW else Look(waiting=40, wanted=it.wanted, run=it.run)

    return seen


def _hourly(at: int) -> Look:
    """A run each hour; at its first figure the worker is not there yet, and at the last one it has gone."""
    if at in PAUSED:
        return Look(waiting=300, run="hourly-run")
    return (
        Look(waiting=2000, wanted=1, run="hourly-run"),
        Look(waiting=900, wanted=1, ready=1, tasks=10, run="hourly-run"),
        Look(wanted=1, ready=1, tasks=3, run="hourly-run"),
        Look(),
    )[at % AN_HOUR]


def _monthly(at: int) -> Look:
    run = range(5 * A_DAY + 2, 5 * A_DAY + 14)
    return Look(waiting=9000, wanted=2, ready=2, tasks=20, run="monthly-run") if at in run else Look()


def _commits(at: int) -> Look:
    """Sleeps over what waits until it is due (`wake: WhenDue`), and is at work in every third figure."""
    if at in PAUSED:
        return Look(waiting=100, wanted=1, ready=1, tasks=4)
    return Look(waiting=5, wanted=1, ready=1, tasks=4) if at % 3 == 0 else Look(waiting=60, held=60)


def _later(at: int) -> Look:
    """Two days in which 500 tasks wait for a time of their own."""
    return Look(waiting=500, held=500) if at in range(10 * A_DAY, 12 * A_DAY) else Look()


def _external(at: int) -> Look:
    """Always at work; in the rollout one of three workers is missing at each second figure."""
    missing = at in ROLLOUT and at % 2 == 0
    return Look(waiting=200, wanted=3, ready=2 if missing else 3, tasks=25)


def _cleanup(at: int) -> Look | None:
    """Taken out of the resource; its last worker finishes what it holds."""
    return Look(waiting=2, wanted=1, ready=1, tasks=2) if at < REMOVED else None


def _shift(at: int) -> Look:
    """A run of eight hours each day that keeps its worker, also where nothing comes (`until: Duration`)."""
    return Look(wanted=1, ready=1, run="shift") if at % A_DAY in range(8 * AN_HOUR, 16 * AN_HOUR) else Look()


_POOLS: Mapping[str, Callable[[int], Look | None]] = {
    "hourly": _hourly,
    "monthly": _monthly,
    "commits": _commits,
    "later": _later,
    "external": _external,
    "cleanup": _cleanup,
    "shift": _shift,
}


def _shown(value: float | None) -> str:
    return "_" if value is None else str(int(value))
