"""The dashboard of runs: what is left against the deadline, beside the run before, and how runs ended."""

from grafana_foundation_sdk.builders.dashboard import Panel

from hack.observability.panels import (
    FLEET,
    GREEN,
    GREY,
    NAMESPACE,
    OF_FLEET,
    OF_POOL,
    POOL,
    RED,
    YELLOW,
    Board,
    Look,
    Query,
    choice,
    figure,
    lines,
    states,
    table,
)

_BY = "by (namespace, fleet, pool, run)"
_RUN = "{{namespace}}/{{fleet}} {{pool}} {{run}}"
_DASHED = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}


def runs() -> Board:
    """Runs of all fleets; the range fits one that comes each month."""
    return Board(
        "utilitarian-runs",
        "Runs: what is left against the deadline, beside the run before, and how runs ended.",
        [NAMESPACE, FLEET, POOL],
        {
            "Open runs": [*_figures(), _burn_down(), _until(), _risk()],
            "Runs that are over": [_outcomes(), _lengths(), _table()],
            "What feeds them": [_last(), _held(), _beat()],
        },
        span="now-35d",
        more=[choice("before", "The run before, ago", ["30d", "7d", "1d", "1h", "28d", "31d", "365d"])],
    )


def _figures() -> list[Panel]:
    bad = [(None, GREEN), (1, RED)]
    return [
        figure(
            "At risk",
            "Open runs that will probably not be done by their deadline.",
            "short",
            [Query(f"sum(utilitarian_run_at_risk{{{OF_POOL}}})", "at risk")],
            Look(6, 4, bad, no_value="no run is open"),
        ),
        figure(
            "Missed",
            "Runs that were due and to which no message has come.",
            "short",
            [Query(f"sum(utilitarian_run_missed{{{OF_POOL}}})", "missed")],
            Look(6, 4, bad, no_value="no run is open"),
        ),
        figure(
            "Tasks left",
            "Tasks that are left in open runs.",
            "short",
            [Query(f"sum(utilitarian_run_remaining_tasks{{{OF_POOL}}})", "left")],
            Look(6, 4, no_value="no run is open"),
        ),
        figure(
            "Nearest deadline",
            "Time until the nearest deadline of an open run.",
            "s",
            [Query(f"min(utilitarian_run_deadline_timestamp_seconds{{{OF_POOL}}}) - time()", "until")],
            Look(6, 4, [(None, RED), (0, YELLOW), (3600, GREEN)], no_value="no deadline"),
        ),
    ]


def _burn_down() -> Panel:
    left = f"sum {_BY} (utilitarian_run_remaining_tasks{{{OF_POOL}}})"
    before = f"sum {_BY} (utilitarian_run_remaining_tasks{{{OF_POOL}}} offset $before)"
    text = (
        "Tasks left in each run (full) over those of the run before (dashed), which was so long ago as the variable "
        "at the top says."
    )
    queries = [Query(left, f"{_RUN}"), Query(before, f"{_RUN}, before")]
    return lines(
        "Burn-down, this run over the last one",
        text,
        "short",
        queries,
        Look(24, 10, overrides=[("/, before$/", _DASHED)]),
    )


def _until() -> Panel:
    deadline = f"max {_BY} (utilitarian_run_deadline_timestamp_seconds{{{OF_POOL}}}) - time()"
    end = f"max {_BY} (utilitarian_run_eta_timestamp_seconds{{{OF_POOL}}}) - time()"
    text = "Time until the deadline (dashed) and until the expected end: the end must stay below the deadline."
    queries = [Query(deadline, f"{_RUN} deadline"), Query(end, f"{_RUN} end")]
    return lines("Until the deadline and until the end", text, "s", queries, Look(overrides=[("/deadline$/", _DASHED)]))


def _risk() -> Panel:
    expr = f"max {_BY} (utilitarian_run_at_risk{{{OF_POOL}}}) + 2 * max {_BY} (utilitarian_run_missed{{{OF_POOL}}})"
    names = {0: ("in time", GREEN), 1: ("at risk", YELLOW), 2: ("missed", RED), 3: ("missed", RED)}
    text = "Whether each open run will be done in time, is at risk, or was missed; nothing where none is open."
    return states("At risk or missed", text, [Query(expr, _RUN)], Look(names=names))


def _outcomes() -> Panel:
    expr = f"sum by (outcome) (increase(utilitarian_runs_total{{{OF_POOL}}}[$__range]))"
    text = "Runs that ended within the range shown, by outcome."
    return figure("Outcomes", text, "short", [Query(expr, "{{outcome}}")], Look(12, 4))


def _lengths() -> Panel:
    of = "utilitarian_run_seconds"
    expr = f"sum {_BY} ({of}_sum{{{OF_POOL}}}) / sum {_BY} ({of}_count{{{OF_POOL}}})"
    text = "The mean time from when a run was due to its end, of all that ended since the operator started."
    return figure("Mean length", text, "s", [Query(expr, _RUN)], Look(12, 4, no_value="none ended"))


def _table() -> Panel:
    columns = {
        "runs": Query(f"sum by (namespace, fleet, pool, run, outcome) (utilitarian_runs_total{{{OF_POOL}}}) > 0"),
    }
    text = "All runs that ended since the operator started, by how they ended."
    return table("Runs, by outcome", text, columns, Look(24, 6))


def _last() -> Panel:
    expr = (
        "time() - max by (namespace, fleet, pool, queue) "
        f"(utilitarian_queue_last_message_timestamp_seconds{{{OF_POOL}}})"
    )
    text = "Time since a message last came to each queue of a pool with schedules: beat is alive when it sends."
    return lines("Since the last message", text, "s", [Query(expr, "{{namespace}}/{{fleet}} {{pool}} {{queue}}")])


def _held() -> Panel:
    expr = f"sum by (namespace, fleet, pool) (utilitarian_pool_held_tasks{{{OF_POOL}}})"
    text = "Tasks that wait on purpose, as for the pool's next run (outsideRuns: Hold)."
    return lines("Waiting on purpose", text, "short", [Query(expr, "{{namespace}}/{{fleet}} {{pool}}")])


def _beat() -> Panel:
    names = {0: ("down", RED), 1: ("ready", GREEN)}
    expr = f"min by (namespace, fleet) (utilitarian_beat_ready{{{OF_FLEET}}})"
    text = "Whether beat, which sends what runs are made of, is ready."
    return states(
        "Beat", text, [Query(expr, "{{namespace}}/{{fleet}}")], Look(24, 4, names=names, steps=[(None, GREY)])
    )
