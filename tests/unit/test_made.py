"""What a pool's Secrets and ConfigMaps hold rolls its pods, no more often than its workers can bear."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.support.pools import NOW
from tests.support.resources import resource
from utilitarian_operator.core.labels import CONFIG_CHECKSUM, MOUNTS_CHECKSUM, owner_of
from utilitarian_operator.core.look import Made, Seen
from utilitarian_operator.core.made import MOST_ROLLS, WITHIN, made_objects, said_of_contents
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.spec.references import Content, Target

SPEC = """
pools:
  - {name: a, queues: [q], pod: {volumes: [{name: s, configMap: {name: settings}}],
                                 volumeMounts: [{name: s, mountPath: /s}]}}
  - {name: b, queues: [r]}
beat: {enabled: false}
"""
RESOURCE = resource(SPEC)
RESOURCE["metadata"] |= {"namespace": "ns", "uid": "u", "generation": 1}
SETTINGS, LOGIN = Target("ConfigMap", "settings", digested=True), Target("Secret", "env")
NOTHING: dict[str, dict[str, Any]] = {"Deployment": {}, "StatefulSet": {}, "PodDisruptionBudget": {}}


class World:
    """A resource whose objects are there as they were made last."""

    def __init__(self) -> None:
        self.running = Acceptance(RESOURCE).judge(RESOURCE)
        self.live, self.made = NOTHING, None
        self.now = NOW

    made: Made | None

    def look(self, text: str, login: str = "1", **more: Any) -> Mapping[str, tuple[str, str]]:
        """What each pool's pods have after a look at these contents: the checksums of environment and mounts."""
        contents: dict[Target, Content] = {SETTINGS: {"x.py": text}, LOGIN: {"URL": login}}
        self.seen = Seen(RESOURCE, live=self.live, contents=contents, **more)
        self.made = made_objects(self.running, owner_of(RESOURCE), self.seen, self.made, self.now)
        assert self.made is not None
        there = {it.name: it.manifest for it in self.made.wanted if it.kind == "Deployment"}
        self.live = {**NOTHING, "Deployment": there}
        on_pods = {name[-1]: it["spec"]["template"]["metadata"]["annotations"] for name, it in there.items()}
        return {name: (it.get(CONFIG_CHECKSUM, ""), it.get(MOUNTS_CHECKSUM, "")) for name, it in on_pods.items()}

    def said(self) -> list[str]:
        assert self.running.fleet is not None
        return list(said_of_contents(self.running, self.running.fleet, self.seen, self.made))


def test_a_few_changes_roll_at_once_and_one_that_never_stops_now_and_then() -> None:
    world, rolls = World(), 0
    before = world.look("0")["a"]
    for second in range(1, 1 + int(2 * WITHIN.total_seconds()), 30):
        world.now = NOW + timedelta(seconds=second)
        after = world.look(str(second))["a"]
        rolls += after != before
        before = after
    assert rolls == 2 * MOST_ROLLS
    (said,) = world.said()
    assert said.startswith(
        "pool a is rolled again at 2026-03-02T12:20:01Z: its Secrets or ConfigMaps changed 4 times in"
    )
    world.now += WITHIN
    assert world.look(str(second))["a"] != before
    assert not world.said()


def test_one_pool_that_waits_holds_up_no_other() -> None:
    world = World()
    for number in range(MOST_ROLLS + 3):
        before = world.look(str(number))
    after = world.look("again", login="2")
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]


def test_the_same_contents_make_nothing_anew() -> None:
    world = World()
    world.look("0")
    made = world.made
    world.look("0")
    assert world.made is made


def test_an_edit_takes_what_waits_with_it() -> None:
    world = World()
    for number in range(MOST_ROLLS + 3):
        before = world.look(str(number))
    world.running = Acceptance(RESOURCE).judge(RESOURCE)
    assert world.look(str(number))["a"] != before["a"]


def test_what_may_not_be_read_is_said_but_of_the_broker_more_is_said_elsewhere() -> None:
    world = World()
    world.look("0", unread=frozenset({LOGIN, SETTINGS}))
    (said,) = world.said()
    assert said.startswith("the operator may not read ConfigMap settings, so no change of it rolls a pod")
