"""Periods in somebody's time zone, in steps of hours or days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, Integer, case, cast

from paifang.modules.gateway.usage.errors import BadPeriod

HOUR = 3600
MOST = {"hour": 24 * 31, "day": 800}
"""Steps of one answer at most."""


@dataclass(frozen=True, slots=True)
class Period:
    """Whole hours from 1970: from ``first`` to before ``last``."""

    first: int
    last: int
    step: str
    zone: tzinfo

    @classmethod
    def of(cls, begin: datetime, end: datetime, step: str, zone: str) -> "Period":
        """The hours or local days that two moments touch.

        Raises:
            BadPeriod: it is empty or too long, or there is no such time zone.
        """
        known = find_zone(zone)
        if step == "day":
            begin = begin.astimezone(known).replace(hour=0, minute=0, second=0, microsecond=0)
            local = end.astimezone(known)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            end = midnight if midnight == local else midnight + timedelta(days=1)
        first = int(begin.timestamp() // HOUR)
        last = int(-(-end.timestamp() // HOUR))
        size = 24 if step == "day" else 1
        if first >= last:
            raise BadPeriod("`to` must be later than `from`.")
        if (last - first) / size > MOST[step]:
            raise BadPeriod(f"Ask for at most {MOST[step]} steps of a {step} at once.")
        return cls(first, last, step, known)

    def before(self) -> "Period":
        """The one of the same length right before."""
        return Period(2 * self.first - self.last, self.first, self.step, self.zone)

    def bucket(self, hour: ColumnElement[int]) -> ColumnElement[int]:
        """The step that an hour is in: itself, or the local day as days from 1970."""
        if self.step == "hour":
            return hour
        *earlier, (_, offset) = self._offsets()
        local = (
            case(*((hour < until, hour + shift) for until, shift in earlier), else_=hour + offset)
            if earlier
            else hour + offset
        )
        return cast(cast(local, Integer) // 24, Integer)

    def start(self, bucket: int) -> datetime:
        """When a step begins, in the time zone."""
        if self.step == "hour":
            return datetime.fromtimestamp(bucket * HOUR, UTC).astimezone(self.zone)
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=bucket)
        return day.replace(tzinfo=self.zone)

    def buckets(self) -> list[int]:
        """All steps, in order."""
        if self.step == "hour":
            return list(range(self.first, self.last))
        begin, end = (self._local(hour) // 24 for hour in (self.first, self.last - 1))
        return list(range(begin, end + 1))

    def _local(self, hour: int) -> int:
        return hour + self._offset(hour)

    def _offset(self, hour: int) -> int:
        """Whole hours that the zone is ahead of UTC in an hour; of half hours the lower."""
        shift = datetime.fromtimestamp(hour * HOUR, UTC).astimezone(self.zone).utcoffset()
        return int((shift or timedelta()).total_seconds() // HOUR)

    def _offsets(self) -> Iterator[tuple[int, int]]:
        """Each offset with the hour until which it holds."""
        at, offset = self.first, self._offset(self.first)
        while at < self.last:
            following = min(at + 24, self.last)
            if self._offset(following) != offset:
                low, high = at, following
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if self._offset(middle) == offset else (low, middle)
                yield high, offset
                offset, following = self._offset(high), high
            at = following
        yield self.last, offset


def find_zone(name: str) -> tzinfo:
    """A time zone by its name (IANA). Raises :class:`BadPeriod`."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadPeriod(f"tz: {name[:64]!r} is no time zone; write it like Asia/Taipei.") from None
