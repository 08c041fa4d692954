"""What a spec refers to, what is missing of it, and which change of it rolls which pods."""

from typing import Any

import pytest
import yaml

from tests.support.resources import resource
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core.blocker import CONFIG_MAP_MISSING, SECRET_MISSING
from utilitarian_operator.core.spec.references import (
    MOST_NAMED,
    Absent,
    Content,
    Target,
    Unreadable,
    checksums,
    kept_checksums,
    missing,
    references,
    targets,
    too_many_named,
)

SPEC = """
broker:
  urlFrom: {secretKeyRef: {name: env, key: URL}}
  stats: {urlFrom: {secretKeyRef: {name: stats, key: u}}}
  tls: {caFrom: {secretKeyRef: {name: tls, key: ca}}}
env: [{name: A, value: x}, {name: B, valueFrom: {configMapKeyRef: {name: conf, key: b}}}]
envFrom: [{secretRef: {name: all, optional: true}}]
pools:
  - {name: a, queues: [q], env: [{name: C, valueFrom: {secretKeyRef: {name: own, key: c, optional: true}}}]}
  - {name: b, queues: [r], envFrom: [{configMapRef: {name: more}}]}
"""
ENV, STATS, TLS = Target("Secret", "env"), Target("Secret", "stats"), Target("Secret", "tls")
CONF, ALL = Target("ConfigMap", "conf"), Target("Secret", "all")
OWN, MORE = Target("Secret", "own"), Target("ConfigMap", "more")
FULL: dict[Target, Content] = {
    ENV: {"URL": "1"},
    STATS: {"u": "1"},
    TLS: {"ca": "1"},
    CONF: {"b": "1"},
    ALL: {"x": "1"},
    OWN: {"c": "1"},
    MORE: {"y": "1"},
}
PARSED = parse(resource(SPEC)).spec
FLEET = effective_fleet(PARSED)


def lacking(target: Target, content: Content) -> list[tuple[str, str]]:
    found = missing(references(PARSED), {**FULL, target: content}, "ns", "")
    return [(it.reason, it.message) for it in found]


def test_every_place_is_found() -> None:
    assert {reference.path: reference.target for reference in references(PARSED)} == {
        "spec.broker.urlFrom": ENV,
        "spec.broker.stats.urlFrom": STATS,
        "spec.broker.tls.caFrom": TLS,
        "spec.env[1].valueFrom.configMapKeyRef": CONF,
        "spec.envFrom[0].secretRef": ALL,
        "spec.pools[0].env[0].valueFrom.secretKeyRef": OWN,
        "spec.pools[1].envFrom[0].configMapRef": MORE,
    }
    assert targets(references(PARSED), None) == set(FULL)
    assert targets([], FLEET) == set(FULL) - {STATS, TLS}


@pytest.mark.parametrize(
    "target,content,expected",
    [
        pytest.param(ENV, FULL[ENV], [], id="all there"),
        pytest.param(
            ENV,
            Absent(),
            [(SECRET_MISSING, "spec.broker.urlFrom: Secret ns/env does not exist; create it")],
            id="a secret",
        ),
        pytest.param(
            CONF,
            {"other": "1"},
            [(CONFIG_MAP_MISSING, "spec.env[1].valueFrom.configMapKeyRef: ConfigMap ns/conf has no key b; add it")],
            id="a key",
        ),
        pytest.param(
            MORE,
            Absent(),
            [
                (
                    CONFIG_MAP_MISSING,
                    "spec.pools[1].envFrom[0].configMapRef: ConfigMap ns/more does not exist; create it",
                )
            ],
            id="all keys of a pool",
        ),
        pytest.param(ALL, Absent(), [], id="optional"),
        pytest.param(OWN, {}, [], id="an optional key"),
        pytest.param(ENV, Unreadable(), [], id="unreadable is not missing"),
    ],
)
def test_what_is_missing_is_named_once(target: Target, content: Content, expected: list[tuple[str, str]]) -> None:
    assert lacking(target, content) == expected


@pytest.mark.parametrize(
    "target,content,rolled",
    [
        pytest.param(ENV, {"URL": "2"}, {"a", "b", None}, id="the broker"),
        pytest.param(ENV, {"URL": "1", "other": "2"}, set(), id="another key of its secret"),
        pytest.param(STATS, {"u": "2"}, set(), id="what only the operator reads"),
        pytest.param(TLS, {"ca": "2"}, set(), id="its certificates too"),
        pytest.param(CONF, {"b": "2"}, {"a", "b", None}, id="the fleet's variable"),
        pytest.param(ALL, {"x": "1", "y": "2"}, {"a", "b", None}, id="a new key of all keys"),
        pytest.param(ALL, Absent(), {"a", "b", None}, id="an optional one that went"),
        pytest.param(OWN, {"c": "2"}, {"a"}, id="one pool's"),
        pytest.param(MORE, {"y": "2"}, {"b"}, id="the other pool's"),
    ],
)
def test_a_change_rolls_whom_it_concerns(target: Target, content: Content, rolled: set[str | None]) -> None:
    before, after = checksums(FLEET, FULL, "uid"), checksums(FLEET, {**FULL, target: content}, "uid")
    assert {name for name in before if before[name] != after[name]} == rolled
    assert None not in after.values()


