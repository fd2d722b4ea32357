"""How unevenly packets arrive, measured in units of the RTP clock.

A packet's transit is its arrival minus its timestamp: useless as a number, as the two clocks have
nothing in common, but packets can be compared. The fastest packet of the last 5 to 10 s is the
base (a window, because the clocks drift apart), and a packet's lateness is what it took longer.
"""

from math import inf
from typing import Final

from voice.frames import RATE_HZ

_BASE_WINDOW_S: Final = 5.0
_ATTACK: Final = 0.5  # a lone straggler counts half, the third of a series nearly in full
_DECAY: Final = 0.998  # of the spread per packet: half in 350 packets, seven seconds
_JUMP_LATE: Final = RATE_HZ // 2  # half a second late, and it is the timestamps that jumped
_JUMP_EARLY: Final = RATE_HZ // 5  # nothing overtakes the fastest packet by so much either


class WindowedMinimum:
    """The least value of the last one to two windows of `size` values."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.filled = False
        """Whether a whole window has been seen."""
        self.clear()

    def clear(self) -> None:
        self._count = 0
        self._current = self._previous = inf
        self.filled = False

    @property
    def value(self) -> float:
        """Infinite before the first value."""
        current, previous = self._current, self._previous
        return current if current < previous else previous

    def add(self, value: float) -> None:
        if self._count == self._size:
            self._previous, self._current = self._current, inf
            self._count, self.filled = 0, True
        if value < self._current:
            self._current = value
        self._count += 1

    def shift(self, by: float) -> None:
        """Add `by` to every value seen."""
        self._current += by
        self._previous += by


class ArrivalMeter:
    """Measures one source's packets, in the order of their arrival.

    Attributes:
        jitter: interarrival jitter, RFC 3550 §6.4.1, in clock units.
        spread: the largest lateness, learnt fast and forgotten slowly, in clock units.
    """

    def __init__(self) -> None:
        self.jitter = self.spread = 0.0
        self.start_anew()

    def start_anew(self) -> None:
        """The source's clock is another: forget what compares with it, keep what was learnt."""
        self._transit: float | None = None
        self._window_began_s = 0.0
        self._fastest = self._fastest_before = inf

    def is_jump(self, timestamp: int, arrival_s: float) -> bool:
        """Whether no network explains this arrival: the sender's timestamps jumped."""
        if self._transit is None:
            return False
        lateness = arrival_s * RATE_HZ - timestamp - self._base
        return not -_JUMP_EARLY <= lateness <= _JUMP_LATE

    def receive(self, timestamp: int, arrival_s: float) -> float:
        """Take the unwrapped timestamp and the arrival of a packet; returns its lateness."""
        transit = arrival_s * RATE_HZ - timestamp
        if self._transit is None:
            self._window_began_s = arrival_s
        else:
            self.jitter += (abs(transit - self._transit) - self.jitter) / 16
        self._transit = transit
        if arrival_s - self._window_began_s > _BASE_WINDOW_S:
            self._window_began_s = arrival_s
            self._fastest_before, self._fastest = self._fastest, inf
        if transit < self._fastest:
            self._fastest = transit
        lateness = transit - self._base
        if lateness > self.spread:
            self.spread += (lateness - self.spread) * _ATTACK
        else:
            self.spread *= _DECAY
        return lateness

    @property
    def _base(self) -> float:
        fastest, before = self._fastest, self._fastest_before
        return fastest if fastest < before else before
