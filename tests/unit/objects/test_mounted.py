"""Which change of what is mounted rolls pods: each object is followed by itself, whatever becomes of the others."""

import pytest

from utilitarian_operator.core.objects.manifests import NOT_CARRIED, Mounted
from utilitarian_operator.core.objects.mounted import Contents, followed

A, B = "a" * 8, "b" * 8


def digest(text: str) -> str:
    return text * 16


def contents(a: str | None = None, b: str | None = None, *, of: str = "ab") -> Contents:
    """Of two objects, each a digit, or None where it is not known; `of`: those that are mounted."""
    given = {"a": (A, a), "b": (B, b)}
    each = {given[it][0]: None if given[it][1] is None else digest(given[it][1] or "") for it in of}
    return Contents(each, None if None in each.values() else "+".join(it or "" for it in each.values()))


def rolls(before: Mounted, now: Contents | None, *, leaves: bool = False) -> tuple[bool, Mounted]:
    after = followed(now, before, leaves=leaves)
    return after.on_pods != before.on_pods, after


NEW = followed(contents("1", "1"), None, leaves=False)


@pytest.mark.parametrize(
    "now, expected",
    [
        pytest.param(contents("1", "1"), False, id="nothing changed"),
        pytest.param(contents("2", "1"), True, id="one changed"),
        pytest.param(contents(None, "1"), False, id="one is not known"),
        pytest.param(contents(None, "2"), True, id="one is not known, and the other changed"),
        pytest.param(contents(None, None), False, id="nothing is known"),
        pytest.param(None, False, id="there is no salt, or there is too much to follow"),
        pytest.param(contents("1", of="a"), False, id="one is mounted no more: the template says so itself"),
    ],
)
def test_a_change_of_what_is_known_rolls(now: Contents | None, expected: bool) -> None:
    assert rolls(NEW, now)[0] == expected
    assert not rolls(NEW, now, leaves=True)[0]


@pytest.mark.parametrize("came_back, expected", [("1", False), ("2", True)], ids=["as it was", "changed"])
def test_what_comes_back_rolls_only_if_it_changed_meanwhile(came_back: str, expected: bool) -> None:
    """As a right that was taken away and given again, or a ConfigMap that was deleted and made anew."""
    _, away = rolls(NEW, contents(None, "1"))
    _, other = rolls(away, contents(None, "2"))
    for before, b in ((away, "1"), (other, "2")):
        assert rolls(before, contents(came_back, b))[0] == expected
        assert not rolls(followed(contents(came_back, b), before, leaves=False), contents(came_back, b))[0]


def test_what_is_known_first_later_on_rolls_nothing_and_its_next_change_does() -> None:
    made = followed(contents(None, None), None, leaves=False)
    assert made == NOT_CARRIED
    for now, expected in ((contents(None, "1"), False), (contents("1", "1"), False), (contents("1", "2"), True)):
        rolled, made = rolls(made, now)
        assert rolled == expected


def test_pods_that_are_left_are_rolled_by_what_changed_meanwhile_once_they_are_not_left_any_more() -> None:
    _, left = rolls(NEW, contents("2", "1"), leaves=True)
    assert rolls(left, contents("2", "1"))[0]


@pytest.mark.parametrize(
    "before, now, expected",
    [
        pytest.param(Mounted("1+1"), "1", False, id="pods carry the checksum of all"),
        pytest.param(Mounted("1+1"), "2", True, id="of which something changed meanwhile"),
        pytest.param(Mounted("1+1"), None, False, id="of which something is not known"),
        pytest.param(Mounted(noted="1+1"), "1", False, id="it was noted"),
        pytest.param(Mounted(noted="1+1"), "2", True, id="and changed meanwhile"),
        pytest.param(Mounted(noted="1+1"), None, False, id="and something is not known"),
        pytest.param(Mounted(), "1", False, id="nothing was followed"),
        pytest.param(Mounted("1+1", each="what a person wrote"), "1", False, id="the digests are no digests"),
        pytest.param(Mounted("1+1", each=f"{'c' * 8}:{'1' * 16}"), "1", False, id="they were made with another salt"),
        pytest.param(Mounted("1+1", each=f"{'c' * 8}:{'1' * 16}"), "2", True, id="and something changed meanwhile"),
    ],
)
def test_an_upgrade_rolls_no_worker_unless_something_changed(before: Mounted, now: str | None, expected: bool) -> None:
    both = contents(now, "1")
    together = None if both.together is None else f"{now}+1"
    rolled, after = rolls(before, Contents(both.each, together))
    assert rolled == expected
    assert after.each is not None
    assert after.noted is None
    assert not rolls(after, Contents(both.each, together))[0]
    assert rolls(after, contents(now, "3"))[0]


def test_what_an_earlier_version_left_alone_stays_so() -> None:
    before = Mounted(noted="1+1")
    assert rolls(before, contents("2", "1"), leaves=True) == (False, before)


def test_nothing_mounted_is_nothing_written() -> None:
    assert followed(contents(of=""), NEW, leaves=False) == NOT_CARRIED
    assert followed(None, None, leaves=False) == NOT_CARRIED
    assert followed(contents(None, None), Mounted(noted="x"), leaves=False) == Mounted(noted="x")
