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
_SLACK_SAMPLES: Final = 30 * RATE_HZ  # written before the oldest is forgotten, all at once


class Track:
    """A growing stretch of PCM that can be written out of order; unwritten samples are silence.

    Args:
        keep: how many of its last samples are wanted; without it all of the first hour are kept.
    """

    def __init__(self, *, keep: int | None = None) -> None:
        self._keep = keep
        # Zeros that nobody wrote take no memory: a silent line costs next to nothing.
        self._samples: Pcm = np.zeros(30 * RATE_HZ, dtype=np.int16)
        self._origin = 0  # the sample that comes first in the buffer
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def reach(self, end: int) -> None:
        """Go on to sample `end` with silence, unless the track is that long already."""
        if end > self._length:
            self._length = end if self._keep is not None else min(end, _MAX_SAMPLES)

    def write(self, position: int, pcm: Pcm) -> None:
        """Place `pcm` at sample `position`; what is not kept any more is dropped."""
        start = position - self._origin
        if start < 0:
            pcm, start = pcm[-start:], 0
        if start + pcm.size > self._samples.size:
            start, pcm = self._make_room(start, pcm)
        self._samples[start : start + pcm.size] = pcm
        self.reach(self._origin + start + pcm.size)

    def _make_room(self, start: int, pcm: Pcm) -> tuple[int, Pcm]:
        """Grow, or forget the oldest; where in the buffer what of `pcm` goes."""
        if self._keep is None:
            pcm = pcm[: max(0, _MAX_SAMPLES - start)]
            size = min(_MAX_SAMPLES, max(start + pcm.size, 2 * self._samples.size))
            kept = self._samples
        else:
            forgotten = max(0, start + pcm.size - self._keep)
            size = max(self._keep + _SLACK_SAMPLES, start + pcm.size - forgotten)
            kept = self._samples[forgotten:]
            self._origin, start = self._origin + forgotten, start - forgotten
            if start < 0:
                pcm, start = pcm[-start:], 0
        grown = np.zeros(max(size, kept.size), dtype=np.int16)
        grown[: kept.size] = kept
        self._samples = grown
        return start, pcm

    def read(self, start: int, end: int) -> Pcm:
        """A copy of samples [start, end), silence where nothing was written or is kept."""
        first, last = start - self._origin, end - self._origin
        if first >= 0 and last <= self._samples.size:
            return self._samples[first:last].copy()
        before = min(max(-first, 0), end - start)
        part = self._samples[max(first, 0) : max(last, 0)]
        return np.pad(part, (before, end - start - before - part.size))


class Recorder:
    """Both directions of one call.

    Args:
        keep_s: how much of their end is wanted; without it everything is kept, up to an hour.
    """

    def __init__(self, *, keep_s: float | None = None) -> None:
        keep = None if keep_s is None else round(keep_s * RATE_HZ)
        self.sent = Track(keep=keep)
        self.heard = Track(keep=keep)

    @property
    def duration(self) -> int:
        """Samples recorded so far, of the longer track."""
        return max(len(self.sent), len(self.heard))

    def save_stereo(self, path: Path) -> None:
        """Write left the caller, right the frontdesk, as int16 8 kHz.

        Raises:
            AudioFileError: the file cannot be written.
        """
        end = self.duration  # once: the call may go on while it is written
        write_wav(path, self.sent.read(0, end), self.heard.read(0, end))

    def save_heard(self, path: Path) -> None:
        """Write what came back, mono.

        Raises:
            AudioFileError: the file cannot be written.
        """
        write_wav(path, self.heard.read(0, self.duration))
