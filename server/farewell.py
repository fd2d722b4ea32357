"""The last words to a caller whose call we end: said to the leg, after the conversation is over."""

import asyncio
import logging
from typing import Final

from server.handoff.in_hand import CallInHand
from voice.events import LegEnded, LegEvent, SpeechError
from voice.frames import silence
from voice.playout import Playout, Reply
from voice.ports import TextToSpeech

log = logging.getLogger(__name__)

_LONGEST_S: Final = 8.0  # a farewell that takes longer is cut: others wait for us to stop
_TAIL_FRAMES: Final = 15  # 300 ms: our last word is still in the caller's jitter buffer


async def say_farewell(call: CallInHand, text: str, tts: TextToSpeech) -> None:
    """Say `text` to the caller and return when it was heard; the leg is not hung up.

    A caller who goes first, or a voice that fails, ends it early. Call it as soon as nobody else
    serves the leg, before anything is awaited.
    """
    words = _LastWords(call)
    try:
        async with asyncio.timeout(_LONGEST_S):
            words.play(await _rendered(text, tts))
            await words.over.wait()
    except (SpeechError, TimeoutError) as error:
        log.warning("a farewell was not said", extra={"error": str(error) or "too long"})
    finally:
        call.plane.remove(words)


async def _rendered(text: str, tts: TextToSpeech) -> Reply:
    reply = Reply()
    async for chunk in tts.synthesise(text):
        reply.append(chunk)
    reply.finish()
    return reply


class _LastWords:
    """What the media plane serves meanwhile."""

    def __init__(self, call: CallInHand) -> None:
        self._call, self._playout = call, Playout()
        self.over = asyncio.Event()
        self._tail: int | None = None  # frames to go after the last word
        call.leg.on_event = self._on_event
        call.plane.add(self)

    def play(self, reply: Reply) -> None:
        self._playout.play(reply)

    def listen(self) -> None:
        """See voice.plane.Served."""

    def act(self, now_s: float) -> None:
        """See voice.plane.Served."""
        theirs = self._call.leg.receive_frame()
        frame, ended = self._playout.pop()
        ours = silence() if frame is None else frame
        self._call.leg.send_frame(ours)
        self._call.recorder.write(theirs, ours)
        if ended is not None:
            self._tail = _TAIL_FRAMES
        elif self._tail is not None:
            self._tail -= 1
            if self._tail <= 0:
                self.over.set()

    def end(self, reason: str) -> None:
        """See voice.plane.Served."""
        self.over.set()

    def _on_event(self, event: LegEvent) -> None:
        if isinstance(event, LegEnded):
            self.end(event.reason)
