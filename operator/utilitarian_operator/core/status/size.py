"""A status within its size: bounded strings, and what counts least left out until all of it fits.

Decorations go first: runs that are over, the steps of the rules, the ends of sentences. What the operator decides by
after a restart goes last, and of it first what the next looks bring back by themselves.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Status = dict[str, Any]

LIMIT = 200 * 1024
"""Bytes of a whole status: an object in etcd may have 1.5 MiB, and each change sends all of it to every watcher."""

CONDITION_LENGTH = 2048
SENTENCE_LENGTH = 1024
WORD_LENGTH = 255
MOST_STEPS = 16
MOST_ADVICE = 20


def fitting(status: Status, limit: int = LIMIT) -> Status:
    """The status as it may be written.

    Args:
        status: all that there is to tell, with strings of any length.
        limit: of the whole, in bytes.
    """
    fitted = _bounded(status)
    for cut in _CUTS:
        if size(fitted) <= limit:
            break
        fitted = cut(fitted)
    return fitted


def size(status: Mapping[str, Any]) -> int:
    """Bytes of a status as JSON."""
    return len(json.dumps(status, ensure_ascii=False).encode())


def short(text: str, most: int) -> str:
    """A text that is cut where it is too long, and that every JSON reader takes."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return cut if cut.isascii() else cut.encode(errors="replace").decode()


