"""The caller's audio of one utterance, from a little before the detector noticed it."""

from collections import deque

import numpy as np

from voice.frames import FRAME_MS, RATE_HZ, Pcm, silence

_PRE_ROLL_FRAMES = 400 // FRAME_MS  # the detector is up to 130 ms late, soft onsets are later still
_MAX_SAMPLES = 30 * RATE_HZ  # the recogniser's window; the turn machine ends a turn before that


class UtteranceBuffer:
    """The last 400 ms, and the utterance being collected; grows by doubling, reused."""

    def __init__(self) -> None:
        self._latest: deque[Pcm] = deque([silence()] * _PRE_ROLL_FRAMES, maxlen=_PRE_ROLL_FRAMES)
        self._samples = np.empty(4 * RATE_HZ, dtype=np.int16)
        self._length = 0
        self.collecting = False

    def push(self, pcm: Pcm) -> None:
        """Add one frame, shape (160,), which nobody writes to afterwards."""
        if self.collecting:
            self._extend(pcm)
        self._latest.append(pcm)

    def begin(self) -> None:
        """Start an utterance with the last 400 ms; call it after the frame's push."""
        self._length, self.collecting = 0, True
        self._extend(np.concatenate(self._latest))

    def so_far(self) -> Pcm:
        """The audio collected until now, shape (n,); collecting goes on."""
        return self._samples[: self._length].copy()

    def take(self) -> Pcm:
        """End the utterance and return its audio, shape (n,)."""
        self.collecting = False
        return self.so_far()

    def discard(self) -> None:
        self.collecting = False

    def _extend(self, pcm: Pcm) -> None:
        needed = min(self._length + len(pcm), _MAX_SAMPLES)
        if needed > len(self._samples):
            grown = np.empty(min(2 * len(self._samples), _MAX_SAMPLES), dtype=np.int16)
            grown[: self._length] = self._samples[: self._length]
            self._samples = grown
        self._samples[self._length : needed] = pcm[: needed - self._length]
        self._length = needed
