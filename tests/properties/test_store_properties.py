"""Whatever the order in which watches, lists and answers tell of objects, the store ends with those that are there.

Each is with the fleet that its label names at last: who takes a pod out of its fleet to look at it changes that. A
watch tells of each object in its order, and of two that had one name after the other in any (kopf has a task for each
object). A list, or the answer to a write, may come long after the moment that it speaks of.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from utilitarian_operator.adapters.cluster.cache import PODS, Key, Store

FLEETS = ("fleet", "other")
NO_FLEET = ""
NAMES = ("a", "b")

Body = dict[str, Any]
Change = tuple[str, Body | None, Body | None]
"""A name, what it stood for before, and after."""


def body(name: str, fleet: str, uid: int, at: int) -> Body:
    labels = {"app.kubernetes.io/instance": fleet} if fleet else {}
    metadata = {"namespace": "ns", "name": name, "labels": labels, "uid": f"uid-{uid}", "resourceVersion": str(at)}
    return {"metadata": metadata}


def history(steps: Sequence[tuple[str, str | None]]) -> list[Change]:
    """What became of the objects, one version a step: each is made, changed, and taken away at last.

    Args:
        steps: the name, and the fleet that it is of from now on; None: it goes.
    """
    live: dict[str, Body] = {}
    changes: list[Change] = []
    for at, (name, fleet) in enumerate(steps, start=1):
        before = live.get(name)
        if before is not None and fleet is None:
            last = {"metadata": {**before["metadata"], "resourceVersion": str(at)}}
            del live[name]
            changes.append((name, last, None))
        else:
            made = body(name, fleet or NO_FLEET, at, at)
            if before is not None:
                made["metadata"]["uid"] = before["metadata"]["uid"]
            live[name] = made
            changes.append((name, before, made))
    return changes


def there(changes: Sequence[Change], at: int) -> dict[str, Body]:
    """The objects after so many changes."""
    latest = {name: after for name, _, after in changes[:at]}
    return {name: after for name, after in latest.items() if after is not None}


def of_fleets(objects: dict[str, Body]) -> dict[str, dict[str, Body]]:
    """The same by their fleet."""
    labels = {name: it["metadata"]["labels"].get("app.kubernetes.io/instance") for name, it in objects.items()}
    return {fleet: {name: it for name, it in objects.items() if labels[name] == fleet} for fleet in FLEETS}


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Change], list[tuple[str, int]]]:
    """A history, and what is told of it in which order: `watch N`, `list N` (as of N), `answer N`."""
    fates = st.sampled_from((None, *FLEETS, FLEETS[0], NO_FLEET))
    steps = draw(st.lists(st.tuples(st.sampled_from(NAMES), fates), min_size=1, max_size=10))
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


AGAIN = history([("a", "fleet"), ("a", None), ("a", "fleet")])
MOVED = history([("a", "fleet"), ("a", "other")])


@given(tellings())
@settings(max_examples=examples(400))
@example((AGAIN, [("watch", 0), ("watch", 2), ("watch", 1)]))  # made again before it is told that the first one went
@example((AGAIN[:2], [("watch", 0), ("watch", 1), ("list", 0)]))  # it went while the list was on its way
@example((AGAIN[:2], [("watch", 0), ("watch", 1), ("answer", 0)]))  # it went before the answer to its making came
@example((MOVED, [("watch", 0), ("watch", 1)]))
def test_in_whatever_order_it_is_told_the_store_ends_with_what_is_there(
    told: tuple[list[Change], list[tuple[str, int]]],
) -> None:
    changes, order = told
    store = Store()
    for what, number in order:
        tell(store, changes, what, number)
    found = {fleet: store.children(PODS, Key("ns", fleet)) for fleet in FLEETS}
    assert found == of_fleets(there(changes, len(changes)))
