"""A caller who asks for a person by key 0, waits, and then makes a tone until told otherwise."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from loadtest.activity import is_loud
from loadtest.clock import MediaClock
from loadtest.errors import PeerError
from loadtest.line import Line, open_line
from loadtest.pcm import Pcm
from loadtest.sip_call import TIMER_B_S, Ended
from loadtest.transfer.hearing import ToneEar
from loadtest.transfer.tones import AGENT_HZ, CALLER_HZ, onset, tone

_GREETED_S: Final = 20.0  # from the answer to the first word
_LISTEN_S: Final = 0.4  # of the greeting, before the key: nobody presses at once
_LOOK_S: Final = 0.05


class TransferCaller:
    """One answered call; made by `calling`."""

    def __init__(self, line: Line, caller: str) -> None:
        self.caller = caller
        self.ear = ToneEar(AGENT_HZ)
        self.sounding = False
        self.asked_s: float | None = None  # when key 0 left, by the event loop's clock
        self._line = line
        self._greeted = asyncio.Event()
        line.media.on_frame = self._on_frame
        line.media.start(line.answer.media)

    async def ask_for_person(self) -> None:
        """Press 0 once the greeting has begun.

        Raises:
            PeerError: nothing is heard, or no keys are taken.
        """
        try:
            await asyncio.wait_for(self._greeted.wait(), _GREETED_S)
        except TimeoutError:
            raise PeerError("answered, and not a word is heard") from None
        await asyncio.sleep(_LISTEN_S)
        self.asked_s = self._line.media.time_of(self.press("0"))

    def press(self, keys: str) -> int:
        """Send keys; returns the sample at which the first begins.

        Raises:
            PeerError: the far end takes none.
        """
        try:
            return self._line.media.press(keys).start
        except ValueError as error:
            raise PeerError(str(error)) from error

    def first_heard_agent_s(self) -> float | None:
        """When an agent's first sound in this call arrived, by the event loop's clock."""
        found = onset(self.heard(), AGENT_HZ)
        return None if found is None else self._line.media.time_of(found)

    def heard(self) -> Pcm:
        """Everything heard so far."""
        track = self._line.media.recorder.heard
        return track.read(0, len(track))

    async def until_ended(self, *, timeout_s: float) -> Ended:
        """Wait until the far end hangs up.

        Raises:
            TimeoutError: it does not.
        """
        return await asyncio.wait_for(self._line.phone.wait_ended(), timeout_s)

    async def until_dead(self, *, for_s: float, timeout_s: float) -> None:
        """Wait until no packet has come for so long: a telephone takes the line for dead then.

        Raises:
            TimeoutError: packets go on.
        """
        loop = asyncio.get_running_loop()
        received, since_s = -1, loop.time()
        async with asyncio.timeout(timeout_s):
            while loop.time() - since_s < for_s:
                if self._line.media.received != received:
                    received, since_s = self._line.media.received, loop.time()
                await asyncio.sleep(_LOOK_S)

    async def hang_up(self) -> None:
        """End the call; idempotent."""
        await self._line.phone.hang_up("done")

    async def vanish(self) -> None:
        """Send no more audio, and no goodbye: a telephone whose battery is empty."""
        await self._line.media.close()

    def _on_frame(self, frame: Pcm, end: int) -> None:
        self.ear.receive(frame)
        if not self._greeted.is_set() and is_loud(frame):
            self._greeted.set()
        if self.sounding:
            media = self._line.media
            media.say(tone(CALLER_HZ, media.now))


@contextlib.asynccontextmanager
async def calling(target: str, *, caller: str, clock: MediaClock) -> AsyncGenerator[TransferCaller]:
    """Call `target` and be answered; leaving hangs up.

    Raises:
        CallFailedError: the call did not come about.
    """
    async with open_line(
        target, caller=caller, local_host=None, ring_timeout_s=TIMER_B_S, clock=clock
    ) as line:
        yield TransferCaller(line, caller)
