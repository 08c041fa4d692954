"""What a pool's Secrets and ConfigMaps hold rolls its pods, no more often than its workers can bear."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.support.pools import NOW
from tests.support.resources import resource
from utilitarian_operator.core.labels import CONFIG_CHECKSUM, ENVIRONMENT, MOUNTS_CHECKSUM, owner_of
from utilitarian_operator.core.look import Made, Seen
from utilitarian_operator.core.made import MOST_ROLLS, WITHIN, made_objects, said_of_contents
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.spec.references import Absent, Content, Target, Unreadable

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
        return self.see({SETTINGS: {"x.py": text}, LOGIN: {"URL": login}}, **more)

    def see(self, contents: Mapping[Target, Content], **more: Any) -> Mapping[str, tuple[str, str]]:
        """The same of any contents."""
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


SPEC_OF_TWO = SPEC.replace(
    "{name: b, queues: [r]}",
    "{name: b, queues: [r], envFrom: [{secretRef: {name: more}}, {secretRef: {name: may-be, optional: true}}]}",
)
MORE, MAY_BE = Target("Secret", "more"), Target("Secret", "may-be")
REFUSED = Unreadable()


@pytest.mark.parametrize(
    "first, then, rolls",
    [
        pytest.param({}, {}, False, id="nothing changes"),
        pytest.param({}, {MORE: {"k": "2"}}, True, id="a change"),
        pytest.param({}, {MORE: REFUSED}, False, id="one may not be read"),
        pytest.param({MORE: REFUSED}, {MORE: REFUSED, LOGIN: {"URL": "2"}}, True, id="another changes meanwhile"),
        pytest.param({MORE: REFUSED}, {}, False, id="it may be read"),
        pytest.param({}, {MORE: Absent()}, False, id="one is gone"),
        pytest.param({}, {MORE: Absent(), LOGIN: {"URL": "2"}}, False, id="and no new pod could start"),
        pytest.param({MAY_BE: Absent()}, {}, True, id="one comes that may be there"),
    ],
)
def test_each_object_of_an_environment_is_followed_by_itself(
    first: Mapping[Target, Content], then: Mapping[Target, Content], rolls: bool
) -> None:
    body = resource(SPEC_OF_TWO)
    body["metadata"] |= RESOURCE["metadata"]
    all_of_it = {LOGIN: {"URL": "1"}, SETTINGS: {"x.py": "1"}, MORE: {"k": "1"}, MAY_BE: {"k": "1"}}
    world = World()
    world.running = Acceptance(body).judge(body)
    before = world.see({**all_of_it, **first})["b"]
    assert (world.see({**all_of_it, **then})["b"] != before) == rolls
    assert world.see({**all_of_it, **first})["b"] == before or rolls
    again = world.see({**all_of_it, **then})
    assert world.see({**all_of_it, **then}) == again


@pytest.mark.parametrize("salt", [None, "salt"])
def test_an_upgrade_notes_what_pods_have_and_rolls_none(salt: str | None) -> None:
    world = World()
    before = world.look("1", salt=salt)
    for it in world.live["Deployment"].values():
        del it["metadata"]["annotations"][ENVIRONMENT]
    world.made = None
    assert world.look("1", salt=salt) == before
    assert all(ENVIRONMENT in it["metadata"]["annotations"] for it in world.live["Deployment"].values())
    assert world.look("1", login="2", salt=salt)["b"] != before["b"]
