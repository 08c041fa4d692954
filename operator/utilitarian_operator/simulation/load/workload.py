"""The load file: what comes when and how long it takes, read and checked."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from utilitarian_operator.api.effective import Fleet
from utilitarian_operator.api.strict_yaml import StrictLoader
from utilitarian_operator.api.units import format_duration, parse_duration
from utilitarian_operator.errors import OperatorError

_RATE = re.compile(r"^(?P<count>-?[0-9]+(\.[0-9]+)?)/(?P<unit>s|m|h|d)$")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_CLOCK = re.compile(r"^(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})$")
_END_OF_DAY = 24 * 3600
MOST_DAYS = 400
MOST_TASKS = 50_000_000
"""Tasks of one queue: they are kept in memory."""

MOST_A_SECOND = 10_000
MOST_TASK_SECONDS = 31 * 24 * 3600
MOST_TIMES = 1_000
"""Times the median that a 95th percentile may be: above it the longest of some thousand draws has no end."""

DEPARTURE = timedelta(seconds=3)
"""What a worker that is to go and holds nothing costs: marked, cancelled, seen empty, released, a look each.

Where a write is seen before the next look it takes less (docs/pools.md, "A compressed day"). So unless it is given, a
forecast is rather too high than too low.
"""

_CHOSEN = "="  # how the choices of a union begin in an error's path, which the file doesn't know


class InvalidLoad(OperatorError):
    """A load that can't be played; the message names file, line (0: there is none) and reason."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        self.file, self.line, self.reason = file, line, reason
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}")


def _rate(value: Any) -> float:
    match = _RATE.match(str(value))
    if match is None:
        raise ValueError(f"{value!r} is no rate: write tasks per time, like 0.5/s, 60/h or 2000/d")
    if float(match["count"]) < 0:
        raise ValueError(f"{value!r}: a rate can't be negative")
    rate = float(match["count"]) / _SECONDS[match["unit"]]
    if rate > MOST_A_SECOND:
        raise ValueError(f"{value!r}: at most {MOST_A_SECOND:,} tasks a second can be played")
    return rate


def _clock(value: Any) -> int:
    match = _CLOCK.match(str(value))
    seconds = int(match["hour"]) * 3600 + int(match["minute"]) * 60 if match else -1
    if not 0 <= seconds <= _END_OF_DAY or (match and int(match["minute"]) > 59):  # noqa: PLR2004 - a clock's
        raise ValueError(f'{value!r} is no time of day: write it in quotes like "06:00"')
    return seconds


