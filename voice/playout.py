"""The outgoing 20 ms queue, which knows exactly which words were heard.

A reply is filled by the synthesiser while it is being played. Playing it pops one frame a tick;
when it is stopped, the words whose end had left are the words the caller heard. Pure; no clock:
position is counted in samples sent.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from voice.events import SpeechChunk
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

_FADE_SAMPLES = 40  # 5 ms: a hard cut clicks


@dataclass(frozen=True, slots=True)
class _TimedWord:
    word: str
    end_sample: int


class Reply:
    """One thing to say: chunks of speech in order, complete or still growing."""

    def __init__(self, *, barge_in: bool = True) -> None:
        self.barge_in = barge_in
        self.complete = False
        self._chunks: deque[Pcm] = deque()
        self._words: list[_TimedWord] = []
        self._appended = 0
        self._sent = 0

    def append(self, chunk: SpeechChunk) -> None:
        """Add speech at the end; ignored once the reply is complete."""
        if self.complete:
            return
        for word in chunk.words:
            self._words.append(_TimedWord(word.word, self._appended + round(word.end_s * RATE_HZ)))
        self._chunks.append(chunk.pcm)
        self._appended += len(chunk.pcm)

    def finish(self) -> None:
        """Nothing more will be appended."""
        self.complete = True

    @property
    def drained(self) -> bool:
        return self.complete and self._sent >= self._appended

    @property
    def has_audio(self) -> bool:
        return self._sent < self._appended

    @property
    def heard(self) -> str:
        """The words that have left in full."""
        return " ".join(word.word for word in self._words if word.end_sample <= self._sent)

    @property
    def planned(self) -> str:
        """All words appended so far."""
        return " ".join(word.word for word in self._words)

    def pop(self) -> Pcm | None:
        """The next 20 ms, shape (160,), zero-filled at the end; None when nothing is there."""
        if not self.has_audio:
            return None
        frame = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        filled = 0
        while filled < FRAME_SAMPLES and self._chunks:
            head = self._chunks[0]
            taken = min(len(head), FRAME_SAMPLES - filled)
            frame[filled : filled + taken] = head[:taken]
            filled += taken
            if taken == len(head):
                self._chunks.popleft()
            else:
                self._chunks[0] = head[taken:]
        self._sent += filled
        return frame


class Playout:
    """What is being said on one call."""

    def __init__(self) -> None:
        self.reply: Reply | None = None
        self._tail: Pcm | None = None

    def play(self, reply: Reply) -> None:
        """Start this reply; whatever was playing is over."""
        self.reply, self._tail = reply, None

    def pop(self) -> tuple[Pcm | None, Reply | None]:
        """The next 20 ms to send, or None for silence; and the reply that ended with it, if any."""
        if self._tail is not None:
            tail, self._tail = self._tail, None
            return tail, None
        if self.reply is None:
            return None, None
        frame, reply = self.reply.pop(), self.reply
        if not reply.drained:
            return frame, None
        self.reply = None
        return frame, reply

    def stop(self) -> Reply | None:
        """Fall silent within 5 ms; returns the reply that was cut, with what was heard of it."""
        reply, self.reply = self.reply, None
        if reply is not None:
            heard_frame = reply.pop()
            reply.finish()
            if heard_frame is not None:
                faded = heard_frame.astype(np.float32)
                faded[:_FADE_SAMPLES] *= np.linspace(1.0, 0.0, _FADE_SAMPLES, dtype=np.float32)
                faded[_FADE_SAMPLES:] = 0.0
                self._tail = faded.astype(np.int16)
        return reply
