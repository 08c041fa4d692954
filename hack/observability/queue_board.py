"""The dashboard of one pool: work, workers, runs and decisions on one axis of time, and all that explains them."""

from dataclasses import replace

from grafana_foundation_sdk.builders.dashboard import Panel

from hack.observability.panels import (
    BLUE,
    FLEET,
    GREEN,
    GREY,
    NAMESPACE,
    OF_POOL,
    ORANGE,
    POOL,
    POOL_NAME,
    RED,
    YELLOW,
    Board,
    Look,
    Query,
    annotation,
    figure,
    lines,
    states,
    table,
)

_WORKERS = f"max by (namespace, fleet, pool) (utilitarian_pool_workers{{{OF_POOL}, state="
_TITLE = "Work and workers on one axis of time"
_DASHED = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}


def queue() -> Board:
    """One pool."""
    return Board(
        "utilitarian-queue",
        "One pool: what waits, what runs, who works and why, and whether its promise is kept.",
        [replace(it, many=False) for it in (NAMESPACE, FLEET, POOL)],
        {
            "Work and workers": [_everything(), *_figures()],
            "Is the promise kept": [_time_to_drain(), _rates(), _learned(), _wakes()],
            "Why": [_rules(), _scaling(), _ailing(), _due()],
            "Workers": [_tasks(), _used(), _drains(), _lost(), _cpu(), _memory()],
            "Queues": [_queues(), _foreign()],
        },
        annotations=[
            annotation(
                "Runs",
                "rgba(115, 191, 105, 0.35)",
                Query(f"max by (pool, run) (utilitarian_run_at_risk{{{OF_POOL}}}) * 0 + 1", "run {{run}}"),
                "{{pool}}: a run is open",
                _TITLE,
            ),
            annotation(
                "Decisions",
                "purple",
                Query(
                    f"sum by (pool, rule) (rate(utilitarian_decisions_total{{{OF_POOL}}}[$__rate_interval])) > 0 and "
                    f"on () (sum(increase(utilitarian_scale_requests_total{{{OF_POOL}}}[$__rate_interval])) > 0)",
                    "{{rule}}",
                ),
                "{{pool}}: the number of workers was changed; this rule had the last word",
                _TITLE,
            ),
        ],
    )


def _state(name: str, legend: str) -> Query:
    return Query(f'{_WORKERS}"{name}"}})', legend)


def _everything() -> Panel:
    queries = [
        Query(
            f'sum by (namespace, fleet, pool) (utilitarian_queue_messages{{{OF_POOL}, state="ready"}})', "tasks waiting"
        ),
        Query(
            f'sum by (namespace, fleet, pool) (utilitarian_pool_tasks{{{OF_POOL}, state="active"}})', "tasks running"
        ),
        _state("wanted", "workers wanted"),
        _state("ready", "workers ready"),
        _state("starting", "workers starting"),
        _state("draining", "workers draining"),
        _state("max", "workers max"),
        _state("min", "workers min"),
    ]
    right = {"custom.axisPlacement": "right", "unit": "workers", "custom.axisLabel": "workers", "decimals": 0}
    look = Look(
        24,
        12,
        custom={"axisLabel": "tasks"},
        overrides=[
            ("/^workers/", {**right, "custom.fillOpacity": 0, "custom.lineWidth": 2}),
            ("/^tasks waiting$/", _colour(YELLOW) | {"custom.fillOpacity": 25}),
            ("/^tasks running$/", _colour(BLUE)),
            ("/^workers wanted$/", _colour(ORANGE) | _DASHED),
            ("/^workers ready$/", _colour(GREEN)),
            ("/^workers starting$/", _colour("purple")),
            ("/^workers draining$/", _colour("#fa6e9f")),
            ("/^workers m(ax|in)$/", _colour(GREY) | _DASHED | {"custom.lineWidth": 1}),
        ],
    )
    text = (
        "Tasks on the left, workers on the right. Green regions are open runs; each mark is a change of the number "
        "of workers, with the rule that had the last word."
    )
    return lines(_TITLE, text, "short", queries, look)


def _colour(color: str) -> dict[str, object]:
    return {"color": {"mode": "fixed", "fixedColor": color}}


