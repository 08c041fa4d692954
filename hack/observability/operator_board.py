"""The dashboard of the operator itself: whether it looks, how well it sees, what fails and who leads."""

from grafana_foundation_sdk.builders.dashboard import Panel

from hack.observability.panels import (
    FLEET,
    FLEET_NAME,
    GREEN,
    NAMESPACE,
    OF_FLEET,
    RED,
    YELLOW,
    Board,
    Look,
    Query,
    figure,
    lines,
    states,
)

_TARGETS = "broker (AMQP), statistics, remote control of workers, and Kubernetes' API"


def operator() -> Board:
    """The operator."""
    return Board(
        "utilitarian-operator",
        "The operator itself: whether it looks, how well it sees, what fails and who leads.",
        [NAMESPACE, FLEET],
        {
            "Is it alive": _figures(),
            "Looks": [_age(), _length(), _conditions(), _mode()],
            "Sight": [_sources(), _reachable(), _latency(), _failed()],
            "Health of the process": [_errors(), _lag(), _kept(), _leaders(), _beat()],
        },
    )


def _figures() -> list[Panel]:
    return [
        figure(
            "Operator's last round",
            "Seconds since an operator last began a round of looks at all its fleets.",
            "s",
            [Query("time() - max(utilitarian_operator_last_tick_timestamp_seconds)", "ago")],
            Look(6, 4, [(None, GREEN), (10, YELLOW), (120, RED)]),
        ),
        figure(
            "Leaders",
            "Replicas that work; more than one only where several operators watch different namespaces.",
            "short",
            [Query("sum(utilitarian_leader)", "work"), Query("count(utilitarian_leader)", "replicas")],
            Look(6, 4),
        ),
        figure(
            "Version",
            "Versions of the operator that run.",
            "short",
            [Query("count by (version) (utilitarian_build_info)", "{{version}}")],
            Look(6, 4, options={"textMode": "name"}),
        ),
        figure(
            "Runs since",
            "Time since the operator's process started, the youngest first.",
            "s",
            [Query("time() - max(process_start_time_seconds and on (instance, job) utilitarian_build_info)", "since")],
            Look(6, 4),
        ),
    ]


def _age() -> Panel:
    expr = f"max by (namespace, fleet) (utilitarian_tick_age_seconds{{{OF_FLEET}}})"
    text = "Time since each fleet was last looked at; it is looked at once a tick."
    return lines("Since the last look", text, "s", [Query(expr, FLEET_NAME)])


def _length() -> Panel:
    asked = f"sum by (le) (rate(utilitarian_tick_duration_seconds_bucket{{{OF_FLEET}}}[$__rate_interval]))"
    queries = [Query(f"histogram_quantile({it}, {asked})", f"p{100 * it:.0f}") for it in (0.5, 0.95, 0.99)]
    return lines("Length of a look", "How long reading, deciding and acting took together.", "s", queries)


def _conditions() -> Panel:
    expr = f"max by (namespace, fleet, type) (utilitarian_condition{{{OF_FLEET}}})"
    names = {0: ("False", "#5a6270"), 1: ("True", "blue")}
    text = "The conditions of each resource; a gap where one is Unknown."
    return states("Conditions", text, [Query(expr, f"{FLEET_NAME} {{{{type}}}}")], Look(12, 10, names=names))


def _mode() -> Panel:
    expr = f"max by (namespace, fleet, mode) (utilitarian_fleet_mode{{{OF_FLEET}}})"
    names = {0: ("no", "#5a6270"), 1: ("yes", GREEN)}
    text = "The mode of each fleet over time."
    return states("Mode", text, [Query(expr, f"{FLEET_NAME} {{{{mode}}}}")], Look(12, 10, names=names))


def _sources() -> Panel:
    expr = f"max by (namespace, fleet, source) (utilitarian_sight_age_seconds{{{OF_FLEET}}})"
    text = (
        "Time since each source last answered: up to 2 s is live, up to 15 s sampled, older figures are not believed."
    )
    return lines("Since each source answered", text, "s", [Query(expr, f"{FLEET_NAME} {{{{source}}}}")])


def _reachable() -> Panel:
    expr = f"min by (namespace, fleet) (utilitarian_broker_reachable{{{OF_FLEET}}})"
    names = {0: ("unreachable", RED), 1: ("reachable", GREEN)}
    return states("Broker", "Whether each fleet's broker can be read.", [Query(expr, FLEET_NAME)], Look(names=names))


def _latency() -> Panel:
    asked = "sum by (target, le) (rate(utilitarian_request_seconds_bucket[$__rate_interval]))"
    queries = [Query(f"histogram_quantile({it}, {asked})", f"{{{{target}}}} p{100 * it:.0f}") for it in (0.5, 0.95)]
    return lines("Requests", f"How long requests take: {_TARGETS}.", "s", queries)


def _failed() -> Panel:
    queries = [
        Query("sum by (target) (rate(utilitarian_request_errors_total[$__rate_interval])) * 60", "{{target}} failed"),
        Query("sum by (target) (rate(utilitarian_request_seconds_count[$__rate_interval])) * 60", "{{target}} all"),
    ]
    return lines("Requests a minute, and those that failed", f"By who is asked: {_TARGETS}.", "cpm", queries)


def _errors() -> Panel:
    expr = "sum by (kind) (rate(utilitarian_errors_total[$__rate_interval])) * 60"
    return lines(
        "Looks that failed",
        "Looks at a fleet that failed, a minute, by kind of error.",
        "cpm",
        [Query(expr, "{{kind}}")],
        Look(8),
    )


def _lag() -> Panel:
    text = "How late the last tick came, because the process had no time for it; near 0 in good health."
    return lines(
        "Lag of the event loop",
        text,
        "s",
        [Query("max by (instance) (utilitarian_event_loop_lag_seconds)", "{{instance}}")],
        Look(8),
    )


def _kept() -> Panel:
    text = (
        "Memory that is taken by what the operator keeps of objects; beyond the limit the namespace that takes most is "
        "left alone."
    )
    queries = [
        Query("max by (instance) (utilitarian_kept_bytes)", "kept {{instance}}"),
        Query("max by (instance) (utilitarian_kept_limit_bytes)", "limit {{instance}}"),
    ]
    return lines("Memory of objects", text, "bytes", queries, Look(8))


def _leaders() -> Panel:
    names = {0: ("waits", "#5a6270"), 1: ("works", GREEN)}
    expr = "max by (instance) (utilitarian_leader)"
    return states("Leader", "Which replica works.", [Query(expr, "{{instance}}")], Look(12, 4, names=names))


def _beat() -> Panel:
    names = {0: ("down", RED), 1: ("ready", GREEN)}
    expr = f"min by (namespace, fleet) (utilitarian_beat_ready{{{OF_FLEET}}})"
    return states("Beat", "Whether each fleet's beat is ready.", [Query(expr, FLEET_NAME)], Look(12, 4, names=names))
