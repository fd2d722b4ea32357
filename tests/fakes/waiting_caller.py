"""A caller on a phone who waits: dials, presses keys, says things, and keeps all that is heard.

It runs in a thread of its own, beside a browser that blocks the test's.
"""

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np

from telephony.media_clock import MediaClock
from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.rtp.ports import PortRange
from tests.fakes.sip_phone import Phone
from voice.events import LegEnded, LegEvent
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm, silence


class WaitingCaller:
    """One answered call; every method may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, leg: OutgoingSipLeg) -> None:
        self._loop, self.leg = loop, leg
        self._speech: Pcm = silence()[:0]
        self._heard: list[Pcm] = []
        self.ended: Future[str] = Future()
        leg.on_event = self._on_event

    def say(self, pcm: Pcm) -> None:
        """Begin to say this, int16, 8 kHz."""
        self._loop.call_soon_threadsafe(self._begin, pcm)

    def press(self, key: str) -> None:
        self._loop.call_soon_threadsafe(self.leg.send_key, key)

    def heard(self, since_s: float = 0.0) -> Pcm:
        """Everything heard, from so many seconds after the answer on."""
        frames = self._heard[round(since_s * RATE_HZ) // FRAME_SAMPLES :]
        return np.concatenate([silence(), *frames])

    @property
    def now_s(self) -> float:
        """Of the call."""
        return len(self._heard) * FRAME_SAMPLES / RATE_HZ

    def hang_up(self) -> None:
        asyncio.run_coroutine_threadsafe(self.leg.hang_up("done"), self._loop).result(10)

    # --- on the loop ---

    def tick(self, now_s: float) -> None:
        frame, self._speech = self._speech[:FRAME_SAMPLES], self._speech[FRAME_SAMPLES:]
        self.leg.send_frame(np.pad(frame, (0, FRAME_SAMPLES - len(frame))))
        self._heard.append(self.leg.receive_frame().copy())

    def _begin(self, pcm: Pcm) -> None:
        self._speech = np.concatenate([self._speech, pcm.astype(np.int16)])

    def _on_event(self, event: LegEvent) -> None:
        if isinstance(event, LegEnded) and not self.ended.done():
            self.ended.set_result(event.reason)


@contextmanager
def calling(target: str, *, ports_from: int = 36_000) -> Generator[WaitingCaller, None, None]:
    """A caller who has been answered; hangs up at the end if they are still there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="caller", daemon=True)
    thread.start()

    async def dial() -> tuple[WaitingCaller, MediaClock, Phone]:
        phone = await Phone(PortRange(ports_from, ports_from + 98)).open()
        leg = await phone.dial(target)
        caller = WaitingCaller(loop, leg)
        await leg.answered()
        clock = MediaClock()
        clock.add(caller.tick)
        await clock.start()
        return caller, clock, phone

    async def go() -> None:
        await caller.leg.hang_up("done")
        await clock.stop()
        await phone.endpoint.close(timeout_s=0.5)

    caller, clock, phone = asyncio.run_coroutine_threadsafe(dial(), loop).result(20)
    try:
        yield caller
    finally:
        asyncio.run_coroutine_threadsafe(go(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
