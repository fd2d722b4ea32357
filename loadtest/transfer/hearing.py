"""Waiting for a tone to be heard, or to be heard no more."""

import asyncio
from typing import Final

from loadtest.pcm import Pcm
from loadtest.transfer.tones import is_tone

_RUN: Final = 2  # frames in a row before it counts


class ToneEar:
    """Follows whether a tone is heard now, frame by frame."""

    def __init__(self, hz: float) -> None:
        self._hz = hz
        self._same = 0  # frames in a row that differ from `hears`
        self._changed = asyncio.Event()
        self.hears = False

    def receive(self, frame: Pcm) -> None:
        """The next 20 ms."""
        self._same = self._same + 1 if is_tone(frame, self._hz) is not self.hears else 0
        if self._same >= _RUN:
            self.hears, self._same = not self.hears, 0
            self._changed.set()

    async def until(self, hears: bool, *, timeout_s: float) -> None:
        """Wait until the tone is heard, or is not any more.

        Raises:
            TimeoutError: not in this time.
        """
        async with asyncio.timeout(timeout_s):
            while self.hears is not hears:
                self._changed.clear()
                await self._changed.wait()
