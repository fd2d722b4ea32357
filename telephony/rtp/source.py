"""Which packets belong to the one RTP source that is heard, after RFC 3550 appendix A.1.

Sequence numbers are unwrapped, duplicates told from stragglers, losses counted. A new SSRC, or a
jump of the sequence numbers, is taken for a restart only when a second packet continues the first:
one stray packet must not cut the stream, and two interleaved sources must not fight over it.
"""

from enum import Enum
from typing import Final

from telephony.rtp.packet import SEQUENCE_MODULUS, unwrap

_SEEN_BITS: Final = 4096  # sequence numbers remembered; more than the largest gap believed
_ALL_SEEN: Final = (1 << _SEEN_BITS) - 1
_MAX_DROPOUT: Final = 3000
_MAX_MISORDER: Final = 100


class Verdict(Enum):
    NEWEST = "newest"  # ahead of all so far
    REORDERED = "reordered"  # overtaken by later ones, but new
    DUPLICATE = "duplicate"  # seen before
    PROBATION = "probation"  # of another source, or long out of date: not ours so far
    RESTARTED = "restarted"  # continues the packet on probation: both are ours now


class SourceTracker:
    """Judges every packet of a session by its SSRC and sequence number.

    Attributes:
        sequence: unwrapped number of the packet judged last, unless it was put on probation.
        received: packets judged.
        duplicates: of them, those seen before.
        restarts: new sources believed.
    """

    def __init__(self) -> None:
        self.sequence = self.received = self.duplicates = self.restarts = 0
        self._ssrc: int | None = None
        self._highest = self._base = self._accepted = 0
        self._lost_before = 0  # by sources that have ended
        self._seen = 0  # bit n: packet `_highest` - `_run` - n was seen
        self._run = 0  # packets since that came in order: their bits are set when needed
        self._candidate: tuple[int, int] | None = None  # SSRC and number that would continue it

    @property
    def lost(self) -> int:
        """Packets missing so far; one that still comes is no longer counted."""
        return self._lost_before + self._missing

    @property
    def _missing(self) -> int:
        return self._highest - self._base + 1 - self._accepted if self._accepted else 0

    def is_next(self, ssrc: int, sequence: int) -> bool:
        """Whether this packet follows the newest one, as nearly all do; changes nothing."""
        return sequence == (self._highest + 1) % SEQUENCE_MODULUS and ssrc == self._ssrc

    def advance(self) -> int:
        """Take the packet of which `is_next` is true; returns its unwrapped number."""
        self._candidate = None
        self.received += 1
        self._accepted += 1
        self._run += 1
        self._highest += 1
        self.sequence = self._highest
        return self._highest

    def receive(self, ssrc: int, sequence: int) -> Verdict:
        if self.is_next(ssrc, sequence):
            self.advance()
            return Verdict.NEWEST
        self.received += 1
        if self._ssrc is None:
            self._begin(ssrc, sequence)
            return Verdict.NEWEST
        if ssrc == self._ssrc:
            unwrapped = unwrap(sequence, near=self._highest, modulus=SEQUENCE_MODULUS)
            if -_MAX_MISORDER <= unwrapped - self._highest <= _MAX_DROPOUT:
                self._candidate = None
                return self._place(unwrapped)
        if self._candidate != (ssrc, sequence):
            self._candidate = (ssrc, (sequence + 1) % SEQUENCE_MODULUS)
            return Verdict.PROBATION
        self._lost_before += self._missing
        self.restarts += 1
        self._begin(ssrc, sequence - 1)
        self._place(sequence)
        return Verdict.RESTARTED

    def missing_between(self, first: int, second: int) -> bool:
        """Whether a packet between two unwrapped numbers, both exclusive, has not been seen."""
        count = second - first - 1
        if count <= 0:
            return False
        every = (1 << count) - 1
        self._end_run()
        return (self._seen >> (self._highest - second + 1)) & every != every

    def _begin(self, ssrc: int, sequence: int) -> None:
        self._ssrc = ssrc
        self._candidate = None
        self.sequence = self._highest = self._base = sequence
        self._accepted = self._seen = 1
        self._run = 0

    def _end_run(self) -> None:
        run, self._run = min(self._run, _SEEN_BITS), 0
        self._seen = (self._seen << run | (1 << run) - 1) & _ALL_SEEN

    def _place(self, unwrapped: int) -> Verdict:
        self._end_run()
        self.sequence = unwrapped
        ahead = unwrapped - self._highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & _ALL_SEEN
            self._highest = unwrapped
            self._accepted += 1
            return Verdict.NEWEST
        if self._seen >> -ahead & 1:
            self.duplicates += 1
            return Verdict.DUPLICATE
        self._seen |= 1 << -ahead
        self._base = min(self._base, unwrapped)
        self._accepted += 1
        return Verdict.REORDERED
