"""The caller's own recording: two tracks on one clock, left what was sent, right what was heard.

Sample n of either track is the moment n / 8000 s after the call's clock started, at the caller's
ear and mouth. A frame sent on tick k was spoken during the 20 ms before it, so the clock starts one
frame before the first packet; a received frame is heard from the moment it arrives.
"""

from pathlib import Path
from typing import Final

import numpy as np

from loadtest.pcm import RATE_HZ, Pcm
from loadtest.wav import write_wav

_MAX_SAMPLES: Final = 3_600 * RATE_HZ  # an hour, 58 MB a track: what follows is not recorded


class Track:
    """A growing stretch of PCM that can be written out of order; unwritten samples are silence."""

    def __init__(self) -> None:
        self._samples: Pcm = np.zeros(30 * RATE_HZ, dtype=np.int16)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def write(self, position: int, pcm: Pcm) -> None:
        """Place `pcm` at sample `position`; parts before 0 or after an hour are dropped."""
        if position < 0:
            pcm, position = pcm[-position:], 0
        pcm = pcm[: max(0, _MAX_SAMPLES - position)]
        end = position + pcm.size
        if end > self._samples.size:
            grown = np.zeros(max(end, 2 * self._samples.size), dtype=np.int16)
            grown[: self._length] = self._samples[: self._length]
            self._samples = grown
        self._samples[position:end] = pcm
        self._length = max(self._length, end)

    def read(self, start: int, end: int) -> Pcm:
        """A copy of samples [start, end), silence where nothing was written, before 0 too."""
        if start >= 0 and end <= self._length:
            return self._samples[start:end].copy()
        before = min(max(-start, 0), end - start)
        part = self._samples[max(start, 0) : max(min(end, self._length), 0)]
        return np.pad(part, (before, end - start - before - part.size))


class Recorder:
    """Both directions of one call."""

    def __init__(self) -> None:
        self.sent = Track()
        self.heard = Track()

    @property
    def duration(self) -> int:
        """Samples recorded so far, of the longer track."""
        return max(len(self.sent), len(self.heard))

    def save_stereo(self, path: Path) -> None:
        """Write left the caller, right the frontdesk, as int16 8 kHz.

        Raises:
            AudioFileError: the file cannot be written.
        """
        write_wav(path, self.sent.read(0, self.duration), self.heard.read(0, self.duration))

    def save_heard(self, path: Path) -> None:
        """Write what came back, mono.

        Raises:
            AudioFileError: the file cannot be written.
        """
        write_wav(path, self.heard.read(0, self.duration))
