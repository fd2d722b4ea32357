"""Frames from a clock that ticks as ours does, but not at the same moments; pure."""

from collections import deque
from typing import Final

from voice.frames import Pcm

AHEAD: Final = 2
"""Frames that are there before the first is given out: either tick may be 20 ms late unheard."""

_MOST: Final = 10  # after one of the clocks stood still: 200 ms
_WATCHED: Final = 50  # takes after which a delay that was never needed is given up


class Slack:
    """20 ms in, 20 ms out. Both clocks are that of this machine: they do not drift."""

    def __init__(self) -> None:
        self._frames: deque[Pcm] = deque(maxlen=_MOST)
        self._filling = True
        self._watched = 0
        self._least = _MOST  # frames left after a take, in this watch

    def put(self, pcm: Pcm) -> None:
        """Add a frame, shape (160,); of too many the oldest goes."""
        self._frames.append(pcm)

    def take(self) -> Pcm | None:
        """The next frame; None: it is late, or the first ones are still gathered."""
        if self._filling and len(self._frames) < AHEAD:
            return None
        self._filling = not self._frames
        if self._filling:
            return None
        frame = self._frames.popleft()
        self._shorten()
        return frame

    def _shorten(self) -> None:
        """Drop what has been kept back for nothing: one short leap instead of a lasting delay."""
        self._least = min(self._least, len(self._frames))
        self._watched += 1
        if self._watched < _WATCHED:
            return
        for _ in range(self._least - AHEAD + 1):
            self._frames.popleft()
        self._watched, self._least = 0, _MOST