@pytest.mark.parametrize("content", [Unreadable(), Absent(), {}], ids=["unreadable", "gone", "without the key"])
def test_what_is_unknown_has_no_checksum(content: Content) -> None:
    assert set(checksums(FLEET, {**FULL, CONF: content}, "uid").values()) == {None}
    assert checksums(FLEET, {**FULL, MORE: Unreadable()}, "uid")["a"] is not None


def test_a_guess_needs_the_salt() -> None:
    """A reader of the pod template has the uid alone, and even the right guess doesn't come to what stands there."""
    assert not set(checksums(FLEET, FULL, "salt/uid").values()) & set(checksums(FLEET, FULL, "uid").values())


@pytest.mark.parametrize(
    "live,kept",
    [
        pytest.param(
            {"a": "old", "b": "old", None: "old"}, {"a": "old", "b": "old", None: "old"}, id="nothing-changed"
        ),
        pytest.param({"a": "older", "b": "old", None: None}, {"a": "new", "b": "old", None: "new"}, id="one-changed"),
        pytest.param({"a": "new", "b": "new", None: "new"}, {"a": "new", "b": "new", None: "new"}, id="salted-already"),
    ],
)
def test_an_upgrade_to_salted_checksums_rolls_no_pod(live: dict[str | None, str], kept: dict[str | None, str]) -> None:
    salted, unsalted = dict.fromkeys(("a", "b", None), "new"), dict.fromkeys(("a", "b", None), "old")
    assert kept_checksums(salted, unsalted, live) == kept


def test_the_checksum_tells_nothing_of_the_secret_to_another_resource() -> None:
    assert checksums(FLEET, FULL, "uid") != checksums(FLEET, FULL, "another")


def test_the_parts_of_a_url_are_named_each_and_a_change_of_any_rolls_the_pods() -> None:
    parts = "{host: {configMapKeyRef: {name: c, key: h}}, username: u, password: {secretKeyRef: {name: s, key: p}}}"
    spec = parse(resource(f"{{broker: {{from: {parts}}}, pools: [{{name: a, queues: [q]}}]}}")).spec
    found = {it.path: (it.target, it.key) for it in references(spec)}
    where, login = Target("ConfigMap", "c"), Target("Secret", "s")
    assert found == {"spec.broker.from.host": (where, "h"), "spec.broker.from.password": (login, "p")}
    contents = {where: {"h": "x"}, login: {"p": "eQ=="}}
    fleet = effective_fleet(spec)
    before = checksums(fleet, contents, "salt")
    for target, key in ((where, "h"), (login, "p")):
        after = checksums(fleet, {**contents, target: {key: "eg=="}}, "salt")
        assert all(after[name] != before[name] for name in ("a", None))


def test_what_a_fleet_names_beyond_its_share_is_neither_read_nor_followed_and_said_with_its_field() -> None:
    def named(first: int, count: int) -> list[dict[str, Any]]:
        return [
            {"name": f"V{n}", "valueFrom": {"secretKeyRef": {"name": f"s-{n}", "key": "k"}}}
            for n in range(first, first + count)
        ]

    pools = [
        {"name": "a", "queues": ["a"], "env": named(0, MOST_NAMED - 1)},  # with the broker's Secret
        {"name": "b", "queues": ["b"], "env": named(MOST_NAMED - 2, 2)},
        {"name": "c", "queues": ["c"], "env": named(0, 5)},
    ]
    spec = parse(resource(yaml.safe_dump({"pools": pools}))).spec
    fleet, found = effective_fleet(spec), references(spec)
    read = targets(found, fleet)
    assert len(read) == MOST_NAMED
    (said,) = too_many_named(spec)
    assert said.path == "spec.pools[1].env[1].valueFrom.secretKeyRef"
    assert said.remedy.startswith("broker, env and envFrom name more than 100 Secrets and ConfigMaps: this one")
    contents: dict[Target, Content] = {it: {"k": "1", "URL": "amqp://"} for it in read}
    assert [name for name, it in checksums(fleet, contents, "salt").items() if it is None] == ["b"]
    assert too_many_named(parse(resource(yaml.safe_dump({"pools": pools[:1]}))).spec) == []
