"""What RabbitMQ's pages say: labels as they are escaped, channels, leaders, other virtual hosts, and speed."""

import json
import time
from collections.abc import Generator

import pytest

from tests.support.pace import Pace
from utilitarian_operator.adapters.broker.statistics_page import (
    CLUSTER,
    LONGEST_NAME,
    MOST_ROWS,
    SLICE,
    _at_once,
    from_management,
    from_prometheus,
    management_in_steps,
    peers_in_steps,
    prometheus_in_steps,
    rows_in_steps,
)
from utilitarian_operator.core.observation.counted.queue_rates import NodeStatistics, Row

IDENTITY = """# TYPE rabbitmq_identity_info untyped
# HELP rabbitmq_identity_info RabbitMQ node & cluster identity info
rabbitmq_identity_info{rabbitmq_node="rabbit@a",rabbitmq_cluster="rabbit@a"} 1
"""
SUMS_UP = "queue_messages_acked_total"
QUEUES = 1000
SLOW_S = 0.06
"""Ten times what an idle machine takes; the whole of Prometheus' own parser took twenty times as long."""


def page(*families: str) -> str:
    return "".join(families) + IDENTITY


def family(name: str, *lines: str) -> str:
    head = f"# TYPE rabbitmq_detailed_{name} gauge\n# HELP rabbitmq_detailed_{name} What it says\n"
    return head + "".join(f"rabbitmq_detailed_{name}{{{labels}}} {value}\n" for labels, value in map(split, lines))


def split(line: str) -> tuple[str, str]:
    labels, _, value = line.rpartition(" ")
    return labels, value


def gauges(labels: str, ready: int = 1, unacked: int = 2) -> str:
    return family("queue_messages_ready", f"{labels} {ready}") + family("queue_messages_unacked", f"{labels} {unacked}")


@pytest.mark.parametrize(
    "label,queue",
    [
        pytest.param("plain.name", "plain.name", id="plain"),
        pytest.param(r"a\"b", 'a"b', id="quote"),
        pytest.param(r"a\\b", "a\\b", id="backslash"),
        pytest.param(r"a\nb", "a\nb", id="newline"),
        pytest.param(r"a\\nb", "a\\nb", id="a backslash before an n"),
        pytest.param('a\\",queue=\\"b', 'a",queue="b', id="what looks like a label"),
        pytest.param("mätare} 7", "mätare} 7", id="what looks like a figure"),
    ],
)
def test_names_are_read_as_they_are(label: str, queue: str) -> None:
    for vhost in ("/", 'a"b', "a\\b", "(.*)"):
        quoted = vhost.replace("\\", "\\\\").replace('"', '\\"')
        read = from_prometheus(page(gauges(f'vhost="{quoted}",queue="{label}"')), vhost).statistics
        assert read == NodeStatistics("rabbit@a", {queue: Row(1, 2)})


def test_queues_of_other_virtual_hosts_are_left_out() -> None:
    channel = 'channel="<0.1.0>",vhost="other",queue="q" 7'
    body = page(gauges('vhost="other",queue="q"'), family("channel_messages_acked_total", channel))
    assert from_prometheus(body, "/").statistics == NodeStatistics("rabbit@a", {})


def test_a_name_of_a_node_is_short_and_has_nothing_that_a_terminal_obeys() -> None:
    """Of a node that is missing later it stands in the status and the log."""
    body = IDENTITY.replace('"rabbit@a"', '"\x1b[2J\\n\u202e' + "a" * 100_000 + '"')
    node = from_prometheus(body, "/").statistics.node
    assert node.isprintable()
    assert node.endswith("a")
    assert len(node) == LONGEST_NAME


def test_what_left_is_told_by_channel_or_by_queue() -> None:
    labels = 'vhost="/",queue="q"'
    of_channels = page(
        family("channel_messages_acked_total", f'channel="<0.1.0>",{labels} 7', f'channel="<0.2.0>",{labels} 1'),
        family("channel_messages_delivered_total", f'channel="<0.1.0>",{labels} 2'),
        family("channel_messages_delivered_ack_total", f'channel="<0.1.0>",{labels} 90'),
    )
    read = from_prometheus(of_channels, "/")
    assert (read.sums_up, read.statistics.left) == (False, {("q", "<0.1.0>"): 9, ("q", "<0.2.0>"): 1})
    read = from_prometheus(page(family(SUMS_UP, f"{labels} 7"), family("queue_get_total", f"{labels} 1")), "/")
    assert (read.sums_up, read.statistics.left) == (True, {("q", ""): 8})


def test_a_node_that_sums_up_says_so_before_anything_was_done() -> None:
    assert from_prometheus(page(family(SUMS_UP)), "/").sums_up


@pytest.mark.parametrize("membership,leads", [("leader", True), ("follower", False), (None, None)])
def test_who_leads_is_told_by_newer_nodes(membership: str | None, leads: bool | None) -> None:
    labels = 'vhost="/",queue="q"'
    info = [f'{labels},queue_type="rabbit_quorum_queue",membership="{membership}" 1'] if membership else []
    body = page(gauges(labels), family("queue_info", *info))
    assert from_prometheus(body, "/").statistics.rows == {"q": Row(1, 2, leads)}


