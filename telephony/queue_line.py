"""One caller in a queue, how a queue is set up, and who is before whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from telephony.opening_hours import ALWAYS_OPEN, OpeningHours
from telephony.queue_events import CallerJoined, GiveUpReason, Place
from telephony.transfer_events import Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """How one queue is run; times in seconds.

    skill: what its callers need, unless they say; None: any agent.
    recoveries: what becomes of a caller whom the queue gives up, by why; the dialog's, by default.
    overflow_to: the queue that gets its callers instead, after `overflow_after_s`, or when this one
        would give them up; callers move on as often as there is a queue they have not been in.
    """

    skill: str | None = None
    opening_hours: OpeningHours = ALWAYS_OPEN
    max_length: int = 100  # callers waiting on the line; those to be called back hold none
    max_wait_s: float = 900.0
    nobody_s: float = 30.0  # without anybody signed in who could; a reload of a desk is shorter
    recoveries: Mapping[GiveUpReason, Recovery] = field(
        default_factory=dict[GiveUpReason, Recovery]
    )
    overflow_to: str | None = None
    overflow_after_s: float | None = None
    sticky_wait_s: float = 30.0  # for an agent the caller knows, who is busy
    best_skill_first: bool = True  # before longest idle
    wrap_up_s: float = 30.0
    handling_time_s: float = 240.0  # what waits are estimated by until calls have been handled
    announce_after_s: float = 15.0
    announce_every_s: float = 45.0
    callback_after_s: float | None = None  # None: callbacks are not offered
    callback_within_s: float = 3 * 86_400.0  # a promised callback that could not be made by then

    def __post_init__(self) -> None:
        if self.announce_every_s <= 0:
            raise ValueError(f"announce_every_s is {self.announce_every_s}: give more than 0")


@dataclass(slots=True, kw_only=True)
class Caller:
    """A caller who waits, is offered to an agent, or talks; times are Unix time, in seconds."""

    id: str
    number: int  # order of joining, for whoever came at the same moment
    queue: str
    skill: str | None
    language: str | None
    priority: int
    first: bool
    joined_at_s: float  # what the place in line is by: kept over overflow and callback
    entered_s: float  # this queue: what the waiting is counted from
    sticky_agent: str | None
    excluded: set[str]
    visited: set[str]  # queues
    next_announcement_s: float = 0.0
    unserved_since_s: float | None = None  # nobody is signed in who could take them
    callback_offered: bool = False
    absent: bool = False  # to be called back
    agent: str | None = None  # who is offered them, or talks to them
    talking: bool = False

    @property
    def is_waiting(self) -> bool:
        return self.agent is None

    @property
    def order(self) -> tuple[bool, int, float, int]:
        """Who sorts lower is served sooner."""
        return (not self.first, -self.priority, self.joined_at_s, self.number)

    @property
    def place(self) -> Place:
        return Place(
            queue=self.queue,
            joined_at_s=self.joined_at_s,
            priority=self.priority,
            first=self.first,
        )


def arrival(event: CallerJoined, *, number: int, now_s: float) -> Caller:
    """The caller who joins, in the place they kept if they kept one, before any queue has them."""
    place = event.place
    return Caller(
        id=event.caller,
        number=number,
        queue=place.queue if place else event.queue,
        skill=event.skill,
        language=event.language,
        priority=place.priority if place else event.priority,
        first=event.first or (place is not None and place.first),
        joined_at_s=place.joined_at_s if place else now_s,
        entered_s=now_s,
        sticky_agent=event.sticky_agent,
        excluded=set(event.excluded),
        visited=set(),
    )