def bounded(conditions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conditions whose words are as long as they may be."""
    return [
        {**it, "message": short(it["message"], CONDITION_LENGTH), "reason": short(it["reason"], WORD_LENGTH)}
        for it in conditions
    ]


def _bounded(status: Status) -> Status:
    advice = [short(it, SENTENCE_LENGTH) for it in status.get("advice", ())][:MOST_ADVICE]
    return {
        **status,
        "conditions": bounded(status["conditions"]),
        "pools": [_bounded_pool(pool) for pool in status.get("pools", ())],
        **({"advice": advice} if advice else {}),
    }


def _bounded_pool(pool: Status) -> Status:
    steps = pool["trail"]
    words = [pool["message"], pool["reason"], pool.get("heldUp", ""), *(step["because"] for step in steps)]
    if len(steps) <= MOST_STEPS and all(it.isascii() and len(it) <= WORD_LENGTH for it in words):
        return pool
    steps = [{**step, "because": short(step["because"], SENTENCE_LENGTH)} for step in steps]
    return {
        **pool,
        "reason": short(pool["reason"], WORD_LENGTH),
        "message": short(pool["message"], SENTENCE_LENGTH),
        **_held_up(pool, SENTENCE_LENGTH),
        "trail": steps[:1] + steps[1:][1 - MOST_STEPS :],
    }


def _held_up(pool: Status, most: int) -> Status:
    return {"heldUp": short(pool["heldUp"], most)} if "heldUp" in pool else {}


def _of_pools(change: Callable[[Status], Status]) -> Callable[[Status], Status]:
    """A cut that is the same for every pool."""
    return lambda status: {**status, "pools": [change(pool) for pool in status["pools"]]}


def _of_memories(change: Callable[[Status], Status]) -> Callable[[Status], Status]:
    """A cut in what every pool remembers."""
    return _of_pools(lambda pool: {**pool, "memory": change(pool["memory"])})


def _past_runs(most: int) -> Callable[[Status], Status]:
    """The newest runs that are over, and of each schedule the newest: it says how many tasks the next may bring."""

    def few(pool: Status) -> Status:
        if "history" not in pool:
            return pool
        return {**pool, "history": pool["history"][:most] or _newest(pool["history"], "started")}

    return few


def _newest(runs: Iterable[Mapping[str, Any]], start: str) -> list[Mapping[str, Any]]:
    """Of each schedule the newest run."""
    by_name: dict[str, Mapping[str, Any]] = {}
    for run in sorted(runs, key=lambda run: str(run[start])):
        by_name[run["name"]] = run
    return list(by_name.values())


def _without_steps(pool: Status) -> Status:
    return {**pool, "trail": []}


def _steps_of_the_awake(pool: Status) -> Status:
    return pool if pool["desired"] or pool["replicas"] else _without_steps(pool)


def _shorter(most: int) -> Callable[[Status], Status]:
    """The sentences of all pools and conditions cut."""

    def cut(status: Status) -> Status:
        conditions = [{**it, "message": short(it["message"], 4 * most)} for it in status["conditions"]]
        pools = [
            {
                **pool,
                "message": short(pool["message"], most),
                **_held_up(pool, most),
                "trail": [{**step, "because": short(step["because"], most)} for step in pool["trail"]],
            }
            for pool in status["pools"]
        ]
        return {**status, "conditions": conditions, "pools": pools}

    return cut


def _fewer_beside(status: Status) -> Status:
    """Less of what stands beside the pools."""
    shorter = {key: value for key, value in status.items() if key != "advice"}
    beat = shorter.get("beat", {})
    if "lastMessages" in beat:
        oldest = sorted(beat["lastMessages"], key=lambda it: (it["at"], it["queue"]))[:20]
        shorter["beat"] = {**beat, "lastMessages": sorted(oldest, key=lambda it: str(it["queue"]))}
    return shorter


_COUNTS = ("tasks", "done", "mostWorkers", "workerSeconds", "workedAt", "shortSince", "atRisk")
_WATCH = ("watchedSince",)
_COURSE = ("firstMessage", "missed", "drained")


def _without_of_runs(fields: tuple[str, ...]) -> Callable[[Status], Status]:
    """Open runs without some of what is known of them."""

    def bare(memory: Status) -> Status:
        if "runs" not in memory:
            return memory
        return {**memory, "runs": [{k: v for k, v in run.items() if k not in fields} for run in memory["runs"]]}

    return bare


def _to_the_second(memory: Any) -> Any:
    """Moments in as few characters as tell the second."""
    match memory:
        case dict():
            return {key: _to_the_second(value) for key, value in memory.items()}
        case list():
            return [_to_the_second(value) for value in memory]
        case str():
            return re.sub(r"(T\d\d:\d\d:\d\d)(\.\d+)?\+00:00$", r"\1Z", memory)
        case _:
            return memory


def _opened_by_the_open(memory: Status) -> Status:
    """Without the newest start of a schedule where its open run says it."""
    open_runs = {(run["name"], run["start"]) for run in memory.get("runs", ())}
    opened = [[name, start] for name, start in memory.get("opened", ()) if (name, start) not in open_runs]
    rest = {key: value for key, value in memory.items() if key != "opened"}
    return {**rest, "opened": opened} if opened else rest


def _without_series(memory: Status) -> Status:
    """Without arrivals by time and the demands of the last minute: the next minutes bring them back."""
    return {key: value for key, value in memory.items() if key not in {"arrivals", "highs"}}


def _without_usage(memory: Status) -> Status:
    """Without CPU and memory: no number of workers rests on them, and the next minutes bring them back."""
    return {key: value for key, value in memory.items() if key != "usage"}


def _newest_open(memory: Status) -> Status:
    return {**memory, "runs": _newest(memory["runs"], "start")} if "runs" in memory else memory


def _without_runs(memory: Status) -> Status:
    return {key: value for key, value in memory.items() if key not in {"runs", "opened"}}


def _without_history(pool: Status) -> Status:
    return {key: value for key, value in pool.items() if key != "history"}


def _without_memory(pool: Status) -> Status:
    return {**pool, "memory": {}}


_CUTS: tuple[Callable[[Status], Status], ...] = (
    _of_pools(_past_runs(3)),
    _of_pools(_steps_of_the_awake),
    _shorter(256),
    _of_pools(_past_runs(0)),
    _fewer_beside,
    _of_memories(_without_usage),
    _of_pools(_without_steps),
    _of_memories(_opened_by_the_open),
    _of_memories(_to_the_second),
    _shorter(120),
    _of_memories(_without_of_runs(_COUNTS)),
    _of_memories(_without_series),
    _of_memories(_without_of_runs(_WATCH)),
    _of_pools(_without_history),
    _of_memories(_newest_open),
    _of_memories(_without_of_runs(_COURSE)),
    _of_memories(_without_runs),
    _of_pools(_without_memory),
)
"""What is left out in turn until the status fits."""
