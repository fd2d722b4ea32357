"""What a workforce manager counts about a queue, by interval and by queue.

A call belongs to the interval in which it reached the queue, whenever it was answered or given up,
so that the numbers of one interval add up. A call that overflows is offered in both queues.

    offered     reached the queue
    answered    an agent took it; in time: within the service level's seconds
    abandoned   hung up waiting; short: so soon that no staffing could have helped
    redirected  chose something else while waiting: a callback, voicemail, the dialog
    overflowed  went on to another queue
    given up    nobody would come: closed, full, waited too long, nobody signed in

Counters die with the process; whoever keeps them elsewhere takes what changed, and tells a later
process what was counted before it. The two are held apart here, so that each process keeps its own
counts and no other's: those told late, or never, cost nobody theirs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from telephony.queue_events import GiveUpReason


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsOptions:
    """Seconds throughout.

    interval_s: 900 or 1800, as workforce tools plan; intervals begin at multiples of it since 1970.
    service_level_s: the y of "x% within y seconds".
    short_abandon_s: who hangs up sooner counts neither for nor against the service level.
    keep_s: older intervals are forgotten; the records keep them.
    """

    interval_s: int = 1800
    service_level_s: float = 20.0
    short_abandon_s: float = 5.0
    keep_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        if self.interval_s <= 0 or 86_400 % self.interval_s:
            raise ValueError(f"interval_s is {self.interval_s}: give a divisor of a day, as 900")


@dataclass(slots=True, kw_only=True)
class Counters:
    """One queue in one interval, or several of them added up; times are sums, in seconds."""

    offered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    abandoned_short: int = 0  # among the abandoned
    redirected: int = 0
    overflowed: int = 0
    given_up: Counter[GiveUpReason] = field(default_factory=Counter[GiveUpReason])
    waited_s: float = 0.0  # of the answered
    longest_wait_s: float = 0.0  # of all of them, answered or not
    handled: int = 0  # conversations with their wrap-up
    talk_s: float = 0.0
    held_s: float = 0.0
    wrap_up_s: float = 0.0

    @property
    def service_level(self) -> float | None:
        """Answered in time among all that were owed an answer, 0 to 1; None: there were none.

        Owed: answered, abandoned but not at once, and those for whom it took too long.
        """
        owed = self.answered + self.abandoned - self.abandoned_short
        owed += self.given_up[GiveUpReason.WAITED_TOO_LONG]
        return self.answered_in_time / owed if owed else None

    @property
    def abandon_rate(self) -> float | None:
        """Abandoned, but not at once, among the offered less those who left at once."""
        stayed = self.offered - self.abandoned_short
        return (self.abandoned - self.abandoned_short) / stayed if stayed > 0 else None

    @property
    def average_speed_of_answer_s(self) -> float | None:
        return self.waited_s / self.answered if self.answered else None

    @property
    def average_handling_time_s(self) -> float | None:
        """Talk, hold and wrap-up."""
        spent_s = self.talk_s + self.held_s + self.wrap_up_s
        return spent_s / self.handled if self.handled else None

    def add(self, other: "Counters") -> None:
        """Count the other's calls as well."""
        for name in self.__slots__:
            if name == "longest_wait_s":
                self.longest_wait_s = max(self.longest_wait_s, other.longest_wait_s)
            else:
                setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """One conversation from the agent's side, in seconds."""

    talk_s: float
    held_s: float
    wrap_up_s: float

    @property
    def total_s(self) -> float:
        return self.talk_s + self.held_s + self.wrap_up_s


class QueueStatistics:
    """The counters; `arrived_s` is when the call reached the queue, in Unix time."""

    def __init__(self, options: StatisticsOptions | None = None) -> None:
        self.options = options or StatisticsOptions()
        self._intervals: dict[tuple[str, int], Counters] = {}
        self._before: dict[tuple[str, int], Counters] = {}  # counted by those before us
        self._changed: set[tuple[str, int]] = set()

    def offered(self, queue: str, arrived_s: float) -> None:
        self._forget_before(arrived_s - self.options.keep_s)
        self._at(queue, arrived_s).offered += 1

    def answered(self, queue: str, arrived_s: float, *, waited_s: float) -> None:
        counters = self._waited(queue, arrived_s, waited_s)
        counters.answered += 1
        counters.waited_s += waited_s
        if waited_s <= self.options.service_level_s:
            counters.answered_in_time += 1

    def abandoned(self, queue: str, arrived_s: float, *, waited_s: float) -> None:
        counters = self._waited(queue, arrived_s, waited_s)
        counters.abandoned += 1
        if waited_s < self.options.short_abandon_s:
            counters.abandoned_short += 1

    def redirected(self, queue: str, arrived_s: float, *, waited_s: float) -> None:
        self._waited(queue, arrived_s, waited_s).redirected += 1

    def overflowed(self, queue: str, arrived_s: float, *, waited_s: float) -> None:
        self._waited(queue, arrived_s, waited_s).overflowed += 1

    def given_up(
        self, queue: str, arrived_s: float, reason: GiveUpReason, *, waited_s: float
    ) -> None:
        self._waited(queue, arrived_s, waited_s).given_up[reason] += 1

    def handled(self, queue: str, arrived_s: float, handling: Handling) -> None:
        counters = self._at(queue, arrived_s)
        counters.handled += 1
        counters.talk_s += handling.talk_s
        counters.held_s += handling.held_s
        counters.wrap_up_s += handling.wrap_up_s

    def intervals(self, queue: str) -> list[tuple[int, Counters]]:
        """The queue's intervals that had calls, in order: when each begins (Unix time), and it."""
        found: dict[int, Counters] = {}
        for (name, starts), row in self._rows():
            if name == queue:
                found.setdefault(starts, Counters()).add(row)
        return sorted(found.items())

    def total(
        self, queues: Iterable[str], *, since_s: float = 0.0, until_s: float = float("inf")
    ) -> Counters:
        """The queues' intervals that begin in [since_s, until_s), added up."""
        wanted, total = set(queues), Counters()
        for (queue, starts), row in self._rows():
            if queue in wanted and since_s <= starts < until_s:
                total.add(row)
        return total

    def take_changed(self) -> list[tuple[str, int, Counters]]:
        """What we counted in every interval that changed since this was asked last: to be kept.

        Returns:
            queue, when the interval begins (Unix time), and all we counted in it: read it only.
        """
        changed, self._changed = self._changed, set()
        kept = ((key, self._intervals.get(key)) for key in sorted(changed))
        return [(*key, row) for key, row in kept if row is not None]

    def counted_before(self, queue: str, starts: int, counted: Counters) -> None:
        """Count what was kept of an interval by those before us, as well."""
        self._before.setdefault((queue, starts), Counters()).add(counted)

    def _rows(self) -> Iterator[tuple[tuple[str, int], Counters]]:
        yield from self._before.items()
        yield from self._intervals.items()

    def _waited(self, queue: str, arrived_s: float, waited_s: float) -> Counters:
        counters = self._at(queue, arrived_s)
        counters.longest_wait_s = max(counters.longest_wait_s, waited_s)
        return counters

    def _at(self, queue: str, arrived_s: float) -> Counters:
        interval_s = self.options.interval_s
        starts = int(arrived_s // interval_s) * interval_s
        self._changed.add((queue, starts))
        return self._intervals.setdefault((queue, starts), Counters())

    def _forget_before(self, limit_s: float) -> None:
        for rows in (self._intervals, self._before):
            for key in [key for key in rows if key[1] + self.options.interval_s < limit_s]:
                del rows[key]
