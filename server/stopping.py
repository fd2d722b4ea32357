"""What signals ask of a server: to stop, and how soon."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stop:
    """What signals ask for: to stop, and to do it at once."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def on_signals(cls, *, again_at_once: bool = True) -> "Stop":
        """Asked by SIGTERM; SIGINT, or a second SIGTERM, asks to do it at once.

        Args:
            again_at_once: the second SIGTERM does. Not for processes that several may ask.
        """
        stop, loop = cls(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.ask if again_at_once else stop.asked.set)
        loop.add_signal_handler(signal.SIGINT, stop.ask_at_once)
        return stop

    def ask(self) -> None:
        """Asked twice is asked to do it at once."""
        if self.asked.is_set():
            self.at_once.set()
        self.asked.set()

    def ask_at_once(self) -> None:
        self.at_once.set()
        self.asked.set()

    async def unless_at_once(self, work: Coroutine[None, None, None]) -> None:
        """Do this, but not longer than until asked to stop at once."""
        working = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self.at_once.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if working.done():
            await working
            return
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
