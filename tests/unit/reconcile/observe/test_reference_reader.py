"""How the Secrets and ConfigMaps of a resource are read: each now and then, and what can't be read is not forgotten."""

import hashlib

import pytest

from tests.support.contents import NAMESPACE, Contents, encoded, secrets
from utilitarian_operator.core.spec.references import Absent, Target, Unreadable
from utilitarian_operator.errors import ClusterError, Rejected
from utilitarian_operator.reconcile.observe.reference_reader import (
    AT_ONCE,
    LATER_S,
    MISSING_READ_EVERY_S,
    READ_EVERY_S,
    ReferenceReader,
)

A, B = Target("Secret", "a"), Target("Secret", "b")
BOTH = {A, B}


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def reader(contents: Contents, clock: Time | None = None) -> ReferenceReader:
    return ReferenceReader(contents.cluster, NAMESPACE, clock or Time())


async def test_each_object_is_read_once_and_again_after_a_refused_login() -> None:
    contents = await secrets(a={"k": "v"})
    reads = reader(contents)
    assert await reads.read(BOTH) == await reads.read(BOTH) == {A: {"k": encoded("v")}, B: Absent()}
    assert contents.read == ["a", "b"]
    reads.read_again()
    await reads.read(BOTH)
    assert contents.read == ["a", "b", "a", "b"]


async def test_what_is_missing_is_looked_for_more_often_than_what_is_there() -> None:
    contents, clock = await secrets(a={"k": "v"}), Time()
    reads = reader(contents, clock)
    await reads.read(BOTH)
    clock.now_s += MISSING_READ_EVERY_S
    await reads.read(BOTH)
    assert contents.read == ["a", "b", "b"]
    clock.now_s += READ_EVERY_S
    await reads.read(BOTH)
    assert contents.read == ["a", "b", "b", "a", "b"]


async def test_what_was_read_for_the_login_is_not_read_a_second_time() -> None:
    contents, clock = await secrets(a={"k": "v"}, b={"k": "w"}), Time()
    reads = reader(contents, clock)
    reads.noted("Secret", "a", await contents.cluster.read("Secret", NAMESPACE, "a"))
    first = await reads.read(BOTH)
    assert first == {A: {"k": encoded("v")}, B: {"k": encoded("w")}}
    for _ in range(3):
        clock.now_s += READ_EVERY_S
        reads.noted("Secret", "a", await contents.cluster.read("Secret", NAMESPACE, "a"))
        assert await reads.read(BOTH) == first
    assert contents.read == ["a", *["b", "a"] * 3, "b"]  # of which each `a` is the login's own
    clock.now_s += READ_EVERY_S + LATER_S
    await reads.read(BOTH)
    assert contents.read[8:] == ["a", "b"]  # nothing was noted: it is read here


async def test_what_is_noted_and_new_is_told_at_once_and_the_same_stays_the_same_mapping() -> None:
    contents, clock = await secrets(a={"k": "v"}, b={"k": "w"}), Time()
    reads = reader(contents, clock)
    before = await reads.read(BOTH)
    reads.noted("Secret", "a", await contents.cluster.read("Secret", NAMESPACE, "a"))
    assert await reads.read(BOTH) is before
    await contents.put("Secret", a={"k": "new"})
    reads.noted("Secret", "a", await contents.cluster.read("Secret", NAMESPACE, "a"))
    assert (await reads.read(BOTH))[A] == {"k": encoded("new")}


async def test_of_what_is_mounted_only_digests_are_kept() -> None:
    contents, files = await secrets(a={"k": "v"}), Target("Secret", "a", digested=True)
    found = await reader(contents).read({A, files})
    assert found[A] == {"k": encoded("v")}
    assert found[files] == {"k": hashlib.sha256(encoded("v").encode()).hexdigest()}


async def test_a_config_map_has_texts_and_bytes() -> None:
    contents, conf = Contents(), Target("ConfigMap", "conf")
    await contents.put("ConfigMap", conf={"k": "v"})
    live = await contents.cluster.read("ConfigMap", NAMESPACE, "conf")
    await contents.cluster.patch(live, {"binaryData": {"b": encoded("w")}})
    assert await reader(contents).read({conf}) == {conf: {"k": "v", "b": encoded("w")}}


@pytest.mark.parametrize("error", [Rejected("HTTP 403"), ClusterError("timed out")], ids=["forbidden", "away"])
async def test_what_can_not_be_read_keeps_what_was_read_last(error: ClusterError) -> None:
    contents = await secrets(a={"k": "1"}, b={"k": "2"})
    reads = reader(contents)
    before = await reads.read(BOTH)
    contents.errors["a"] = error
    await contents.put("Secret", b={"k": "3"})
    reads.read_again()
    away = not isinstance(error, Rejected)
    assert await reads.read(BOTH) == {**before, B: before[B] if away else {"k": encoded("3")}}
    assert reads.refused == (frozenset() if away else {A})
    assert await reader(contents).read({A}) == {A: Unreadable()}
    contents.errors.clear()
    reads.read_again()
    await reads.read(BOTH)
    assert not reads.refused


async def test_when_the_api_server_is_away_the_others_are_not_tried() -> None:
    contents = await secrets(a={}, b={})
    contents.errors["a"] = ClusterError("timed out")
    assert await reader(contents).read(BOTH) == {A: Unreadable(), B: Unreadable()}
    assert contents.read == ["a"]


async def test_files_that_are_large_are_read_a_few_at_a_look_and_the_more_seldom_the_more_they_are() -> None:
    """Their author may have made them so: what is read must not keep the event loop from other fleets."""
    contents, clock = await secrets(**{f"s{n}": {"k": "x" * (AT_ONCE // 2)} for n in range(8)}), Time()
    reads = reader(contents, clock)
    files = {Target("Secret", f"s{n}", digested=True) for n in range(8)}
    asked = []
    for _ in range(12):
        found = await reads.read(files)
        asked.append(len(contents.read))
        clock.now_s += 1
    assert asked == [2, 4, 6, 8, *[8] * 8]
    assert Unreadable() not in found.values()
    clock.now_s += 2 * READ_EVERY_S
    before = len(contents.read)
    for _ in range(int(4 * READ_EVERY_S)):
        await reads.read(files)
        clock.now_s += 1
    assert len(contents.read) - before == 8


async def test_a_login_is_read_whatever_files_wait() -> None:
    contents = await secrets(**{f"s{n}": {"k": "x" * AT_ONCE} for n in range(3)}, z={"k": "v"})
    reads = reader(contents)
    login = Target("Secret", "z")
    found = await reads.read({login, *(Target("Secret", f"s{n}", digested=True) for n in range(3))})
    assert found[login] == {"k": encoded("v")}
    contents.read.clear()
    reads.read_again()
    before = len(contents.read)
    await reads.read({login, Target("Secret", "s0", digested=True)})
    assert contents.read[before:] == ["z"]
