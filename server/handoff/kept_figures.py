"""The queues' figures over restarts: what is counted is kept, and what was kept counts again.

Each life of the server keeps its own counts of an interval, whole, as often as they change, and
adds those of the lives before it when it can read them. A database that is away delays both and
falsifies neither.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from server.records.desk_facts import CountedInterval
from server.records.errors import RecordsUnavailableError
from telephony.queue_statistics import QueueStatistics

log = logging.getLogger(__name__)

_AGAIN_S: Final = 5.0  # the figures are looked at, not lived by


class IntervalStore(Protocol):
    def interval_counted(self, counted: CountedInterval) -> None:
        """Keep what this life counted in an interval; never blocks."""
        ...

    async def intervals_before(self, since: datetime) -> Sequence[CountedInterval]:
        """
        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        ...


class KeptFigures:
    """Of all queues of the house. `wall` gives Unix time."""

    def __init__(
        self, statistics: QueueStatistics, store: IntervalStore, *, wall: Callable[[], float]
    ) -> None:
        self._statistics, self._store, self._wall = statistics, store, wall

    def keep(self) -> None:
        """To be called whenever something may have been counted."""
        interval_s = self._statistics.options.interval_s
        for queue, starts, counters in self._statistics.take_changed():
            self._store.interval_counted(
                CountedInterval(
                    queue=queue,
                    starts_at=datetime.fromtimestamp(starts, UTC),
                    interval_s=interval_s,
                    counters=counters,
                )
            )

    async def restore(self) -> None:
        """Take up what was counted before; waits for the database as long as it takes."""
        options = self._statistics.options
        since = datetime.fromtimestamp(self._wall() - options.keep_s, UTC)
        while True:
            try:
                found = await self._store.intervals_before(since)
                break
            except RecordsUnavailableError as error:
                log.warning("earlier figures were not read yet", extra={"cause": str(error)})
                await asyncio.sleep(_AGAIN_S)
        for each in found:
            if each.interval_s == options.interval_s:  # else they would not lie side by side
                starts = int(each.starts_at.timestamp())
                self._statistics.counted_before(each.queue, starts, each.counters)
