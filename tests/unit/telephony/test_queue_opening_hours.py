"""Opening hours are of the clock on the queue's wall, whatever that clock does."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from telephony.opening_hours import ALWAYS_OPEN, Hours, OpeningHours, Weekday

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = (Hours(opens=time(9), closes=time(12)), Hours(opens=time(13), closes=time(17)))
WORKDAYS = [day for day in Weekday if day < Weekday.SATURDAY]
CHRISTMAS = date(2026, 12, 25)  # a Friday

HOURS = OpeningHours(
    weekly=dict.fromkeys(WORKDAYS, OFFICE),
    zone="Europe/Berlin",
    holidays={CHRISTMAS: (), date(2026, 12, 26): (Hours(opens=time(10), closes=time(11)),)},
)


def berlin(*wall: int) -> datetime:
    return datetime(*wall, tzinfo=BERLIN)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("clock", "is_open"),
    [
        (time(8, 59, 59), False),
        (time(9), True),
        (time(11, 59, 59), True),
        (time(12), False),
        (time(13), True),
        (time(17), False),
    ],
)
def test_queue_is_open_from_opening_until_just_before_closing(clock: time, is_open: bool):
    assert HOURS.is_open(datetime.combine(date(2026, 11, 23), clock, BERLIN)) is is_open


def test_day_without_hours_is_closed():
    assert not HOURS.is_open(berlin(2026, 11, 22, 10))


def test_holiday_replaces_the_hours_of_its_weekday():
    assert not HOURS.is_open(berlin(2026, 12, 25, 10))
    assert HOURS.is_open(berlin(2026, 12, 26, 10, 30))  # a Saturday
    assert not HOURS.is_open(berlin(2026, 12, 26, 11))


def test_same_wall_time_is_another_moment_in_summer():
    assert not HOURS.is_open(datetime(2026, 1, 5, 7, 30, tzinfo=UTC))  # 8:30 in winter
    assert HOURS.is_open(datetime(2026, 7, 6, 7, 30, tzinfo=UTC))  # 9:30 in summer


def test_moment_may_be_given_in_any_zone():
    tokyo = timezone(timedelta(hours=9))
    assert HOURS.is_open(datetime(2026, 11, 23, 17, 30, tzinfo=tokyo))


NIGHTS = OpeningHours(
    weekly={Weekday.SATURDAY: (Hours(opens=time(22), closes=time(6)),)}, zone="Europe/Berlin"
)


def test_night_belongs_to_the_day_on_which_it_begins():
    assert NIGHTS.is_open(berlin(2026, 11, 21, 23))  # Saturday
    assert NIGHTS.is_open(berlin(2026, 11, 22, 5, 59))
    assert not NIGHTS.is_open(berlin(2026, 11, 22, 6))
    assert not NIGHTS.is_open(berlin(2026, 11, 21, 5))


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 7), (date(2026, 10, 24), 9)])
def test_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer(day: date, hours: int):
    opens = datetime.combine(day, time(22), BERLIN).astimezone(UTC)
    for half_hour in range(2 * hours):
        assert NIGHTS.is_open(opens + timedelta(minutes=30 * half_hour))
    assert not NIGHTS.is_open(opens + timedelta(hours=hours))


def test_opening_time_that_the_clocks_skip_is_the_moment_after():
    early = OpeningHours(
        weekly={Weekday.SUNDAY: (Hours(opens=time(2, 30), closes=time(8)),)}, zone="Europe/Berlin"
    )
    saturday = berlin(2026, 3, 28, 12)
    opening = early.next_opening(saturday)
    assert opening is not None
    assert opening == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert opening.astimezone(BERLIN).time() == time(3, 30)


def test_next_opening_is_now_when_open_and_else_the_first_to_come():
    monday = berlin(2026, 11, 23, 10)
    assert HOURS.next_opening(monday) == monday
    assert HOURS.next_opening(berlin(2026, 11, 23, 12, 30)) == berlin(2026, 11, 23, 13)
    assert HOURS.next_opening(berlin(2026, 11, 23, 17)) == berlin(2026, 11, 24, 9)
    assert HOURS.next_opening(berlin(2026, 12, 24, 18)) == berlin(2026, 12, 26, 10)


def test_queue_that_never_opens_has_no_next_opening():
    assert OpeningHours(weekly={}, zone="UTC").next_opening(berlin(2026, 11, 23)) is None


def test_always_open_is_open_at_midnight_too():
    for hour in range(24):
        assert ALWAYS_OPEN.is_open(datetime(2026, 11, 23, hour, tzinfo=UTC))


def test_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        HOURS.is_open(datetime(2026, 11, 23, 10))


def test_unknown_zone_is_refused_with_a_hint():
    with pytest.raises(ValueError, match="Europe/Berlin"):
        OpeningHours(weekly={}, zone="Europe/Atlantis")


def test_hours_with_an_offset_are_refused():
    with pytest.raises(ValueError, match="local times"):
        Hours(opens=time(9, tzinfo=UTC), closes=time(17))
