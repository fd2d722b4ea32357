"""The `[handoff]` section: how callers reach people, and what happens when nobody is there."""

from dataclasses import replace
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from server.handoff.callbacks import CallbackOptions
from server.handoff.waiting_room import Routing
from telephony.opening_hours import ALWAYS_OPEN, Hours, OpeningHours, Weekday
from telephony.queue import CallQueue
from telephony.queue_events import MAIN_QUEUE, GiveUpReason
from telephony.queue_line import QueueOptions
from telephony.queue_statistics import QueueStatistics, StatisticsOptions
from telephony.transfer import TransferOptions
from telephony.transfer_events import Recovery

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


class QueueConfig(_Section):
    """Callers whom the flow hands off with this skill wait in a queue of their own.

    What is not set here is as for all the others.
    """

    skill: str = Field(min_length=1)
    label: str | None = None  # for people; none: the skill
    priority: int = 0  # more is earlier, where an agent could take either
    max_length: int | None = Field(default=None, ge=1)  # callers waiting; the next is turned away
    max_wait_s: Seconds | None = None
    callback_after_s: Seconds | None = None
    overflow_to: str | None = None  # the skill of another queue, or main
    overflow_after_s: Seconds | None = None  # of waiting here; none: only when it would turn away

    @property
    def name(self) -> str:
        return self.skill

    def options(self, usual: QueueOptions) -> QueueOptions:
        own = self.model_dump(
            include={"max_length", "max_wait_s", "callback_after_s", "overflow_to"},
            exclude_none=True,
        )
        own |= {"overflow_after_s": self.overflow_after_s, "skill": self.skill}
        return replace(usual, **own)


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
    recoveries: dict[GiveUpReason, Recovery] = Field(default_factory=dict[GiveUpReason, Recovery])
    """What callers get whom nobody takes, by why (closed, full, waited_too_long, nobody_signed_in):
    callback, voicemail, or what the dialog says."""
    wrap_up_s: Seconds = 60.0
    max_length: int = Field(default=100, ge=1)  # callers waiting; the next is turned away
    announce_after_s: Seconds = 15.0  # callers are told where they stand, and for how long
    announce_every_s: Seconds = 45.0
    service_level_s: Seconds = 20.0  # within which a call should be answered, for the figures
    sticky_s: Seconds | None = 86_400.0
    """Who calls again within this is offered to the agent they had, and waits a little for them."""
    priorities: dict[str, int] = Field(default_factory=dict)
    """By the flow's reason for a hand-off: more is earlier."""
    queues: tuple[QueueConfig, ...] = ()
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

    @model_validator(mode="after")
    def _queues_fit(self) -> "HandOffConfig":
        names = [each.name for each in self.queues]
        for each in self.queues:
            if names.count(each.name) > 1 or each.name == MAIN_QUEUE:
                raise ValueError(f"there is more than one queue {each.name}")
            if each.overflow_to is not None and each.overflow_to not in (*names, MAIN_QUEUE):
                raise ValueError(f"{each.name} overflows to {each.overflow_to}, which is no queue")
            if each.overflow_after_s is not None and each.overflow_to is None:
                raise ValueError(f"{each.name} has overflow_after_s: set overflow_to too")
        return self

    def queue(self) -> CallQueue:
        """All queues, empty."""
        usual = self._queue_options()
        return CallQueue(
            {MAIN_QUEUE: usual} | {each.name: each.options(usual) for each in self.queues},
            statistics=QueueStatistics(StatisticsOptions(service_level_s=self.service_level_s)),
        )

    def routing(self) -> Routing:
        return Routing(
            queues={each.skill: each.priority for each in self.queues}, reasons=self.priorities
        )

    def _queue_options(self) -> QueueOptions:
        return QueueOptions(
            max_length=self.max_length,
            announce_after_s=self.announce_after_s,
            announce_every_s=self.announce_every_s,
            recoveries=self.recoveries,
            opening_hours=self.opening.hours(),
            max_wait_s=self.max_wait_s,
            nobody_s=self.nobody_s,
            callback_after_s=self.callback_after_s,
            wrap_up_s=self.wrap_up_s,
        )
