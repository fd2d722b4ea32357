"""How loud this caller speaks, so that somebody behind them is not taken for them.

A caller holds the microphone; the television and the family are metres away and 15 to 25 dB softer.
No threshold in absolute terms tells them apart, since callers' levels differ by more than that; but
one call has one caller, and after their first answer it is known how loud they are. While frontdesk
speaks, only a sound near that level may interrupt. While it listens everything is heard: there a
caller who turns away from the phone must not be lost.
"""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, Pcm

BEHIND_DB: Final = 13.0
"""Below the caller's own level. A caller's words stray by some 6 dB; a voice at three metres is
20 dB below one at 10 cm and a little (inverse distance, less what the room adds)."""

_ACTIVE_DB: Final = 15.0  # below the loudest frame: the rest of an utterance is gaps, not voice
_NEWS: Final = 0.4  # weight of the latest utterance: people get louder and softer slowly
_FRAMES: Final = 6  # of which the loudest counts: single frames fall into the gaps of a voice
_QUIETEST: Final = 1.0  # power of a sample: digital silence has no logarithm


class CallerLevel:
    """One call's; pure. Levels are dB of power of int16 samples."""

    def __init__(self) -> None:
        self.level_db: float | None = None
        """The caller's active speech level; None until they have said something."""
        self._recent: deque[Pcm] = deque(maxlen=_FRAMES)

    def learn(self, pcm: Pcm) -> None:
        """Take an utterance that had words in it, int16, shape (n,)."""
        frames = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        if not len(frames):
            return
        powers = np.square(frames.astype(np.float32)).mean(axis=1)
        # What is compared later is the loudest of some frames, so that is what is learnt.
        loudest = _loudest_of_late(powers)
        active = loudest[loudest >= loudest.max() / 10 ** (_ACTIVE_DB / 10)]
        spoken_db = _db(float(active.mean()))
        known = self.level_db
        self.level_db = spoken_db if known is None else known + _NEWS * (spoken_db - known)

    def hear(self, frame: Pcm) -> None:
        """Take a frame of whoever makes a sound there, shape (160,)."""
        self._recent.append(frame)

    @property
    def is_behind(self) -> bool:
        """Whether the latest frames are too soft to be this caller; worked out when asked."""
        if self.level_db is None or not self._recent:
            return False
        samples = np.array(self._recent, dtype=np.float32)
        powers = np.einsum("ij,ij->i", samples, samples) / FRAME_SAMPLES
        return _db(float(powers.max())) < self.level_db - BEHIND_DB


def _loudest_of_late(powers: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each frame the greatest power of it and the five before it; shape (n,)."""
    before = np.concatenate((np.full(_FRAMES - 1, _QUIETEST, dtype=np.float32), powers))
    return np.lib.stride_tricks.sliding_window_view(before, _FRAMES).max(axis=1)


def _db(power: float) -> float:
    return 10 * float(np.log10(max(power, _QUIETEST)))
