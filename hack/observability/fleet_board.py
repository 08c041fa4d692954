"""The dashboard of all fleets: whether anything is wrong, what each pool does, and what it costs."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Panel

from hack.observability.panels import (
    BLUE,
    FLEET,
    FLEET_NAME,
    GREEN,
    GREY,
    NAMESPACE,
    OF_FLEET,
    OF_POOL,
    ORANGE,
    POOL,
    POOL_NAME,
    RED,
    YELLOW,
    Board,
    Look,
    Query,
    figure,
    lines,
    panel,
    states,
    table,
)

_BY = "by (namespace, fleet, pool)"
_READY = f'sum {_BY} (utilitarian_queue_messages{{{OF_POOL}, state="ready"}})'
_WITHOUT = (
    f'{_READY} > 0) unless (max {_BY} (utilitarian_pool_workers{{{OF_POOL}, state="ready"}}) > 0) '
    f"unless (max {_BY} (utilitarian_pool_held_tasks{{{OF_POOL}}}) > 0) "
    f'unless on (namespace, fleet) (max by (namespace, fleet) (utilitarian_fleet_mode{{{OF_FLEET}, mode!="Auto"}}) > 0)'
)
"""As the alert has it: in Preview workers run elsewhere, and in Paused a person keeps the numbers."""
_OK = {0: ("no", RED), 1: ("yes", GREEN)}
_TO_QUEUE = (
    "/d/utilitarian-queue/?var-namespace=${__data.fields.namespace}&var-fleet=${__data.fields.fleet}"
    "&var-pool=${__data.fields.pool}&var-datasource=${datasource}&${__url_time_range}"
)


def fleet() -> Board:
    """All fleets."""
    return Board(
        "utilitarian-fleet",
        "All fleets: is anything wrong, what does each pool do and why, how many workers, and what does it cost.",
        [NAMESPACE, FLEET, POOL],
        {
            "Is anything waiting, is anyone working, is the operator seeing": [_alerts(), *_figures()],
            "All pools": [_states(), _pools()],
            "Work and workers": [_waiting(), _ceiling(), _workers(), _on_purpose()],
            "What it costs": [*_costs(), _used()],
            "What happened to workers": [_lost(), _leaving()],
        },
    )


def _alerts() -> Panel:
    options = {
        "alertInstanceLabelFilter": '{alertname=~"Utilitarian.*"}',
        "viewMode": "list",
        "groupMode": "default",
        "maxItems": 20,
        "sortOrder": 1,
        "stateFilter": {"firing": True, "pending": True, "noData": False, "normal": False, "error": True},
        "alertName": "Utilitarian",
    }
    text = "Alerts of the operator that fire or are about to; each has a runbook."
    return panel("alertlist", "Alerts", text, "short", [], Look(24, 4, options=options))


def _figures() -> list[Panel]:
    running = f'sum(utilitarian_pool_tasks{{{OF_POOL}, state="active"}})'
    ready = f'sum(utilitarian_pool_workers{{{OF_POOL}, state="ready"}})'
    wanted = f'sum(utilitarian_pool_workers{{{OF_POOL}, state="wanted"}})'
    bad = [(None, GREEN), (1, RED)]
    return [
        figure(
            "Waiting", "Messages that no worker has taken.", "short", [Query(f"sum({_READY})", "waiting")], Look(3, 4)
        ),
        figure(
            "Waiting without a worker",
            "Pools with messages, no ready worker, and no reason to wait.",
            "short",
            [Query(f"count(({_WITHOUT}) or vector(0)", "pools")],
            Look(3, 4, bad),
        ),
        figure(
            "Running", "Tasks that run, by the workers' own word.", "short", [Query(running, "running")], Look(3, 4)
        ),
        figure(
            "Workers",
            "Workers that are ready, and those that are asked for.",
            "workers",
            [Query(ready, "ready"), Query(wanted, "wanted")],
            Look(4, 4),
        ),
        *_sight(),
    ]


def _sight() -> list[Panel]:
    """Whether the operator sees, and what it may do."""
    return [
        figure(
            "Broker",
            "Whether every fleet's broker can be read.",
            "short",
            [Query(f"min(utilitarian_broker_reachable{{{OF_FLEET}}})", "reachable")],
            Look(2, 4, names=_OK),
        ),
        figure(
            "Beat",
            "Whether every fleet's beat is ready.",
            "short",
            [Query(f"min(utilitarian_beat_ready{{{OF_FLEET}}})", "ready")],
            Look(2, 4, names=_OK, no_value="none"),
        ),
        figure(
            "Operator's last look",
            "Seconds since the fleet that was looked at longest ago was looked at.",
            "s",
            [Query(f"max(utilitarian_tick_age_seconds{{{OF_FLEET}}})", "age")],
            Look(3, 4, [(None, GREEN), (10, YELLOW), (60, RED)]),
        ),
        figure(
            "Mode",
            "The mode of each fleet: Auto, Preview or Paused.",
            "short",
            [
                Query(
                    f"max by (namespace, fleet, mode) (utilitarian_fleet_mode{{{OF_FLEET}}}) > 0", "{{fleet}}: {{mode}}"
                )
            ],
            Look(4, 4, options={"textMode": "name"}),
        ),
    ]


_STATES = {
    0: ("asleep", GREY),
    1: ("working", GREEN),
    2: ("draining", BLUE),
    3: ("waits for a worker", YELLOW),
    4: ("ailing", RED),
    5: ("starting", ORANGE),
}


def _states() -> Panel:
    def workers(state: str) -> str:
        return f'max {_BY} (utilitarian_pool_workers{{{OF_POOL}, state="{state}"}})'

    expr = " or ".join(
        [
            f"4 * (max {_BY} (utilitarian_pool_ailing{{{OF_POOL}}}) > 0)",
            f"3 * clamp_max(({_WITHOUT}, 1)",
            f"clamp_max({workers('ready')} > 0, 1)",
            f"2 * clamp_max({workers('draining')} > 0, 1)",
            f"5 * clamp_max({workers('wanted')} > 0, 1)",
            f"0 * {workers('wanted')}",
        ]
    )
    text = (
        "What each pool does: asleep, starting its first workers, working, draining its last ones, waiting for a "
        "worker, or ailing."
    )
    return states("State of all pools", text, [Query(expr, POOL_NAME)], Look(24, 7, names=_STATES))


def _pools() -> Panel:
    def workers(state: str) -> Query:
        return Query(f'max {_BY} (utilitarian_pool_workers{{{OF_POOL}, state="{state}"}})')

    rule = f"sum by (namespace, fleet, pool, rule) (rate(utilitarian_decisions_total{{{OF_POOL}}}[$__rate_interval]))"
    columns = {
        "waiting": Query(_READY),
        "running": Query(f'sum {_BY} (utilitarian_pool_tasks{{{OF_POOL}, state="active"}})'),
        "ready": workers("ready"),
        "wanted": workers("wanted"),
        "max": workers("max"),
        "time to drain": Query(f"max {_BY} (utilitarian_pool_time_to_drain_seconds{{{OF_POOL}}})"),
        "promise": Query(f"max {_BY} (utilitarian_pool_drain_within_seconds{{{OF_POOL}}})"),
        "decisions by its rule": Query(f"topk by (namespace, fleet, pool) (1, {rule})"),
        "ails": Query(f"max by (namespace, fleet, pool, reason) (utilitarian_pool_ailing{{{OF_POOL}}}) > 0"),
    }
    hidden = {"custom.hidden": True}
    look = Look(
        24,
        7,
        overrides=[
            ("/^(time to drain|promise)$/", {"unit": "s"}),
            ("/^(decisions by its rule|ails)$/", hidden),
            ("/^pool$/", {"links": [{"title": "Queue", "url": _TO_QUEUE}]}),
        ],
    )
    text = (
        "Each pool with the rule that decided most of its last numbers, and what ails it. A pool's name leads to its "
        "dashboard."
    )
    return table("Pools, with the reason", text, columns, look)


def _waiting() -> Panel:
    text = "Messages that no worker has taken, by pool."
    return lines("Waiting, by pool", text, "short", [Query(_READY, POOL_NAME)])


def _ceiling() -> Panel:
    def of_fleet(state: str) -> str:
        return f'sum by (namespace, fleet) (utilitarian_pool_workers{{{OF_POOL}, state="{state}"}})'

    queries = [Query(of_fleet(it), f"{FLEET_NAME} {it}") for it in ("ready", "starting", "draining", "wanted")]
    queries.append(
        Query(f"max by (namespace, fleet) (utilitarian_fleet_max_workers{{{OF_FLEET}}})", f"{FLEET_NAME} maxWorkers")
    )
    dashed = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}
    look = Look(
        overrides=[("/maxWorkers$/", {**dashed, "color": {"mode": "fixed", "fixedColor": RED}}), ("/wanted$/", dashed)]
    )
    text = "Workers of each fleet beside the most that it may have (maxWorkers)."
    return lines("Workers against the ceiling", text, "workers", queries, look)


def _workers() -> Panel:
    ready, wanted = (f'max {_BY} (utilitarian_pool_workers{{{OF_POOL}, state="{it}"}})' for it in ("ready", "wanted"))
    dashed = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}
    queries = [Query(ready, f"{POOL_NAME} ready"), Query(wanted, f"{POOL_NAME} wanted")]
    text = "Workers that are ready, and those that are asked for (dashed), by pool."
    return lines("Workers, by pool", text, "workers", queries, Look(overrides=[("/wanted$/", dashed)]))


def _on_purpose() -> Panel:
    expr = f"sum {_BY} (utilitarian_pool_held_tasks{{{OF_POOL}}})"
    text = (
        "Tasks that no worker is asked for on purpose: they wait for a run, for their own time or until they are due."
    )
    return lines("Waiting on purpose, by pool", text, "short", [Query(expr, POOL_NAME)])


def _costs() -> list[Panel]:
    used = f"sum(increase(utilitarian_worker_seconds_total{{{OF_POOL}}}[$__range]))"
    idle = f'sum(increase(utilitarian_worker_seconds_total{{{OF_POOL}, state="idle"}}[$__range]))'
    always = f"sum(increase(utilitarian_always_on_worker_seconds_total{{{OF_POOL}}}[$__range]))"

    def one(title: str, text: str, unit: str, expr: str, steps: Sequence[tuple[float | None, str]] = ()) -> Panel:
        return figure(title, text, unit, [Query(expr, title.lower())], Look(4, 4, steps))

    bad_when_low = [(None, RED), (0.1, ORANGE), (0.3, GREEN)]
    bad_when_high = [(None, GREEN), (0.3, YELLOW), (0.6, RED)]
    return [
        one("Worker time", "Time of all workers that ran within the range shown.", "s", used),
        one(
            "Always on",
            "Time of workers if each pool had always had as many as it may, within the fleet's maxWorkers.",
            "s",
            always,
        ),
        one(
            "Saved",
            "The part of the time of workers that are always on that was not needed.",
            "percentunit",
            f"1 - {used} / ({always} > 0)",
            bad_when_low,
        ),
        one(
            "Idle",
            "The part of the workers' time in which they had nothing to do.",
            "percentunit",
            f"{idle} / ({used} > 0)",
            bad_when_high,
        ),
        _money("Money", "What the workers cost", "worker_cost"),
        _money("Money, always on", "What workers that are always on would cost", "always_on_worker_cost"),
    ]


def _money(title: str, what: str, metric: str) -> Panel:
    """An amount for each currency: there is one, unless it was changed within the range."""
    expr = f"sum by (currency) (increase(utilitarian_{metric}_total{{{OF_POOL}}}[$__range]))"
    said = f"{what} within the range shown, by the price that is set in the chart (`price`)."
    look = Look(4, 4, options={"textMode": "value_and_name"}, no_value="no price is set")
    return figure(title, said, "short", [Query(expr, "{{currency}}")], look)


def _used() -> Panel:
    used = f"sum by (namespace, fleet, state) (rate(utilitarian_worker_seconds_total{{{OF_POOL}}}[$__rate_interval]))"
    always = (
        f"sum by (namespace, fleet) (rate(utilitarian_always_on_worker_seconds_total{{{OF_POOL}}}[$__rate_interval]))"
    )
    apart = {
        "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
        "custom.fillOpacity": 0,
        "custom.stacking": {"mode": "none"},
        "color": {"mode": "fixed", "fixedColor": GREY},
    }
    stacked = {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    look = Look(24, custom=stacked, overrides=[("/always on$/", apart)])
    queries = [Query(used, f"{FLEET_NAME} {{{{state}}}}"), Query(always, f"{FLEET_NAME} always on")]
    said = "Workers that ran, busy and idle, beside those that would always run."
    return lines("Cost against always on", said, "workers", queries, look)


def _lost() -> Panel:
    of_all = f'{OF_FLEET}, pool=~"$pool|beat"'
    by = "by (namespace, fleet, pool, reason)"
    lost = f"sum {by} (increase(utilitarian_worker_losses_total{{{of_all}}}[$__rate_interval]))"
    stuck = f"sum {_BY} (increase(utilitarian_workers_replaced_total{{{OF_POOL}}}[$__rate_interval]))"
    queries = [Query(lost, f"{POOL_NAME} {{{{reason}}}}"), Query(stuck, f"{POOL_NAME} replaced: stuck")]
    text = "Workers lost though the operator kept them, by cause, and stuck ones that were replaced."
    return lines("Workers lost or replaced", text, "short", queries, Look(custom={"drawStyle": "bars"}))


def _leaving() -> Panel:
    draining, finishing = (
        f'max {_BY} (utilitarian_pool_workers{{{OF_POOL}, state="{state}"}})' for state in ("draining", "finishing")
    )
    slow = f"sum {_BY} (increase(utilitarian_slow_drains_total{{{OF_POOL}}}[$__rate_interval]))"
    wrong = f"sum {_BY} (increase(utilitarian_drain_wrong_victims_total{{{OF_POOL}}}[$__rate_interval]))"
    queries = [
        Query(draining, f"{POOL_NAME} draining"),
        Query(finishing, f"{POOL_NAME} finishing"),
        Query(slow, f"{POOL_NAME} slow"),
        Query(wrong, f"{POOL_NAME} wrong victim"),
    ]
    text = "Workers that finish what they hold before they go; slow ones, and those that Kubernetes took instead."
    return lines("Workers on their way out", text, "short", queries)