def _cron(value: Any) -> str:
    try:
        next(CronSim(str(value), datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration, ValueError) as error:
        raise ValueError(f"{value!r} is no cron line that ever comes: {error}") from error
    return str(value)


def _zone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone: write a name like Europe/Stockholm or UTC") from error
    return str(value)


def _duration(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | float | timedelta | int):
        raise ValueError(f"{value!r} is no duration: write it like 500ms, 90s or 1h30m")  # noqa: TRY004 - pydantic's way
    return parse_duration(value) if isinstance(value, str) else value


def _up_to(most: timedelta, least: str = "0s") -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if not parse_duration(least) <= value <= most:
            raise ValueError(f"must be from {least} to {format_duration(most)}")
        return value

    return AfterValidator(check)


Rate = Annotated[float, BeforeValidator(_rate)]
Clock = Annotated[int, BeforeValidator(_clock)]
Cron = Annotated[str, BeforeValidator(_cron)]
Zone = Annotated[str, BeforeValidator(_zone)]
Duration = Annotated[timedelta, BeforeValidator(_duration), _up_to(timedelta(days=MOST_DAYS))]
DepartureDuration = Annotated[timedelta, BeforeValidator(_duration), _up_to(timedelta(hours=1))]
StartUpDuration = Annotated[timedelta, BeforeValidator(_duration), _up_to(timedelta(days=1))]
TaskSeconds = Annotated[float, Field(gt=0, le=MOST_TASK_SECONDS)]


def _check_spread(median: float, p95: float) -> None:
    """What a lognormal distribution can be drawn from; seconds."""
    if p95 > MOST_TIMES * median:
        raise ValueError(
            f"p95 {p95:g} is more than {MOST_TIMES:,} times the median {median:g}: take both from one graph, in seconds"
        )


class Part(BaseModel):
    """A part of the file: closed, so that a mistyped field is refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class Spread(Part):
    """A lognormal distribution, given as it is read off a graph: median and 95th percentile, both in one unit."""

    median: TaskSeconds
    p95: TaskSeconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p95 < self.median:
            raise ValueError(f"p95 {self.p95:g} is below the median {self.median:g}")
        _check_spread(self.median, self.p95)
        return self


class StartUp(Part):
    """Seconds from asking for a worker to its first task, lognormal."""

    median: Annotated[StartUpDuration, _up_to(timedelta(days=1), "1ms")]
    p95: StartUpDuration

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p95 < self.median:
            raise ValueError(f"p95 {self.p95} is below the median {self.median}")
        _check_spread(self.median.total_seconds(), self.p95.total_seconds())
        return self


class OnOneNode(Part):
    """The workers of a pool share a node that is full while they start: each takes so long times those that start."""

    each: Annotated[StartUpDuration, _up_to(timedelta(days=1), "1ms")]


def _kind_of_start_up(value: Any) -> str:
    if isinstance(value, OnOneNode) or (isinstance(value, dict) and "each" in value):
        return f"{_CHOSEN}node"
    return f"{_CHOSEN}{'spread' if isinstance(value, dict | StartUp) else 'duration'}"


StartUpTime = Annotated[
    Annotated[StartUpDuration, Tag(f"{_CHOSEN}duration")]
    | Annotated[StartUp, Tag(f"{_CHOSEN}spread")]
    | Annotated[OnOneNode, Tag(f"{_CHOSEN}node")],
    Discriminator(_kind_of_start_up),
]


class Eta(Part):
    """Tasks sent with a time before which they may not start."""

    share: Annotated[float, Field(ge=0, le=1)]
    after: Duration


class Source(Part):
    """One stream of tasks into a queue; exactly one of cron, poisson, rate, trace and prometheus says which kind.

    `cron` sends `tasks` at once at each time of the line; `poisson` and `rate` (evenly spaced) flow between `from` and
    `to`, by the clock of the file's time zone; `trace` names a CSV file of `time,count`; `prometheus` a server whose
    history of the queue is played.
    """

    cron: Cron | None = None
    tasks: Annotated[int, Field(ge=1)] | None = None
    poisson: Rate | None = None
    rate: Rate | None = None
    trace: str | None = None
    prometheus: str | None = None
    since: Annotated[Clock, Field(alias="from")] = 0
    to: Clock = _END_OF_DAY

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [name for name in ("cron", "poisson", "rate", "trace", "prometheus") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of cron, poisson, rate, trace, prometheus, not {kinds or 'none'}")
        if (self.cron is None) != (self.tasks is None):
            raise ValueError("cron and tasks go together: when, and how many at once")
        if self.since >= self.to:
            raise ValueError("from must be before to; write a window over midnight as two")
        return self


class Queue(Part):
    """One queue: what comes and how long each task runs (seconds)."""

    seconds: Spread
    arrivals: Annotated[tuple[Source, ...], Field(min_length=1)]
    eta: Eta | None = None


class Kill(Part):
    """A node that dies with the workers on it, once (`at`) or by a cron line."""

    at: datetime | None = None
    cron: Cron | None = None
    workers: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.at is None) == (self.cron is None):
            raise ValueError("give at or cron: when the node dies")
        return self

    def at_in(self, time_zone: str) -> datetime:
        """The moment `at`, in a zone where it has none of its own."""
        if self.at is None:
            raise ValueError("it comes by a cron line")
        return self.at if self.at.tzinfo else self.at.replace(tzinfo=ZoneInfo(time_zone))


class Load(Part):
    """A whole load file; read from one, its time zone is the fleet's unless it names one."""

    start: Annotated[date, Field(ge=date(1971, 1, 1), le=date(2100, 1, 1))]
    days: Annotated[float, Field(gt=0, le=MOST_DAYS)] = 31
    time_zone: Zone = "UTC"
    start_up: StartUpTime = timedelta(seconds=10)
    start_ups: dict[str, StartUpTime] = Field(default_factory=dict)
    departure: DepartureDuration = DEPARTURE
    acks: Literal["early", "late"] = "early"
    queues: Annotated[dict[str, Queue], Field(min_length=1)]
    node_kills: tuple[Kill, ...] = ()
    _file: str = PrivateAttr("the load")
    _node: Any = PrivateAttr(None)

    def start_up_of(self, pool: str) -> timedelta | StartUp | OnOneNode:
        """How long a worker of a pool takes to start."""
        return self.start_ups.get(pool, self.start_up)

    def read_from(self, path: Path, node: Any) -> Self:
        """The load, which remembers its file and what stands where."""
        self._file, self._node = str(path), node
        return self

    def wrong(self, field: Sequence[Any], reason: str) -> InvalidLoad:
        """What is said of a field that turned out to be wrong only when it was played."""
        where = ".".join(str(part) for part in field)
        line = _line(self._node, field) if self._node is not None else 0
        return InvalidLoad(self._file, line, f"{where}: {reason}")

    @property
    def begins(self) -> datetime:
        """The first moment, in UTC: midnight of `start` in the file's zone."""
        return datetime.combine(self.start, time(), ZoneInfo(self.time_zone)).astimezone(UTC)


def read_load(path: Path, fleet: Fleet) -> Load:
    """Read a load file and hold it against the fleet that shall serve it.

    Raises:
        InvalidLoad: it can't be read or played; with the line.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=StrictLoader)
        values = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or error
        line = mark.line + 1 if mark else 1
        raise InvalidLoad(str(path), line, f"can't be read as YAML: {' '.join(str(problem).split())}") from error
    if not isinstance(values, dict):
        raise InvalidLoad(str(path), 1, "no load: give start and queues (docs/simulate.md has an example)")
    try:
        load = Load.model_validate({"timeZone": fleet.time_zone} | values)
    except ValidationError as error:
        # A mistyped field is also one that is missing: what was written is the better hint.
        first = min(error.errors(), key=lambda it: it["type"] != "extra_forbidden")
        where = [part for part in first["loc"] if not str(part).startswith(_CHOSEN)]
        raise InvalidLoad(str(path), _line(node, where), _reason(first, where)) from error
    _check_queues(path, node, load, fleet)
    _check_pools(path, node, load, fleet)
    _check_kills(path, node, load)
    return load.read_from(path, node)


def unserved(queues: Sequence[str], fleet: Fleet) -> Iterator[str]:
    """The queues that no pool of the fleet consumes; a catch-all consumes all that are left."""
    named = {queue for pool in fleet.pools for queue in pool.queues}
    catches_all = any(pool.is_catch_all for pool in fleet.pools)
    return (queue for queue in queues if queue not in named and not catches_all)


def _check_queues(path: Path, node: Any, load: Load, fleet: Fleet) -> None:
    for queue in unserved(list(load.queues), fleet):
        known = ", ".join(sorted(queue for pool in fleet.pools for queue in pool.queues))
        raise InvalidLoad(
            str(path), _line(node, ("queues", queue)), f"unknown queue {queue}: no pool consumes it; known are {known}"
        )


def _check_pools(path: Path, node: Any, load: Load, fleet: Fleet) -> None:
    known = [pool.name for pool in fleet.pools]
    for name in load.start_ups.keys() - set(known):
        reason = f"startUps.{name}: no such pool: known are {', '.join(known)}"
        raise InvalidLoad(str(path), _line(node, ("startUps", name)), reason)


def _check_kills(path: Path, node: Any, load: Load) -> None:
    for place, kill in enumerate(load.node_kills):
        if kill.at is not None and kill.at_in(load.time_zone) < load.begins:
            where = ("nodeKills", place, "at")
            reason = f"nodeKills.{place}.at: {kill.at.isoformat()} is before the load's start, {load.start.isoformat()}"
            raise InvalidLoad(str(path), _line(node, where), reason)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InvalidLoad(str(path), 1, f"can't be read: {error}: give a YAML file in UTF-8") from error


def _reason(error: Mapping[str, Any], where: Sequence[Any]) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    text = _IN_WORDS[error["type"]](error) if error["type"] in _IN_WORDS else text
    return f"{'.'.join(str(part) for part in where)}: {text}"


def _fields_of(error: Mapping[str, Any]) -> str:
    """What stands in a part for which something else was written; pydantic names our class."""
    part = _PARTS[error["ctx"]["class_name"]]
    required = [name for name, field in part.model_fields.items() if field.is_required()]
    fields = (part.model_fields[name].alias or to_camel(name) for name in required or part.model_fields)
    return f"must be an object with named fields ({', '.join(fields)})"


_PARTS = {part.__name__: part for part in (Spread, StartUp, OnOneNode, Eta, Source, Queue, Kill)}
_IN_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "extra_forbidden": lambda _: "unknown field",
    "too_short": lambda _: "may not be empty",
    "tuple_type": lambda _: "must be a list",
    "dict_type": lambda _: "must have named entries",
    "model_type": _fields_of,
    "missing": lambda _: "is required",
    "less_than_equal": lambda it: f"must be at most {it['ctx']['le']}",
    "greater_than_equal": lambda it: f"must be at least {it['ctx']['ge']}",
    "greater_than": lambda it: f"must be more than {it['ctx']['gt']}",
}
"""What is said instead of pydantic's own sentences, by its kind of error."""


def _line(node: Any, location: Sequence[Any]) -> int:
    """The line of a value, or of the nearest part around it that is there."""
    line = int(node.start_mark.line)
    for step in location:
        below = _below(node, step)
        if below is None:
            break
        line, node = below
    return line + 1


def _below(node: Any, step: Any) -> tuple[int, Any] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return int(node.value[step].start_mark.line), node.value[step]
    if isinstance(node, yaml.MappingNode):
        return next(((int(k.start_mark.line), v) for k, v in node.value if k.value == str(step)), None)
    return None