def _figures() -> list[Panel]:
    waiting = f'sum(utilitarian_queue_messages{{{OF_POOL}, state="ready"}})'
    promise = f"max(utilitarian_pool_time_to_drain_seconds{{{OF_POOL}}})"
    return [
        figure("Waiting", "Messages that no worker has taken.", "short", [Query(waiting, "waiting")]),
        figure(
            "Time to drain",
            "Seconds until all present tasks are done by the workers that are ready now.",
            "s",
            [Query(promise, "time to drain")],
            Look(4, 4, no_value="no worker"),
        ),
        figure(
            "Promise",
            "A task starts within so long (drainWithin).",
            "s",
            [Query(f"max(utilitarian_pool_drain_within_seconds{{{OF_POOL}}})", "drainWithin")],
        ),
        figure(
            "Oldest waiting task",
            "Seconds that the oldest message has waited while no worker is ready; a queue tells no age.",
            "s",
            [Query(f"max(utilitarian_pool_oldest_task_age_seconds{{{OF_POOL}}})", "oldest")],
            Look(4, 4, no_value="taken by workers"),
        ),
        figure(
            "Waits on purpose",
            "Tasks that no worker is asked for on purpose: they wait for a run, their own time or until due.",
            "short",
            [Query(f"sum(utilitarian_pool_held_tasks{{{OF_POOL}}})", "on purpose")],
        ),
        figure(
            "Seconds per task",
            "Mean seconds that a task runs, as learned.",
            "s",
            [Query(f"max(utilitarian_pool_task_seconds{{{OF_POOL}}})", "per task")],
            Look(4, 4, no_value="none ended yet"),
        ),
    ]


def _time_to_drain() -> Panel:
    queries = [
        Query(
            f"max by (namespace, fleet, pool) (utilitarian_pool_time_to_drain_seconds{{{OF_POOL}}})", "time to drain"
        ),
        Query(
            f"max by (namespace, fleet, pool) (utilitarian_pool_oldest_task_age_seconds{{{OF_POOL}}})",
            "oldest task waits",
        ),
        Query(f"max by (namespace, fleet, pool) (utilitarian_pool_drain_within_seconds{{{OF_POOL}}})", "the promise"),
    ]
    text = "Time to drain and the oldest waiting task beside the promise (drainWithin): below the line it is kept."
    return lines(
        "Time to drain against the promise",
        text,
        "s",
        queries,
        Look(overrides=[("/^the promise$/", _colour(RED) | _DASHED)]),
    )


def _rates() -> Panel:
    queries = [
        Query(f"sum by (namespace, fleet, pool) (utilitarian_pool_arrivals_per_second{{{OF_POOL}}})", "arrive"),
        Query(f"sum by (namespace, fleet, pool) (utilitarian_pool_completions_per_second{{{OF_POOL}}})", "end"),
    ]
    text = "Tasks that come and tasks that end, a second, over the last minute. Arrivals need broker.stats."
    return lines("Arrivals and completions", text, "ops", queries)


def _learned() -> Panel:
    queries = [
        Query(f"max by (namespace, fleet, pool) (utilitarian_pool_task_seconds{{{OF_POOL}}})", "seconds per task"),
        Query(f"max by (namespace, fleet, pool) (utilitarian_pool_start_up_seconds{{{OF_POOL}}})", "start of a worker"),
    ]
    text = "What was learned: how long a task runs, and how long a worker takes to start."
    return lines("Learned", text, "s", queries)


def _wakes() -> Panel:
    asked = f"sum by (le) (rate(utilitarian_wake_seconds_bucket{{{OF_POOL}}}[10m]))"
    queries = [Query(f"histogram_quantile({it}, {asked})", f"p{100 * it:.0f}") for it in (0.5, 0.95)]
    text = "From when a sleeping pool needed workers to the request for its first ones, of the last ten minutes."
    return lines("Wake time", text, "s", queries)


def _rules() -> Panel:
    expr = f"sum by (rule) (rate(utilitarian_decisions_total{{{OF_POOL}}}[$__rate_interval])) * 60"
    text = "Decisions a minute, by the rule that had the last word."
    stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60}
    return lines("Decisions by rule", text, "cpm", [Query(expr, "{{rule}}")], Look(custom=stacked))


def _scaling() -> Panel:
    asked = f"sum by (direction) (rate(utilitarian_scale_requests_total{{{OF_POOL}}}[$__rate_interval])) * 60"
    text = "Changes of the pool's size that were asked for, a minute."
    return lines("Scale requests", text, "cpm", [Query(asked, "{{direction}}")], Look(custom={"drawStyle": "bars"}))


def _ailing() -> Panel:
    expr = f"max by (namespace, fleet, pool, reason) (utilitarian_pool_ailing{{{OF_POOL}}})"
    names = {0: ("well", GREEN), 1: ("ailing", RED)}
    text = "What is wrong with the pool, by reason."
    return states("What ails the pool", text, [Query(expr, "{{reason}}")], Look(names=names))


def _due() -> Panel:
    held = f"0 * sum by (namespace, fleet, pool) (utilitarian_pool_held_tasks{{{OF_POOL}}})"
    expr = (
        "min by (namespace, fleet, pool) "
        f"(clamp_min(utilitarian_pool_due_timestamp_seconds{{{OF_POOL}}} - time(), 0)) or {held}"
    )
    text = "How long tasks may still wait before workers are asked for (wake: WhenDue); 0 where none may."
    return lines("Until workers are asked for", text, "s", [Query(expr, POOL_NAME)])


