"""The outgoing 20 ms queue, which knows exactly which words were heard.

A reply is filled by the synthesiser while it is being played. Playing it pops one frame a tick;
when it is stopped, the words whose end had left are the words the caller heard. It can be lowered
while somebody may be interrupting, paused, and taken up again at the word it was paused in. Pure;
no clock: position is counted in samples sent.
"""

from dataclasses import dataclass

import numpy as np

from voice.events import BargeIn, SpeechChunk
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

_FADE_SAMPLES = 40  # 5 ms: a hard cut clicks
_DUCKED = 0.25  # -12 dB: clearly making room, still understood
_AUDIBLE = 328  # of int16, -40 dB of full scale: under any consonant of a voice at -20 dB
_LONGEST_PAUSE = RATE_HZ // 2  # between two sentences


@dataclass(frozen=True, slots=True)
class _TimedWord:
    word: str
    start: int
    end: int


class Reply:
    """One thing to say: chunks of speech in order, complete or still growing."""

    def __init__(self) -> None:
        self.complete = False
        self._modes: list[BargeIn] = []  # of each chunk
        self._chunks: list[tuple[int, Pcm]] = []  # where each begins, in samples of the reply
        self._words: list[_TimedWord] = []
        self._appended = 0
        self._position = 0  # the next sample to send
        self._current = 0  # index of the chunk it lies in
        self._furthest = 0  # the position before any rewinding

    def append(self, chunk: SpeechChunk, *, barge_in: BargeIn = BargeIn.ALL) -> None:
        """Add speech at the end, and what interrupts it; ignored once the reply is complete."""
        if self.complete:
            return
        self._words += [
            _TimedWord(
                word.word,
                self._appended + round(word.start_s * RATE_HZ),
                self._appended + round(word.end_s * RATE_HZ),
            )
            for word in chunk.words
        ]
        self._chunks.append((self._appended, chunk.pcm))
        self._modes.append(barge_in)
        self._appended += len(chunk.pcm)

    def finish(self) -> None:
        """Nothing more will be appended."""
        self.complete = True

    def anew(self) -> "Reply":
        """The same from its beginning, to be added to."""
        reply = Reply()
        reply._modes, reply._chunks = list(self._modes), list(self._chunks)
        reply._words, reply._appended = list(self._words), self._appended
        return reply

    @property
    def begun(self) -> bool:
        """Whether any of it has left."""
        return self._furthest > 0

    @property
    def barge_in(self) -> BargeIn:
        """What interrupts the chunk that is next, or was last."""
        return self._modes[min(self._current, len(self._modes) - 1)] if self._modes else BargeIn.ALL

    @property
    def drained(self) -> bool:
        return self.complete and self._position >= self._appended

    @property
    def has_audio(self) -> bool:
        return self._position < self._appended

    @property
    def heard(self) -> str:
        """The words that have left in full."""
        return " ".join(word.word for word in self._words if word.end <= self._furthest)

    @property
    def planned(self) -> str:
        """All words appended so far."""
        return " ".join(word.word for word in self._words)

    def pop(self) -> Pcm | None:
        """The next 20 ms, shape (160,), zero-filled at the end; None when nothing is there.

        Nobody may write to it: mostly it is a part of the chunk.
        """
        if not self.has_audio:
            return None
        begins, pcm = self._chunks[self._current]
        at = self._position - begins
        if at + FRAME_SAMPLES < len(pcm):
            frame = pcm[at : at + FRAME_SAMPLES]
            self._position += FRAME_SAMPLES
        else:
            frame = self._joined()
        self._furthest = max(self._furthest, self._position)
        return frame

    def _joined(self) -> Pcm:
        """The next 20 ms where a chunk ends in them."""
        frame = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        filled = 0
        while filled < FRAME_SAMPLES and self.has_audio:
            begins, pcm = self._chunks[self._current]
            taken = pcm[self._position - begins :][: FRAME_SAMPLES - filled]
            frame[filled : filled + len(taken)] = taken
            filled += len(taken)
            self._position += len(taken)
            if self._position >= begins + len(pcm):
                self._current += 1
        return frame

    def rewind(self) -> None:
        """Go to the first sound of the word that was being said, or of the next between words."""
        begun = (word.start for word in self._words if word.start <= self._position < word.end)
        self._position = next(begun, self._position)
        begins_before = [begins for begins, _ in self._chunks if begins <= self._position]
        self._current = max(len(begins_before) - 1, 0)
        self._skip_pause()

    def _skip_pause(self) -> None:
        """Whoever was silent anyhow need not be so for the pause before a word as well."""
        if not self.has_audio:
            return
        begins, pcm = self._chunks[self._current]
        ahead = pcm[self._position - begins :][:_LONGEST_PAUSE]
        audible = (ahead >= _AUDIBLE) | (ahead <= -_AUDIBLE)
        if audible.any():
            self._position += int(audible.argmax())


