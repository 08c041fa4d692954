"""Questions that are asked beside the looks: few at a time, and of no namespace so many that another's have to wait."""

import asyncio
from collections import Counter
from collections.abc import Collection, Coroutine
from typing import Any

AT_A_TIME = 20
"""Questions that are open together: brokers that are all called alike make one for each pair of them."""

OF_A_NAMESPACE, OF_A_PAIR = 6, 2
"""Those of them that concern one namespace, and two of them together or one alone: a broker that never answers holds
its place for as long as a question may take."""


class Asking:
    """What is being asked now."""

    def __init__(self) -> None:
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._busy: Counter[frozenset[str]] = Counter()

    def begin(self, what: object, namespaces: Collection[str], question: Coroutine[Any, Any, None]) -> None:
        """Ask, unless it is being asked already, or there is no place for it: then it must be begun again later.

        Args:
            what: is asked.
            namespaces: one or two, whose fleets it is about.
            question: is awaited, or closed.
        """
        pair = frozenset(namespaces)
        if what in self._tasks or not self._has_room(pair):
            question.close()
            return
        self._busy[pair] += 1
        task = self._tasks[what] = asyncio.create_task(question, name="claims")
        task.add_done_callback(lambda _: self._ended(what, pair))

    def _has_room(self, pair: frozenset[str]) -> bool:
        most = max(sum(count for of, count in self._busy.items() if name in of) for name in pair)
        return len(self._tasks) < AT_A_TIME and most < OF_A_NAMESPACE and self._busy[pair] < OF_A_PAIR

    def _ended(self, what: object, pair: frozenset[str]) -> None:
        del self._tasks[what]
        self._busy[pair] -= 1
        if not self._busy[pair]:
            del self._busy[pair]
