"""When a queue is open: weekly hours and holidays in the queue's own time zone, as data.

Hours are wall-clock times of their zone, so that "nine to five" stays so over a change to or from
daylight saving time: a moment is converted to local time first, and then compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_SEARCHED: Final = timedelta(days=370)  # a year and its holidays: later than that is never


class Weekday(IntEnum):
    """As datetime.weekday() counts them."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Open from `opens` on, until just before `closes`, on one day.

    A `closes` at or before `opens` is on the day after: 22:00 to 06:00 is a night, 00:00 to 00:00 a
    whole day.
    """

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.opens.tzinfo is not None or self.closes.tzinfo is not None:
            raise ValueError("opening hours are local times: leave the offset out")

    @property
    def past_midnight(self) -> bool:
        return self.closes <= self.opens


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """The hours of one queue.

    weekly: by weekday; a day that is missing is closed.
    holidays: by date, instead of that day's weekly hours; an empty tuple is closed all day. Hours
        that run past midnight belong to the day on which they begin.
    zone: an IANA name, "Europe/Berlin".

    Raises:
        ValueError: the zone is not known on this machine.
    """

    weekly: Mapping[Weekday, tuple[Hours, ...]]
    zone: str
    holidays: Mapping[date, tuple[Hours, ...]] = field(
        default_factory=dict[date, tuple[Hours, ...]]
    )

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"time zone {self.zone!r} is not known: give an IANA name, like Europe/Berlin"
            ) from error

    def is_open(self, at: datetime) -> bool:
        """Whether the queue is open at `at`.

        Raises:
            ValueError: `at` has no time zone.
        """
        local = self._local(at)
        today, before = local.date(), local.date() - timedelta(days=1)
        clock = local.time()
        return any(
            hours.opens <= clock and (hours.past_midnight or clock < hours.closes)
            for hours in self._of(today)
        ) or any(hours.past_midnight and clock < hours.closes for hours in self._of(before))

    def next_opening(self, at: datetime) -> datetime | None:
        """The first moment at or after `at` when the queue is open, in the queue's zone.

        None: not within a year.

        Raises:
            ValueError: `at` has no time zone.
        """
        local = self._local(at)
        if self.is_open(at):
            return local
        for days in range(_SEARCHED.days):
            day = local.date() + timedelta(days=days)
            for hours in sorted(self._of(day), key=lambda hours: hours.opens):
                opening = _moment(datetime.combine(day, hours.opens), ZoneInfo(self.zone))
                if opening.astimezone(UTC) >= at.astimezone(UTC) and self.is_open(opening):
                    return opening
        return None

    def _local(self, at: datetime) -> datetime:
        if at.tzinfo is None:
            raise ValueError("a moment without a time zone says nothing about opening hours")
        return at.astimezone(ZoneInfo(self.zone))

    def _of(self, day: date) -> tuple[Hours, ...]:
        return self.holidays.get(day, self.weekly.get(Weekday(day.weekday()), ()))


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """`wall` in `zone`; a time that the clocks skip is the moment after the skip.

    Comparing the two readings of such a time finds it: going there and back changes it.
    """
    moment = wall.replace(tzinfo=zone)
    there_and_back = moment.astimezone(UTC).astimezone(zone)
    return moment if there_and_back.replace(tzinfo=None) == wall else there_and_back


_WHOLE_DAY: Final = Hours(opens=time(0), closes=time(0))

ALWAYS_OPEN: Final = OpeningHours(weekly={day: (_WHOLE_DAY,) for day in Weekday}, zone="UTC")
