"""What the queues did, as supervisors read it now and workforce tools take it by interval."""

from collections.abc import Sequence
from datetime import UTC, datetime

from server.desk.board import QueueFigures, QueueInterval
from telephony.queue import CallQueue
from telephony.queue_statistics import Counters


class Figures:
    """Of all queues of the house."""

    def __init__(self, queue: CallQueue) -> None:
        self._queue = queue

    def today(self, now_s: float, name: str = "") -> QueueFigures:
        """Of the queue of this name, or of all of them; `now_s` is Unix time."""
        names = (name,) if name else tuple(self._queue.queues)
        standing = [
            each
            for each in self._queue.callers(now_s)
            if each.position is not None and each.queue in names
        ]
        waits = [each.waited_s for each in standing if not each.callback]
        statistics = self._queue.statistics
        today = statistics.total(names, since_s=_midnight_s(now_s))
        return QueueFigures(
            name=name,
            waiting=len(waits),
            callbacks=len(standing) - len(waits),
            longest_wait_s=max(waits, default=0.0),
            service_level=today.service_level,
            service_s=statistics.options.service_level_s,
            average_answer_s=today.average_speed_of_answer_s,
            answered=today.answered,
            abandoned=today.abandoned,
        )

    def intervals(self) -> Sequence[QueueInterval]:
        """Every interval that had calls, oldest first."""
        statistics = self._queue.statistics
        found = [
            self._interval(name, starts, counted)
            for name in self._queue.queues
            for starts, counted in statistics.intervals(name)
        ]
        return sorted(found, key=lambda each: (each.starts_at, each.queue))

    def _interval(self, queue: str, starts: int, counted: Counters) -> QueueInterval:
        options = self._queue.statistics.options
        return QueueInterval(
            queue=queue,
            starts_at=datetime.fromtimestamp(starts, UTC),
            interval_s=options.interval_s,
            offered=counted.offered,
            answered=counted.answered,
            answered_in_time=counted.answered_in_time,
            service_s=options.service_level_s,
            service_level=counted.service_level,
            abandoned=counted.abandoned,
            abandoned_short=counted.abandoned_short,
            abandon_rate=counted.abandon_rate,
            redirected=counted.redirected,
            overflowed=counted.overflowed,
            given_up={why.value: count for why, count in counted.given_up.items()},
            average_answer_s=counted.average_speed_of_answer_s,
            longest_wait_s=counted.longest_wait_s,
            handled=counted.handled,
            average_handling_s=counted.average_handling_time_s,
        )


def _midnight_s(now_s: float) -> float:
    """Unix time of the beginning of the day, UTC."""
    now = datetime.fromtimestamp(now_s, UTC)
    return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