class Playout:
    """What is being said on one call."""

    def __init__(self) -> None:
        self.reply: Reply | None = None  # being played
        self._paused: Reply | None = None
        self._tail: Pcm | None = None
        self._gain = self._wanted_gain = 1.0

    @property
    def barge_in(self) -> BargeIn:
        """What interrupts that which is being said, or was paused."""
        reply = self.reply or self._paused
        return BargeIn.ALL if reply is None else reply.barge_in

    def play(self, reply: Reply) -> None:
        """Start this reply at full voice; whatever was playing or paused is over."""
        self.reply, self._paused, self._tail = reply, None, None
        self._gain = self._wanted_gain = 1.0

    def duck(self) -> None:
        """Lower the voice, from the next frame on."""
        self._wanted_gain = _DUCKED

    def pause(self) -> None:
        """Fall silent within 5 ms and keep the rest."""
        if self.reply is not None:
            self._paused, self.reply = self.reply, None
            self._fade_out(self._paused)

    def resume(self, *, softly: bool = False) -> None:
        """Full voice, or the lowered one; what was paused goes on with the word it stopped in."""
        self._wanted_gain = _DUCKED if softly else 1.0
        if self._paused is not None:
            self.reply, self._paused, self._tail = self._paused, None, None
            self.reply.rewind()

    def stop(self) -> Reply | None:
        """Fall silent within 5 ms; returns the reply given up, with what was heard of it."""
        playing = self.reply
        reply, self.reply, self._paused = playing or self._paused, None, None
        if reply is not None:
            reply.finish()
        if playing is not None:
            self._fade_out(playing)
        return reply

    def pop(self) -> tuple[Pcm | None, Reply | None]:
        """The next 20 ms to send, or None for silence; and the reply that ended with it, if any."""
        if self._tail is not None:
            tail, self._tail = self._tail, None
            return tail, None
        if self.reply is None:
            return None, None
        frame, reply = self.reply.pop(), self.reply
        if frame is not None:
            frame = self._with_gain(frame)
        if not reply.drained:
            return frame, None
        self.reply = None
        return frame, reply

    def _with_gain(self, frame: Pcm) -> Pcm:
        if self._gain == self._wanted_gain == 1.0:
            return frame
        ramp = np.linspace(self._gain, self._wanted_gain, FRAME_SAMPLES, dtype=np.float32)
        self._gain = self._wanted_gain
        return (frame * ramp).astype(np.int16)

    def _fade_out(self, reply: Reply) -> None:
        frame = reply.pop()
        if frame is not None:
            faded = self._with_gain(frame).astype(np.float32)
            faded[:_FADE_SAMPLES] *= np.linspace(1.0, 0.0, _FADE_SAMPLES, dtype=np.float32)
            faded[_FADE_SAMPLES:] = 0.0
            self._tail = faded.astype(np.int16)
