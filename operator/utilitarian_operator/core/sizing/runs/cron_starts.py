"""The moments that a cron line means in a time zone, on the days too on which the clock is set forward or back.

As in Debian's cron: a line with a fixed minute and hour starts once where the wall clock shows its time twice, and
right after the change where its time is left out; a line with a star there starts each time that the clock shows it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

_MINUTE = timedelta(minutes=1)
_NEAR = timedelta(hours=26)
"""A change of the clock that is farther away than this from a moment can't make its order uncertain."""


@lru_cache(maxsize=4096)
def next_after(line: str, time_zone: str, moment: datetime) -> datetime:
    """The first start later than a moment, in the moment's zone.

    Kept, since each look asks for the start after the last one: most are asked again a second later.
    """
    zone = ZoneInfo(time_zone)
    wall, fixed = _wall(moment, zone), _is_fixed(line)
    first = next(CronSim(line, wall))
    change = _change(zone, wall, first)
    found = [] if change else _moments(first, zone, fixed=fixed)
    if not found:
        last = next(it for it in CronSim(line, wall + change) if _moments(it, zone, fixed=fixed))
        found = _between(line, zone, wall - 2 * change, last + 2 * change)
    return min(it for it in found if it > moment).astimezone(moment.tzinfo)


def last_until(line: str, time_zone: str, moment: datetime) -> datetime:
    """The last start that is not later than a moment, in the moment's zone; the calendar is asked once a start."""
    newest = _newest(line, time_zone)
    if newest.start is None or newest.following is None or not newest.start <= moment < newest.following:
        newest.start = _last_until(line, time_zone, moment)
        newest.following = next_after(line, time_zone, newest.start)
    return newest.start.astimezone(moment.tzinfo)


@dataclass(slots=True)
class _Newest:
    """The start that was asked for last, and the one after it: until then it is the answer to the same question."""

    start: datetime | None = None
    following: datetime | None = None


@lru_cache(maxsize=4096)
def _newest(line: str, time_zone: str) -> _Newest:  # noqa: ARG001 - kept for each line and zone
    return _Newest()


@lru_cache(maxsize=4096)
def _last_until(line: str, time_zone: str, moment: datetime) -> datetime:
    zone = ZoneInfo(time_zone)
    wall, fixed = _wall(moment, zone), _is_fixed(line)
    last = next(CronSim(line, wall + timedelta(microseconds=1), reverse=True))
    change = _change(zone, last, wall)
    found = [] if change else _moments(last, zone, fixed=fixed)
    if not found:
        earlier = CronSim(line, wall - change, reverse=True)
        first = next(it for it in earlier if _moments(it, zone, fixed=fixed))
        found = _between(line, zone, first - 2 * change - _MINUTE, wall + 2 * change)
    return max(it for it in found if it <= moment).astimezone(moment.tzinfo)


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    """What the clock on the wall shows."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _is_fixed(line: str) -> bool:
    minute, hour, *_ = line.split()
    return not (minute.startswith("*") or hour.startswith("*"))


def _change(zone: tzinfo, *walls: datetime) -> timedelta:
    """By how much the clock is changed around these moments; nothing on nearly every day of the year."""
    around = [wall + off for wall in walls for off in (-_NEAR, timedelta(), _NEAR)]
    offsets = [moment.replace(tzinfo=zone).utcoffset() or timedelta() for moment in around]
    return max(offsets) - min(offsets)


def _between(line: str, zone: tzinfo, after: datetime, until: datetime) -> list[datetime]:
    """All starts of what the wall clock shows between two moments."""
    found: list[datetime] = []
    for wall in CronSim(line, after):
        if wall > until:
            return found
        found += _moments(wall, zone, fixed=_is_fixed(line))
    return found


def _moments(wall: datetime, zone: tzinfo, *, fixed: bool) -> list[datetime]:
    """When the wall clock shows a time, in UTC: once nearly always, else twice or never."""
    shown = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    if _wall(shown[0], zone) == wall:
        return shown[:1] if fixed or shown[0] == shown[1] else shown
    if not fixed:
        return []
    while _wall(wall.replace(tzinfo=zone).astimezone(UTC), zone) != wall:
        wall += _MINUTE
    return [wall.replace(tzinfo=zone).astimezone(UTC)]