def _tasks() -> Panel:
    expr = f"sum by (state) (utilitarian_pool_tasks{{{OF_POOL}}})"
    text = "Tasks in the workers, by their own word: running, next, or waiting for a time of their own."
    stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    return lines("Tasks in the workers", text, "short", [Query(expr, "{{state}}")], Look(custom=stacked))


def _used() -> Panel:
    within = f"{{{OF_POOL}}}[$__rate_interval]"
    used = f"sum by (state) (rate(utilitarian_worker_seconds_total{within}))"
    always = f"sum by (namespace, fleet, pool) (rate(utilitarian_always_on_worker_seconds_total{within}))"
    stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    apart = {"custom.stacking": {"mode": "none"}, **_colour(GREY), **_DASHED}
    text = "Workers that ran, busy and idle, beside those of a pool that always has as many as it may."
    return lines(
        "Workers that ran",
        text,
        "workers",
        [Query(used, "{{state}}"), Query(always, "always on")],
        Look(custom=stacked, overrides=[("/^always on$/", apart)]),
    )


def _drains() -> Panel:
    asked = f"sum by (le) (rate(utilitarian_drain_seconds_bucket{{{OF_POOL}}}[10m]))"
    text = (
        "How long workers took to leave, of the last ten minutes: from being chosen to the request that lets them go, "
        "and how long they held nothing meanwhile, in the mean."
    )
    emptied, count = (
        f"sum(increase(utilitarian_{it}{{{OF_POOL}}}[10m]))"
        for it in ("departing_worker_seconds_total", "drain_seconds_count")
    )
    queries = [Query(f"histogram_quantile({it}, {asked})", f"p{100 * it:.0f}") for it in (0.5, 0.95)]
    return lines("Drains", text, "s", [*queries, Query(f"{emptied} / {count}", "held nothing")])


def _lost() -> Panel:
    def asked(metric: str, label: str = "") -> str:
        by = f"sum by (pool{', ' + label if label else ''})"
        return f"{by} (increase({metric}{{{OF_POOL}}}[$__rate_interval]))"

    queries = [
        Query(asked("utilitarian_worker_losses_total", "reason"), "lost: {{reason}}"),
        Query(asked("utilitarian_workers_replaced_total"), "replaced: stuck"),
        Query(asked("utilitarian_slow_drains_total"), "slow drains"),
        Query(asked("utilitarian_drain_wrong_victims_total"), "wrong victims"),
        Query(asked("utilitarian_drain_returned_tasks_total"), "tasks given back by drains"),
        Query(asked("utilitarian_dropped_tasks_total"), "tasks dropped before a worker came"),
    ]
    text = (
        "Workers lost or replaced, drains that went on for longer than drainTimeout, and tasks that went back or were "
        "dropped from a queue that nothing consumed."
    )
    return lines("Losses, replacements, drains", text, "short", queries, Look(custom={"drawStyle": "bars"}))


def _cpu() -> Panel:
    expr = f"max by (namespace, fleet, pool) (utilitarian_pool_slot_cpu_cores{{{OF_POOL}}})"
    text = "Cores that a busy slot of a worker uses; needs metrics.k8s.io."
    return lines("CPU of a busy slot", text, "short", [Query(expr, POOL_NAME)])


def _memory() -> Panel:
    expr = f"max by (namespace, fleet, pool) (utilitarian_pool_worker_memory_peak_bytes{{{OF_POOL}}})"
    text = "Memory of the largest worker of the last seven days; needs metrics.k8s.io."
    return lines("Peak memory of a worker", text, "bytes", [Query(expr, POOL_NAME)])


def _queues() -> Panel:
    def asked(metric: str, state: str = "") -> Query:
        return Query(f"sum by (namespace, fleet, pool, queue) ({metric}{{{OF_POOL}{state}}})")

    columns = {
        "waiting": asked("utilitarian_queue_messages", ', state="ready"'),
        "unacknowledged": asked("utilitarian_queue_messages", ', state="unacked"'),
        "consumers": asked("utilitarian_queue_consumers"),
        "consumers of others": asked("utilitarian_queue_foreign_consumers"),
    }
    return table("Queues", "The queues of the pool as the broker tells them now.", columns, Look(14))


def _foreign() -> Panel:
    expr = f"max by (namespace, fleet, pool, queue) (utilitarian_queue_foreign_consumers{{{OF_POOL}}})"
    text = "Consumers of the pool's queues that are none of the fleet's workers."
    return lines("Consumers that are not ours", text, "short", [Query(expr, "{{pool}} {{queue}}")], Look(10))
