"""Settles effects whose outcome is not known, by asking the back end under the same key."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from actions.errors import LedgerUnavailableError
from actions.ports import BackEnd, Ledger

_log = logging.getLogger(__name__)

_BATCH: Final = 50


class Reconciler:
    """A periodic task; any number of processes may run one on the same ledger."""

    def __init__(
        self,
        *,
        back_end: BackEnd,
        ledger: Ledger,
        interval_s: float = 5.0,
        unknown_for_s: float = 1.0,
        pending_for_s: float = 30.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            back_end: where the effects were sent.
            ledger: where they are written down.
            interval_s: between two rounds.
            unknown_for_s: how long an effect is left alone after its last answer failed to come.
            pending_for_s: how long a pending effect is taken to be still at work; more than any
                action's budget, so that its process must have died or lost the ledger.
            now: wall clock, to tell the age of an entry.
        """
        self._back_end = back_end
        self._ledger = ledger
        self._interval_s = interval_s
        self._unknown_for_s = unknown_for_s
        self._pending_for_s = pending_for_s
        self._now = now
        self.settled = 0
        """How many effects were settled."""

    async def run(self) -> None:
        """Settle round by round until cancelled; a failed round is logged and tried again."""
        while True:
            try:
                await self.settle_once()
            except LedgerUnavailableError:
                _log.warning("reconciler cannot reach the ledger")
            except Exception:
                _log.exception("reconciler round failed")
            await asyncio.sleep(self._interval_s)

    async def settle_once(self) -> int:
        """One round; returns how many effects it settled.

        Raises:
            LedgerUnavailableError: the ledger did not answer; nothing is lost.
        """
        settled = 0
        entries = await self._ledger.unsettled(
            unknown_for_s=self._unknown_for_s, pending_for_s=self._pending_for_s, limit=_BATCH
        )
        for entry in entries:
            age_s = (self._now() - entry.updated_at).total_seconds()
            outcome = await self._back_end.settle(entry.name, entry.key, age_s=age_s)
            if outcome is None:
                continue
            if await self._ledger.finish(outcome, attempts=0):
                settled += 1
                _log.info(
                    "action settled",
                    extra={
                        "action": entry.name,
                        "key": entry.key,
                        "status": outcome.status.value,
                    },
                )
        self.settled += settled
        return settled
