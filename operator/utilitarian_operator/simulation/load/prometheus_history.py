"""Asks a Prometheus server how many tasks came to a queue, to play the past again.

RabbitMQ's own per-queue counter of published messages is read (`rabbitmq_detailed_queue_messages_published_total`, of
the family `channel_queue_exchange_metrics`), minute by minute; a minute's tasks come evenly within it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from math import ceil, isfinite
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from utilitarian_operator.simulation.load.workload import MOST_TASKS, InvalidLoad

STEP = 60
"""Seconds of one sample."""

MOST_SAMPLES = 10_000
"""Prometheus answers a range query with at most 11,000."""

TIMEOUT = 30
QUERY = "sum(increase(rabbitmq_detailed_queue_messages_published_total{{queue={queue}}}[{step}s]))"


def read_history(url: str, queue: str, begins: datetime, until: float) -> Iterator[float]:
    """Seconds from `begins` to each task that came to the queue, for `until` seconds.

    A queue may be younger than `begins`: nothing came before its first sample.

    Raises:
        InvalidLoad: the server can't be asked, has no such history, or counts in what is no number.
    """
    query = QUERY.format(queue=json.dumps(queue, ensure_ascii=False), step=STEP)
    owed, known = 0.0, False
    for offset in range(0, ceil(until), STEP * MOST_SAMPLES):
        first = begins + timedelta(seconds=offset + STEP)
        last = begins + timedelta(seconds=min(ceil(until / STEP) * STEP, offset + STEP * MOST_SAMPLES))
        for moment, increase in _samples(url, queue, query, first, last):
            known = True
            owed += max(increase, 0.0)
            count, begin = int(owed), moment - begins.timestamp() - STEP
            owed -= count
            came = (begin + STEP * i / count for i in range(count))
            yield from (at for at in came if 0 <= at < until)
    if not known:
        end = begins + timedelta(seconds=until)
        reason = f"no history of {query} from {begins.isoformat()} to {end.isoformat()}"
        raise _wrong(url, queue, f"{reason}: choose days that the server still has, or check the queue's name")


def _samples(url: str, queue: str, query: str, first: datetime, last: datetime) -> list[tuple[float, float]]:
    asked = urlencode({"query": query, "start": first.timestamp(), "end": last.timestamp(), "step": STEP})
    try:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise _wrong(url, queue, "no address of a Prometheus server: write http://… or https://…")
        with urlopen(f"{url.rstrip('/')}/api/v1/query_range?{asked}", timeout=TIMEOUT) as answer:  # noqa: S310 - http
            result = json.load(answer)["data"]["result"]
        found = [(float(at), float(value)) for at, value in result[0]["values"]] if result else []
    except (OSError, HTTPException, ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise _wrong(url, queue, f"no history to be had ({why}): is it a Prometheus server?") from error
    for at, value in found:
        _check(url, queue, at, value)
    return found


def _check(url: str, queue: str, at: float, value: float) -> None:
    """A count that is none is refused: it is unknown how many came, and not 0."""
    if not (isfinite(at) and isfinite(value)) or value > MOST_TASKS:
        when = datetime.fromtimestamp(at, UTC).isoformat() if isfinite(at) and 0 <= at < 1e11 else str(at)  # noqa: PLR2004 - a year
        reason = f"the increase at {when} is {value:g}, which is no number of tasks"
        raise _wrong(url, queue, f"{reason}: choose other days, or write what came as a trace")


def _wrong(url: str, queue: str, reason: str) -> InvalidLoad:
    return InvalidLoad(url, 0, f"prometheus of queue {queue}: {reason}")