def test_a_queue_without_both_figures_is_not_listed() -> None:
    labels = 'vhost="/",queue="q"'
    for body in (family("queue_messages_ready", f"{labels} 1"), family("queue_messages_unacked", f"{labels} 1")):
        assert from_prometheus(page(body), "/").statistics.rows == {}
    undefined = family("queue_messages_ready", f"{labels} undefined") + family("queue_messages_unacked", f"{labels} 1")
    assert from_prometheus(page(undefined), "/").statistics.rows == {}


@pytest.mark.parametrize("body", ["", "<html>", gauges('vhost="/",queue="q"'), IDENTITY[:90]])
def test_a_page_without_its_end_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="rabbitmq_identity_info"):
        from_prometheus(body, "/")


def test_a_listing_of_the_management_api() -> None:
    body = """[
        {"name": "q", "messages_ready": 1, "messages_unacknowledged": 2, "messages_details": {"rate": 0.0},
         "message_stats": {"ack": 3, "deliver_no_ack": 4, "get_no_ack": 5, "deliver": 99, "publish": 98}},
        {"name": "quiet", "messages_ready": 0, "messages_unacknowledged": 0, "messages_details": {"rate": 0.0}},
        {"name": "uncounted", "messages_ready": 5, "messages_unacknowledged": 0},
        {"name": "down", "state": "down"}
    ]"""
    expected = {"q": Row(1, 2), "quiet": Row(0, 0), "uncounted": Row(5, 0)}, {("q", ""): 12, ("quiet", ""): 0}
    assert from_management(body) == NodeStatistics(CLUSTER, *expected, of_all=True)


@pytest.mark.parametrize("said", ["1e308", "NaN", "-5", "null", "true", '"9"', "[]", "9" * 400])
def test_what_is_no_count_is_not_counted_as_left(said: str) -> None:
    body = f"""[{{"name": "q", "messages_ready": 1, "messages_unacknowledged": 2, "messages_details": {{}},
        "message_stats": {{"ack": {said}, "get_no_ack": 5}}}}]"""
    assert from_management(body).left == {("q", ""): 5}


def test_a_thousand_queues_are_read_in_no_time() -> None:
    names = (
        *("queue_messages_ready", "queue_messages_unacked", "queue_messages", "queue_process_reductions_total"),
        *("queue_get_ack_total", "queue_get_total", "queue_messages_delivered_ack_total", SUMS_UP, "queue_info"),
        *("queue_messages_delivered_total", "queue_messages_redelivered_total", "queue_get_empty_total"),
    )
    lines = [f'vhost="/",queue="utilitarian.tasks.queue-{number}" {number}' for number in range(QUEUES)]
    body = page(*(family(name, *lines) for name in names))
    took = []
    for _ in range(3):
        started = time.process_time()
        assert len(from_prometheus(body, "/").statistics.rows) == QUEUES
        took.append(time.process_time() - started)
    assert Pace().allows(min(took), SLOW_S)


@pytest.mark.parametrize("figure", ["-1", "true", "1.5", '"7"', "null", str(10**15)])
def test_what_is_no_count_of_messages_is_not_known(figure: str) -> None:
    listed = f'[{{"name": "q", "messages_ready": {figure}, "messages_unacknowledged": 2}}]'
    assert from_management(listed).rows == {}
    assert from_prometheus(page(gauges('vhost="/",queue="q"', ready=10**15)), "/").statistics.rows == {}


LONG = SLICE * 3
"""Characters that no line or row of RabbitMQ's has."""


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(prometheus_in_steps(IDENTITY + "}" * LONG, "/"), id="a line"),
        pytest.param(prometheus_in_steps("}" * LONG, "/"), id="a line before any node"),
        pytest.param(prometheus_in_steps(IDENTITY + "# TYPE rabbitmq_detailed_" * LONG, "/"), id="families"),
        pytest.param(peers_in_steps("}" * LONG), id="a line among nodes"),
        pytest.param(management_in_steps('[{"name": "q", "x": [' + "[]," * SLICE + "1]}]"), id="a row"),
        pytest.param(rows_in_steps('[{"name": "q", "x": [' + "[]," * SLICE + "1]}]", dict), id="a row of declarations"),
        pytest.param(rows_in_steps("[" + '{"name":""},' * (MOST_ROWS + 1) + "{}]", dict), id="declarations"),
    ],
)
def test_what_would_hold_the_event_loop_is_refused(steps: Generator[None, None, object]) -> None:
    """A listing with one row of 15 MiB held all fleets of the operator for more than a second, each five seconds."""
    with pytest.raises(ValueError, match=r"line without end|more than|delimiter|Expecting"):
        list(steps)


@pytest.mark.parametrize("size", [SLICE // 2, SLICE - 100, SLICE // 3 + 1])
def test_rows_are_read_wherever_a_step_ends(size: int) -> None:
    rows = [{"name": f"q{it}", "messages_ready": it, "messages_unacknowledged": 0, "x": "y" * size} for it in range(7)]
    body = json.dumps(rows)
    assert [(name, row.ready) for name, row in from_management(body).rows.items()] == [
        (f"q{it}", it) for it in range(7)
    ]
    steps = rows_in_steps(body, dict)
    assert 1 + sum(1 for _ in steps) >= len(body) // SLICE


def test_peers_are_told_wherever_a_step_ends() -> None:
    line = 'erlang_vm_dist_node_state{peer="rabbit@%d"} 3\n'
    body = "".join(("# HELP x y\n" * 10_000) + line % it for it in range(5))
    assert _at_once(peers_in_steps(body)) == [f"rabbit@{it}" for it in range(5)]
