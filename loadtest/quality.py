"""What a packet stream did to speech: jitter, lateness, underruns, and how good it sounds; pure.

jitter     RFC 3550 §6.4.1: the smoothed difference of transit times
lateness   a packet's transit time over the fastest one of its stream
underrun   the listener's buffer ran dry in the middle of speech: sound, a hole, sound
R, MOS     the E-model, ITU-T G.107 (06/2015), with its default values where nothing is measured
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.activity import is_loud
from loadtest.pcm import Pcm

_BIN_MS: Final = 0.5
_BINS_PER_S: Final = 1000 / _BIN_MS
_BINS: Final = 2_000  # up to a second; what is later counts as that late

_R_BASE: Final = 93.2  # G.107 default: quiet rooms, good handsets, no echo
_G711_BPL: Final = 25.1  # G.113 Appendix I: G.711 with concealment, random loss
_PACKET_MS: Final = 20.0
_HOLE_LIMIT_FRAMES: Final = 25  # 500 ms; a longer hole is a pause or another prompt


_BUFFER_S: Final = 0.060  # what an ordinary phone waits for
_LATE_RUN: Final = 5  # 100 ms


class Histogram:
    """Counts of delays in half milliseconds: percentiles of any number in 16 kB."""

    def __init__(self, counts: Sequence[int] = ()) -> None:
        # Not an array of numpy: to add to one of its items takes three times as long.
        self._counts = [*counts, *[0] * (_BINS - len(counts))]

    def add(self, delay_s: float) -> None:
        index = int(delay_s * _BINS_PER_S)
        self._counts[index if 0 <= index < _BINS else (0 if index < 0 else _BINS - 1)] += 1

    def merge(self, other: "Histogram") -> None:
        """Count what `other` counted too."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]

    def since(self, before: "Histogram") -> "Histogram":
        """What was counted after `before`, an earlier state of this one."""
        return Histogram([a - b for a, b in zip(self._counts, before._counts, strict=True)])

    @property
    def count(self) -> int:
        return sum(self._counts)

    def percentile_ms(self, percent: float) -> float:
        """The upper edge of the bin that holds it; 0 of nothing."""
        total = self.count
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), total * percent / 100))
        return (min(place, _BINS - 1) + 1) * _BIN_MS

    def to_list(self) -> list[int]:
        """The counts up to the last that is not 0."""
        used = np.flatnonzero(self._counts)
        return self._counts[: used[-1] + 1] if used.size else []


class Transit:
    """Interarrival jitter and lateness of RTP packets; a jump of their timestamps begins anew.

    A sender that stalled is late from then on; after a few packets a telephone plays that much
    later, and so lateness is counted from there.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._last: tuple[float, int] | None = None  # arrival, timestamp
        self._late_run = 0
        self._transit_s = 0.0  # relative to the stream's first packet
        self._fastest_s = 0.0
        self._jitter_s = 0.0
        self._worst_jitter_s = 0.0
        self.lateness = Histogram()

    def packet(self, arrived_s: float, timestamp: int) -> None:
        """A packet came, at `arrived_s` on any steady clock; `timestamp` is its header's."""
        last, self._last = self._last, (arrived_s, timestamp)
        samples = 0 if last is None else _signed32(timestamp - last[1])
        if last is None or abs(samples) > self._rate_hz:  # over a second: a new stream
            self._transit_s = self._fastest_s = 0.0
            return
        step_s = (arrived_s - last[0]) - samples / self._rate_hz
        self._transit_s += step_s
        self._jitter_s += (abs(step_s) - self._jitter_s) / 16
        self._worst_jitter_s = max(self._worst_jitter_s, self._jitter_s)
        self._fastest_s = min(self._fastest_s, self._transit_s)
        late_s = self._transit_s - self._fastest_s
        self.lateness.add(late_s)
        self._late_run = self._late_run + 1 if late_s > _BUFFER_S else 0
        if self._late_run >= _LATE_RUN:
            self._fastest_s, self._late_run = self._transit_s, 0

    @property
    def jitter_ms(self) -> float:
        return 1000 * self._jitter_s

    @property
    def worst_jitter_ms(self) -> float:
        return 1000 * self._worst_jitter_s


def _signed32(difference: int) -> int:
    """A difference of wrapping timestamps as a signed number."""
    return ((difference + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


class Underruns:
    """Counts holes within speech; feed it every frame of the listener's clock, in order.

    Args:
        buffered: frames that the listener would have kept back before it began to play; holes of
            so much altogether, within one stretch of speech, are not heard.
        held_up: whether the listener's own clock did not run just now.

    Attributes:
        count: all holes. held_up: those of them that the listener's clock may have made itself.
    """

    def __init__(self, *, buffered: int = 0, held_up: Callable[[], bool] = lambda: False) -> None:
        self.count = 0
        self.held_up = 0
        self._is_held_up = held_up
        self._buffered = buffered
        self._absorbed = 0
        self._before: Pcm | None = None
        self._hole = 0

    def frame(self, pcm: Pcm | None) -> None:
        """A frame was due; None when it was not there."""
        if pcm is None:
            self._hole += 1
            return
        if self._hole > _HOLE_LIMIT_FRAMES:
            self._absorbed = 0
        elif self._hole and self._before is not None and is_loud(self._before) and is_loud(pcm):
            self._absorbed += self._hole
            if self._absorbed > self._buffered:
                self.count += 1
                self.held_up += self._is_held_up()
        self._hole = 0
        self._before = pcm

    def forget(self) -> None:
        """What was to come was taken back: the hole that follows is meant."""
        self._before = None
        self._absorbed = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One call's audio from the far end to us."""

    underruns: int = 0
    held_up: int = 0  # of the underruns: while our own clock did not run
    jitter_ms: float | None = None  # None: no RTP
    worst_jitter_ms: float | None = None
    lateness_p99_ms: float | None = None
    loss: float = 0.0  # share of packets that never came
    unusable: float = 0.0  # share that never came, or came too late to be played
    mos: float | None = None


def r_factor(*, loss: float, delay_ms: float, burst_ratio: float = 1.0) -> float:
    """The E-model's rating of a G.711 call, 0 to 93.2 (G.107 §7).

    Args:
        loss: share of packets not played, 0 to 1.
        delay_ms: mouth to ear, one way.
        burst_ratio: BurstR of G.107 §7.4: 1 for random loss, more when losses come together.
    """
    percent = 100 * loss
    equipment = 95 * percent / (percent / burst_ratio + _G711_BPL)
    # The usual straight-line form of Idd: little below 177.3 ms, steep above it.
    delay = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)
    return min(_R_BASE, max(0.0, _R_BASE - delay - equipment))


def mos(r: float) -> float:
    """The mean opinion score of a rating, 1 to 4.5 (G.107 Annex B)."""
    if r <= 0:
        return 1.0
    return min(4.5, max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6))


def call_mos(*, unusable: float, lateness_p99_ms: float, buffer_ms: float) -> float:
    """The score of what we heard: packet, the listener's buffer or the network, whichever is more.

    The network's own delay is not known to either end; between two machines it is added by whoever
    knows it.
    """
    delay_ms = _PACKET_MS + max(buffer_ms, lateness_p99_ms)
    return mos(r_factor(loss=unusable, delay_ms=delay_ms))
