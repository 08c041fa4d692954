"""A list is read in pages that are not too long, and a page object by object."""

import json
from typing import Any

import pytest

from utilitarian_operator.adapters.cluster.pages import MOST_OF_A_PAGE, MOST_OF_ONE, PAGE, Pages, PageTooLong, listed
from utilitarian_operator.api.objects import Object

SORTED = {"apiVersion": "utilitarian.io/v1alpha1", "items": [], "kind": "L", "metadata": {"continue": "x"}}
TYPED = {"kind": "L", "apiVersion": "v1", "metadata": {"continue": "x"}, "items": []}
ITEMS: list[Any] = [
    {"a": {"items": [1, {"b": '"items":['}]}},
    {"text": 'é€😀\\" ,]}{['},
    {},
]


def spelt(value: Object, blanks: bool = False) -> bytes:  # noqa: FBT002 - a parameter of the test
    return json.dumps(value, ensure_ascii=False, separators=None if blanks else (",", ":")).encode()


@pytest.mark.parametrize("form", [SORTED, TYPED], ids=["sorted", "typed"])
@pytest.mark.parametrize("blanks", [False, True], ids=["", "with-blanks"])
@pytest.mark.parametrize("items", [[], ITEMS, ITEMS[:1], [ITEMS[2]] * 3], ids=["none", "three", "one", "empty"])
def test_a_page_is_the_same_object_by_object(form: Object, blanks: bool, items: list[Any]) -> None:
    whole = {**form, "items": items}
    seen: list[Any] = []
    assert listed(spelt(whole, blanks), lambda it: seen.append(it) or it) == whole
    assert seen == items


def test_what_is_not_kept_is_left_out() -> None:
    assert listed(spelt({**TYPED, "items": [{"a": 1}, {"a": 2}]}), lambda it: it if it["a"] > 1 else None)["items"] == [
        {"a": 2}
    ]


def test_no_two_objects_are_there_as_a_whole() -> None:
    text = spelt({**TYPED, "items": [{"a": 1}, "no object"]})[:-8] + b"broken"
    seen: list[Any] = []
    with pytest.raises(ValueError, match="Unterminated"):
        listed(text, seen.append)
    assert seen[0] == {"a": 1}


def test_what_lies_too_deep_in_one_leaves_the_others() -> None:
    deep = b'{"deep":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    text = b'{"kind":"L","metadata":{},"items":[{"a":1},' + deep + b',{"a":2}]}'
    first, _, last = listed(text, lambda it: it)["items"]
    assert (first, last) == ({"a": 1}, {"a": 2})


@pytest.mark.parametrize("text", [b"null", b"[]", b'{"items":null}', b'{"items":3}'])
def test_what_is_no_list_is_given_as_it_is(text: bytes) -> None:
    assert listed(text, lambda it: it) == json.loads(text)


async def test_a_page_that_is_too_long_is_asked_for_with_fewer_objects() -> None:
    pages, asked = Pages(), list[tuple[int, int]]()

    async def ask(limit: int, most: int) -> bytes:
        asked.append((limit, most))
        if limit > 3:
            raise PageTooLong("long")
        return b"{}"

    assert await pages.read(ask) == b"{}"
    assert asked == [(PAGE, MOST_OF_A_PAGE), (PAGE // 8, MOST_OF_A_PAGE), (7, MOST_OF_A_PAGE), (1, MOST_OF_ONE)]
    asked.clear()
    await pages.read(ask)
    assert asked == [(2, MOST_OF_A_PAGE)]


async def test_one_object_that_is_too_long_is_no_page() -> None:
    async def ask(_limit: int, _most: int) -> bytes:
        raise PageTooLong("long")

    with pytest.raises(PageTooLong):
        await Pages().read(ask)
