"""What every leg does alike: it reports keys, and once, its end."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from voice.events import LegEnded, LegEvent

logger = logging.getLogger(__name__)


def _ignore_event(_event: LegEvent) -> None:
    pass


class ReportingLeg(ABC):
    """Base of the legs.

    Attributes:
        on_event: called on the event loop with keys and, once, the end. An end that came before it
            was set is reported after the next `receive_frame`; keys are not.
    """

    def __init__(self, call_id: str) -> None:
        """
        Args:
            call_id: for the log.
        """
        self.on_event: Callable[[LegEvent], None] = _ignore_event
        self._log_fields = {"call_id": call_id}
        self._end: LegEnded | None = None  # not yet reported
        self._ended = False
        self._hanging_up: asyncio.Task[None] | None = None

    @abstractmethod
    async def hang_up(self, reason: str) -> None:
        """End the call; idempotent."""

    def _report(self, event: LegEvent) -> None:
        """Report an event now; a listener that raises is logged."""
        try:
            self.on_event(event)
        except Exception:
            logger.exception("A leg's event was not handled", extra=self._log_fields)

    def _report_end(self, reason: str) -> None:
        """Report the end in the loop's next turn: whoever hangs up is not called from within.

        Only the first end counts.
        """
        if not self._ended:
            self._ended = True
            self._end = LegEnded(reason=reason)
            self._remind_of_end()

    def _remind_of_end(self) -> None:
        """Report an end that nobody listened to; there may be none."""
        if self._end is not None:
            asyncio.get_running_loop().call_soon(self._report_pending_end)

    def _report_pending_end(self) -> None:
        if self._end is not None and self.on_event is not _ignore_event:
            end, self._end = self._end, None
            self._report(end)
            # Signalling knows a leg for half a minute longer. Whoever listened may go now.
            self.on_event = _ignore_event

    def _give_up(self) -> None:
        """Nothing is heard of the far end any more: hang up, once."""
        if self._hanging_up is None:
            # A task of the leg's own: the end must reach the far end even if nobody runs the call.
            self._hanging_up = asyncio.get_running_loop().create_task(
                self.hang_up("media_timeout"), name=f"hang up {self._log_fields['call_id']}"
            )
