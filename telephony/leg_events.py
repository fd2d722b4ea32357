"""How a leg tells what happens to it: its end exactly once, and never into the void."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from voice.events import LegEnded, LegEvent

logger = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[LegEvent], None]


def _nobody(_event: LegEvent) -> None:
    pass


class LegEvents:
    """One leg's events on their way to its listener; use on the event loop.

    The end is told in the loop's next turn, so that whoever hangs up is not called back from
    within, and waits for a listener if there is none yet. Keys that nobody hears are lost.
    """

    def __init__(self, call_id: str) -> None:
        """`call_id` is named where a listener's fault is logged."""
        self._call_id = call_id
        self._listener: Listener = _nobody
        self._end: LegEnded | None = None  # not yet told
        self.ended = False

    @property
    def listener(self) -> Listener:
        return self._listener

    @listener.setter
    def listener(self, listener: Listener) -> None:
        self._listener = listener
        if self._end is not None:
            asyncio.get_running_loop().call_soon(self._tell_end)

    def tell(self, event: LegEvent) -> None:
        """Tell it now; a listener that raises is logged. Nothing is told after the end."""
        if not self.ended:
            self._tell(event)

    def end(self, reason: str) -> bool:
        """The leg has ended; false when it had before, and nothing was done."""
        if self.ended:
            return False
        self.ended = True
        self._end = LegEnded(reason=reason)
        asyncio.get_running_loop().call_soon(self._tell_end)
        return True

    def _tell_end(self) -> None:
        if self._end is not None and self._listener is not _nobody:
            end, self._end = self._end, None
            self._tell(end)

    def _tell(self, event: LegEvent) -> None:
        try:
            self._listener(event)
        except Exception:
            logger.exception("A leg's event was not handled", extra={"call_id": self._call_id})
