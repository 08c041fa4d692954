"""What counts as left over, and what is taken away of the packet rules; reads and changes no real ones."""

from dataclasses import replace

from hack.engine import removals
from hack.snapshot import Snapshot, added_rules, left_over

BARE = Snapshot(processes=(), mounts=("/", "/proc"), links=("eth0", "lo"), rules={}, forwarding="0")
BEFORE = ("*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", "-A INPUT -s 10.9.9.9/32 -j DROP")
DURING = (
    *("*filter", ":INPUT ACCEPT", ":FORWARD DROP", ":DOCKER -", ":DOCKER-USER -"),
    "-A INPUT -s 10.9.9.9/32 -j DROP",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -i br-0123456789ab -j ACCEPT",
    "-A DOCKER-USER -j RETURN",
    *("*nat", ":POSTROUTING ACCEPT", ":DOCKER -"),
    "-A POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE",
)


def test_the_same_machine_has_nothing_left_over() -> None:
    assert left_over(BARE, BARE) == []


def test_each_thing_that_came_on_top_is_named_and_what_was_there_is_not() -> None:
    after = replace(
        BARE,
        processes=("77 dockerd",),
        mounts=("/", "/data/overlay2", "/proc"),
        links=("br-0123456789ab", "eth0", "lo"),
        rules={"iptables": DURING},
    )
    before = replace(BARE, rules={"iptables": BEFORE})
    assert left_over(before, after) == [
        "processes: 77 dockerd",
        "mounts: /data/overlay2",
        "links: br-0123456789ab",
        "iptables -t filter: :FORWARD DROP",
        "iptables -t filter: :DOCKER -",
        "iptables -t filter: :DOCKER-USER -",
        "iptables -t filter: -A FORWARD -j DOCKER-USER",
        "iptables -t filter: -A FORWARD -i br-0123456789ab -j ACCEPT",
        "iptables -t filter: -A DOCKER-USER -j RETURN",
        "iptables -t nat: :DOCKER -",
        "iptables -t nat: -A POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE",
    ]


def test_an_empty_table_that_appeared_is_no_rule() -> None:
    assert added_rules((), ("*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT")) == []


def test_rules_go_before_the_chains_they_point_to_and_the_policy_is_put_back() -> None:
    assert removals(added_rules(BEFORE, DURING)) == [
        ["-t", "filter", "-D", "FORWARD", "-j", "DOCKER-USER"],
        ["-t", "filter", "-D", "FORWARD", "-i", "br-0123456789ab", "-j", "ACCEPT"],
        ["-t", "filter", "-D", "DOCKER-USER", "-j", "RETURN"],
        ["-t", "nat", "-D", "POSTROUTING", "-s", "172.18.0.0/16", "!", "-o", "br-0123456789ab", "-j", "MASQUERADE"],
        ["-t", "filter", "-X", "DOCKER"],
        ["-t", "filter", "-X", "DOCKER-USER"],
        ["-t", "nat", "-X", "DOCKER"],
        ["-t", "filter", "-P", "FORWARD", "ACCEPT"],
    ]


def test_a_rule_that_was_added_meanwhile_is_left_alone() -> None:
    added = added_rules((), ("*filter", ":MINE -", "-A INPUT -s 10.1.1.1/32 -j MINE", "-A INPUT -i dockerx -j DROP"))
    assert len(added) == 3
    assert removals(added) == []


def test_a_snapshot_survives_being_written_and_read() -> None:
    snapshot = replace(BARE, rules={"iptables": DURING, "ip6tables": ()})
    assert Snapshot.from_json(snapshot.to_json()) == snapshot
