"""Whatever the order in which watches, lists and answers tell of objects, the store ends with those that are there.

A watch tells of each object in its order, and of two that had one name after the other in any (kopf has a task for each
object). A list, or the answer to a write, may come long after the moment that it speaks of.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store

KEY = Key("ns", "fleet")
LABELS = {"app.kubernetes.io/instance": "fleet"}
NAMES = ("a", "b")

Body = dict[str, Any]
Change = tuple[str, Body | None, Body | None]
"""A name, what it stood for before, and after."""


def body(name: str, uid: int, at: int) -> Body:
    metadata = {"namespace": "ns", "name": name, "labels": LABELS, "uid": f"uid-{uid}", "resourceVersion": str(at)}
    return {"metadata": metadata}


def history(steps: Sequence[tuple[str, bool]]) -> list[Change]:
    """What became of the objects, one version a step: each is made, changed, and taken away at last."""
    live: dict[str, Body] = {}
    changes: list[Change] = []
    for at, (name, goes) in enumerate(steps, start=1):
        before = live.get(name)
        if before is not None and goes:
            last = {"metadata": {**before["metadata"], "resourceVersion": str(at)}}
            del live[name]
            changes.append((name, last, None))
        else:
            made = body(name, at, at)
            if before is not None:
                made["metadata"]["uid"] = before["metadata"]["uid"]
            live[name] = made
            changes.append((name, before, made))
    return changes


def there(changes: Sequence[Change], at: int) -> dict[str, Body]:
    """The objects after so many changes."""
    latest = {name: after for name, _, after in changes[:at]}
    return {name: after for name, after in latest.items() if after is not None}


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Change], list[tuple[str, int]]]:
    """A history, and what is told of it in which order: `watch N`, `list N` (as of N), `answer N`."""
    steps = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=10))
    changes = history(steps)
    told, waiting = [], dict[str, list[int]]()
    for number, (_, before, after) in enumerate(changes):
        waiting.setdefault((after or before or {})["metadata"]["uid"], []).append(number)
    while waiting:
        uid = draw(st.sampled_from(sorted(waiting)))
        number = waiting[uid].pop(0)
        told.append(("watch", number))
        if not waiting[uid]:
            del waiting[uid]
    for what in draw(st.lists(st.sampled_from(("list", "answer")), max_size=4)):
        number = draw(st.integers(0, len(changes) - 1))
        told.insert(draw(st.integers(0, len(told))), (what, number))
    return changes, told


def tell(store: Store, changes: Sequence[Change], what: str, number: int) -> None:
    _, before, after = changes[number]
    if what == "list":
        store.replace(PODS, there(changes, number + 1).values(), number + 1)
    elif after is not None:
        store.see(PODS, after)
    elif what == "watch" and before is not None:
        store.see(PODS, before, deleted=True)


AGAIN = history([("a", False), ("a", True), ("a", False)])


@given(tellings())
@settings(max_examples=examples(400))
@example((AGAIN, [("watch", 0), ("watch", 2), ("watch", 1)]))  # made again before it is told that the first one went
@example((AGAIN[:2], [("watch", 0), ("watch", 1), ("list", 0)]))  # it went while the list was on its way
@example((AGAIN[:2], [("watch", 0), ("watch", 1), ("answer", 0)]))  # it went before the answer to its making came
def test_in_whatever_order_it_is_told_the_store_ends_with_what_is_there(
    told: tuple[list[Change], list[tuple[str, int]]],
) -> None:
    changes, order = told
    store = Store()
    for what, number in order:
        tell(store, changes, what, number)
    assert store.children(PODS, KEY) == there(changes, len(changes))
