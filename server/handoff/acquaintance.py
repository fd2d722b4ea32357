"""Which agent a caller knows: who gave them back to frontdesk in this call, or had them lately.

A caller whose number is withheld is known to nobody: all of them are one caller to the records.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from server.handoff.callbacks import dialable
from server.handoff.in_hand import CallInHand
from server.records.errors import RecordsUnavailableError

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 0.5  # the caller hears nothing meanwhile


class HandOffHistory(Protocol):
    """server.records.desk.DeskRecords, as far as this goes."""

    async def agent_of_caller(self, caller: str, *, since: datetime) -> str | None: ...


class Acquaintance:
    """
    Args:
        for_s: how long a caller is known to who had them; None: not beyond the call.
    """

    def __init__(self, history: HandOffHistory, *, for_s: float | None) -> None:
        self._history, self._for_s = history, for_s

    async def agent_of(self, call: CallInHand) -> str | None:
        """The agent to look for first; None also when the records do not answer at once."""
        if call.story.colleague is not None:
            return call.story.colleague
        if self._for_s is None or dialable(call.info.caller) is None:
            return None
        since = datetime.now(UTC) - timedelta(seconds=self._for_s)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._history.agent_of_caller(call.info.caller, since=since)
        except (RecordsUnavailableError, TimeoutError) as error:
            log.warning("whom the caller had before is not known", extra={"cause": str(error)})
            return None
