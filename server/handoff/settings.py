"""The `[handoff]` section: how callers reach people, and what happens when nobody is there."""

from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from server.handoff.callbacks import CallbackOptions
from telephony.opening_hours import ALWAYS_OPEN, Hours, OpeningHours, Weekday
from telephony.queue_line import QueueOptions
from telephony.transfer import TransferOptions

_DAYS: Final = tuple(day.name.lower() for day in Weekday)


def _hours(given: Any) -> Any:
    """ "09:00-17:30" as hours; anything else is left to the type to refuse."""
    if not isinstance(given, str):
        return given
    opens, _, closes = given.partition("-")
    try:
        return Hours(opens=time.fromisoformat(opens.strip()), closes=_closing(closes.strip()))
    except ValueError:
        raise ValueError("give hours as 09:00-17:30") from None


def _closing(text: str) -> time:
    return time(0) if text == "24:00" else time.fromisoformat(text)


Span = Annotated[Hours, BeforeValidator(_hours)]
Seconds = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class OpeningConfig(_Section):
    """When people are there. Without any day: always; with some: not on the others."""

    zone: str = "UTC"  # an IANA name, Europe/Berlin
    monday: tuple[Span, ...] = ()
    tuesday: tuple[Span, ...] = ()
    wednesday: tuple[Span, ...] = ()
    thursday: tuple[Span, ...] = ()
    friday: tuple[Span, ...] = ()
    saturday: tuple[Span, ...] = ()
    sunday: tuple[Span, ...] = ()
    holidays: dict[date, tuple[Span, ...]] = Field(default_factory=dict[date, tuple[Hours, ...]])
    """By date, instead of that weekday's hours; none: closed."""

    @model_validator(mode="after")
    def _zone_is_known(self) -> "OpeningConfig":
        self.hours()
        return self

    def hours(self) -> OpeningHours:
        """
        Raises:
            ValueError: the zone is not known on this machine.
        """
        weekly = {Weekday[day.upper()]: getattr(self, day) for day in _DAYS}
        if not any(weekly.values()) and not self.holidays:
            return ALWAYS_OPEN
        return OpeningHours(
            weekly={day: spans for day, spans in weekly.items() if spans},
            zone=self.zone,
            holidays=self.holidays,
        )


class NumberConfig(_Section):
    """An outside number or extension that agents may give calls to."""

    label: str = Field(min_length=1)
    target: str = Field(min_length=1)  # sip:…, or what [sip] proxy knows


class HandOffConfig(_Section):
    """Warm transfer to people at the desk, on SIP phones and outside."""

    enabled: bool = True
    ring_s: Seconds = 20.0
    accept_s: Seconds = 10.0  # for who answered on a telephone to take the caller by a key
    reconnect_s: Seconds = 5.0  # for an agent whose connection broke in the conversation
    max_attempts: int = Field(default=5, ge=1)  # agents rung for one caller
    max_wait_s: Seconds = 900.0
    nobody_s: Seconds = 10.0  # without anybody signed in who could take the caller
    callback_after_s: Seconds | None = 60.0  # of waiting, a callback is offered; none: never
    callback_again_s: Seconds = 600.0  # after a caller who was called back did not answer
    callback_tries: int = Field(default=3, ge=1)  # then it is given up
    wrap_up_s: Seconds = 60.0
    music: Path | None = None  # a WAV file; none: a piece of our own
    opening: OpeningConfig = OpeningConfig()
    numbers: tuple[NumberConfig, ...] = ()

    def transfer_options(self) -> TransferOptions:
        return TransferOptions(
            ring_s=self.ring_s,
            accept_timeout_s=self.accept_s,
            reconnect_s=self.reconnect_s,
            max_attempts=self.max_attempts,
            total_s=2 * self.max_wait_s,
        )

    def callback_options(self) -> CallbackOptions:
        return CallbackOptions(again_s=self.callback_again_s, max_unreached=self.callback_tries)

    def queue_options(self) -> QueueOptions:
        return QueueOptions(
            opening_hours=self.opening.hours(),
            max_wait_s=self.max_wait_s,
            nobody_s=self.nobody_s,
            callback_after_s=self.callback_after_s,
            wrap_up_s=self.wrap_up_s,
        )
