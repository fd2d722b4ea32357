"""The adaptive jitter buffer: uneven arrivals in, exactly 20 ms of payload out per tick.

Theory of operation. Audio lies on a line of timestamps; one octet of payload is one timestamp unit,
as in every 8 kHz G.711 stream, so packets of any length cut into 20 ms frames by themselves. `pop`
plays the frame at the *play point* and moves it on. Three rules place the play point:

- A talk spurt starts after a hold of the *target delay*, counted in ticks.
- While the line is dry the play point stays: what is concealed meanwhile is time added, not audio
  replaced. A packet that comes after its time is then played all the same, and the delay has grown
  by just what was missing. When the next packet comes in time, what it was to follow is lost, and
  the play point moves on as if the line had never been dry.
- Otherwise the delay follows the target by one frame at a time, left out or added, where the caller
  is quiet; in speech only when far too much is buffered, or packets are coming too late.

The target is the spread of the arrivals plus one frame: it jumps up with late packets and sinks
slowly. How much delay there really is, each packet shows: the audio between the play point and it,
plus its own lateness, is what the fastest packet would wait. Where the ticks fall between the
arrivals is not known, so one frame of surplus is let be: taking it away would only make the next
late packet bring it back.

A gap in the line is a loss (`LOST`: conceal it) when sequence numbers are missing too; when they
are not, the sender was silent (`EMPTY`: play silence).
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from telephony.rtp.arrival import ArrivalMeter, WindowedMinimum
from telephony.rtp.packet import TIMESTAMP_MODULUS, RtpPacket, unwrap
from telephony.rtp.source import SourceTracker, Verdict
from voice.frames import FRAME_SAMPLES, RATE_HZ

_TICKS_PER_MS: Final = RATE_HZ // 1000
_SLACK_MS: Final = 100  # held beyond the greatest target, for bursts
_MAX_SEGMENTS: Final = 128  # a flood of tiny packets ends here
_CONCEALED_TICKS: Final = 5  # 100 ms of a dry line count as loss, after that as silence
_DEPTH_WINDOW: Final = 50  # packets: the delay is the least of the last 1 to 2 s
_TOO_MUCH: Final = 3 * FRAME_SAMPLES  # so much beyond the target is also cut out of speech
_RESIZE_TICKS: Final = 10  # speech loses or gains at most one frame in 200 ms


class Gap(Enum):
    """What there is instead of a payload."""

    LOST = "lost"  # audio is missing: conceal it
    EMPTY = "empty"  # the sender has nothing to say, or has not begun: silence


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterStatistics:
    """Counts since the start: of packets, but `concealed` and `skipped` of 20 ms frames."""

    received: int = 0  # all of the session, whatever became of them
    lost: int = 0  # expected by sequence number and not (yet) there
    late: int = 0  # arrived after their time, or pushed out by the bound
    duplicate: int = 0
    concealed: int = 0  # frames reported LOST
    skipped: int = 0  # frames left out to shorten the delay
    restarts: int = 0  # new SSRCs and sequence restarts
    jitter_ms: float = 0.0  # interarrival jitter, RFC 3550 §6.4.1
    target_ms: float = 0.0  # the delay aimed at


class _Segment(NamedTuple):
    """One packet's audio on the line; sorts by its place there."""

    start: int  # unwrapped timestamp
    sequence: int  # unwrapped
    payload: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.payload)


def _never_quiet(_payload: bytes) -> bool:
    return False


class JitterBuffer:
    """One RTP source's audio: `put` packets as they come, `pop` once per 20 ms.

    Holds at most the greatest target and 100 ms; older audio gives way to newer. `is_quiet` may be
    set at any time, as the codec may change.
    """

    def __init__(
        self,
        *,
        min_ms: int = 20,
        max_ms: int = 200,
        is_quiet: Callable[[bytes], bool] = _never_quiet,
    ) -> None:
        """
        Args:
            min_ms: the least target delay, which is also the first one.
            max_ms: the greatest.
            is_quiet: whether a payload may be left out without anyone missing it.

        Raises:
            ValueError: the delays are out of order or under one frame.
        """
        if not 20 <= min_ms <= max_ms:
            raise ValueError(f"delays of {min_ms} to {max_ms} ms: at least 20, in this order")
        self._min, self._max = min_ms * _TICKS_PER_MS, max_ms * _TICKS_PER_MS
        self._capacity = (max_ms + _SLACK_MS) * _TICKS_PER_MS
        self.is_quiet = is_quiet
        self._source = SourceTracker()
        self._arrivals = ArrivalMeter()
        self._depth = WindowedMinimum(_DEPTH_WINDOW)  # the delay as packets saw it, less a frame
        self._segments: list[_Segment] = []
        self._candidate: tuple[RtpPacket, float] | None = None  # on probation, with its arrival
        self._laid = False  # a first packet has laid the line
        self._newest = 0  # timestamp of the newest packet
        self._point = 0  # timestamp of the next frame
        self._played = 0  # end of what was given out: nothing before it is played again
        self._played_sequence = 0  # of the packet it came from
        self._hold = 0  # ticks until the talk spurt starts
        self._waiting = False  # nothing of this talk spurt has been played
        self._dry = 0  # ticks the line has been dry
        self._paused = False  # the sender says it has no audio: comfort noise or a key
        self._since_resize = 0  # ticks
        self._late_at_resize = 0
        self._due: int | None = None  # where the play point would be, had it moved on every tick
        self.slip = 0
        """How much later than the first frame the latest one was given out, in samples: audio held
        back makes it grow, audio left out makes it sink. It goes on where a source starts anew."""
        self._late = self._concealed = self._skipped = 0

    @property
    def statistics(self) -> JitterStatistics:
        return JitterStatistics(
            received=self._source.received,
            lost=self._source.lost,
            late=self._late,
            duplicate=self._source.duplicates,
            concealed=self._concealed,
            skipped=self._skipped,
            restarts=self._source.restarts,
            jitter_ms=self._arrivals.jitter / _TICKS_PER_MS,
            target_ms=self._target / _TICKS_PER_MS,
        )

    @property
    def buffered_ms(self) -> float:
        """Audio from the play point to the newest sample held."""
        return max(0, self._end - self._point) / _TICKS_PER_MS

    @property
    def _target(self) -> int:
        wanted = self._arrivals.spread + FRAME_SAMPLES
        if wanted <= self._min:  # as on most lines
            return self._min
        return self._max if wanted > self._max else int(wanted)

    @property
    def _end(self) -> int:
        return self._segments[-1].end if self._segments else self._point

    # --- in ---------------------------------------------------------------------------------------

    def put(self, packet: RtpPacket, arrival_s: float) -> None:
        """Take a packet of audio that arrived at `arrival_s`, monotonic seconds."""
        if not packet.payload:
            self.note(packet)
            return
        verdict = self._source.receive(packet.ssrc, packet.sequence)
        sequence = self._source.sequence
        if verdict is Verdict.NEWEST:  # nearly always
            self._accept(packet, sequence, arrival_s, newest=True)
            return
        match verdict:
            case Verdict.REORDERED:
                self._accept(packet, sequence, arrival_s, newest=False)
            case Verdict.RESTARTED:
                self._start_anew()
                if self._candidate is not None:
                    first, first_arrival_s = self._candidate
                    self._accept(first, sequence - 1, first_arrival_s, newest=True)
                self._accept(packet, sequence, arrival_s, newest=True)
            case Verdict.PROBATION:
                self._candidate = (packet, arrival_s)
            case Verdict.DUPLICATE:
                pass

    def put_next(
        self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival_s: float
    ) -> bool:
        """`put` for a packet that is just what was expected, as nearly all are, in a third of it.

        Returns:
            False if there is anything unusual about it; nothing has changed then, and it is to be
            `put`.
        """
        start, segments = self._newest + FRAME_SAMPLES, self._segments
        if (
            timestamp != start % TIMESTAMP_MODULUS
            or len(payload) != FRAME_SAMPLES
            or self._dry
            or self._waiting
            or not self._laid
            or not self._source.is_next(ssrc, sequence)
            or self._point > start
            or start + FRAME_SAMPLES - self._point > self._capacity
            or self._arrivals.is_jump(start, arrival_s)
        ):
            return False
        self._newest, self._paused = start, False
        # What the tuple's own constructor does, less a call.
        segments.append(tuple.__new__(_Segment, (start, self._source.advance(), payload)))
        lateness = self._arrivals.receive(start, arrival_s)
        self._depth.add(start - self._point + self._hold * FRAME_SAMPLES + lateness)
        return True

    def note(self, packet: RtpPacket) -> None:
        """Take a packet of the same source without audio in it: a key, comfort noise."""
        match self._source.receive(packet.ssrc, packet.sequence):
            case Verdict.NEWEST:
                self._paused = True
            case Verdict.RESTARTED:
                self._start_anew()
                self._paused = True
            case Verdict.PROBATION:
                self._candidate = None
            case Verdict.REORDERED | Verdict.DUPLICATE:
                pass

    def reset(self) -> None:
        """Forget what is held, for a change of codec or the end of a hold; statistics go on."""
        self._start_anew()

    def _start_anew(self) -> None:
        self._arrivals.start_anew()
        self._depth.clear()
        self._segments.clear()
        self._laid = False
        self._due = None
        self._hold = self._dry = 0

    def _accept(self, packet: RtpPacket, sequence: int, arrival_s: float, *, newest: bool) -> None:
        start = packet.timestamp
        if start == self._newest + FRAME_SAMPLES:  # nearly always
            pass
        elif self._laid:
            start = unwrap(start, near=self._newest, modulus=TIMESTAMP_MODULUS)
        if newest:
            if self._arrivals.is_jump(start, arrival_s):
                self._start_anew()
            self._newest = start
            self._paused = False
        lateness = self._arrivals.receive(start, arrival_s)
        # What the tuple's own constructor does, less a call.
        self._place(tuple.__new__(_Segment, (start, sequence, packet.payload)))
        self._depth.add(start - self._point + self._hold * FRAME_SAMPLES + lateness)

    def _place(self, segment: _Segment) -> None:
        if not self._laid:
            self._lay(segment)
        elif self._waiting and self._played <= segment.start < self._point:
            self._point = segment.start
        segments = self._segments
        if segment.end <= self._point or len(segments) == _MAX_SEGMENTS:
            self._late += 1
            return
        if self._dry:
            self._end_dry_spell(segment)
        insort(segments, segment)
        if segments[-1].end - self._point > self._capacity:
            self._give_way()

    def _lay(self, segment: _Segment) -> None:
        self._laid = True
        self._played = segment.start - self._capacity
        self._played_sequence = segment.sequence - 1
        self._start_spurt(segment)

    def _start_spurt(self, segment: _Segment) -> None:
        self._point = segment.start
        self._waiting = True
        self._depth.clear()
        self._hold = -(-self._target // FRAME_SAMPLES) - 1
        # Packets that are no whole number of frames leave a tick with only part of a frame.
        self._hold += len(segment.payload) % FRAME_SAMPLES != 0

    def _end_dry_spell(self, segment: _Segment) -> None:
        due = self._point + self._dry * FRAME_SAMPLES
        in_time = segment.start >= due
        if in_time and self._dry >= _CONCEALED_TICKS:
            self._segments.clear()
            self._start_spurt(segment)
        elif in_time:
            self._point = due
            self._discard_played()
        else:
            self._depth.clear()
            if not self._segments:
                self._point = max(self._point, segment.start)
        self._dry = 0

    def _give_way(self) -> None:
        held = len(self._segments)
        self._point = self._played = self._end - self._target
        self._discard_played()
        self._late += held - len(self._segments)
        self._depth.clear()

    def _discard_played(self) -> None:
        while self._segments and self._segments[0].end <= self._point:
            del self._segments[0]

    # --- out --------------------------------------------------------------------------------------

    def pop(self) -> bytes | Gap:
        """The payload of the next 20 ms, 160 octets, or why there is none."""
        if not self._laid:
            return Gap.EMPTY
        if self._due is not None:
            self._due += FRAME_SAMPLES
        if self._hold:
            self._hold -= 1
            return Gap.EMPTY
        self._waiting = False
        if self._segments and self._depth.filled:
            added = self._resize()
            if added is not None:
                return added
        payload = self._take_frame()
        if payload is not None:
            if self._due is None:
                self._due = self._point + self.slip
            self.slip = self._due - self._point
            self._point += FRAME_SAMPLES
            self._played = self._point
            return payload
        if self._end >= self._point + FRAME_SAMPLES:
            return self._pass_gap()
        return self._stay_dry()

    def _take_frame(self) -> bytes | None:
        if not self._segments:
            return None
        first = self._segments[0]
        if first.start == self._point and len(first.payload) == FRAME_SAMPLES:
            del self._segments[0]
            self._played_sequence = first.sequence
            return first.payload
        return self._cut_frame()

    def _cut_frame(self) -> bytes | None:
        """A frame out of packets of other lengths; None when a part of it is missing."""
        at, end = self._point, self._point + FRAME_SAMPLES
        parts: list[bytes] = []
        for segment in self._segments:
            if segment.end <= at:
                continue
            if segment.start > at:
                return None
            parts.append(segment.payload[at - segment.start : end - segment.start])
            at = min(segment.end, end)
            if at == end:
                self._played_sequence = segment.sequence
                while self._segments and self._segments[0].end <= end:
                    del self._segments[0]
                return b"".join(parts)
        return None

    def _pass_gap(self) -> Gap:
        after = next(segment for segment in self._segments if segment.start > self._point)
        lost = self._source.missing_between(self._played_sequence, after.sequence)
        self._point += FRAME_SAMPLES
        self._discard_played()
        self._concealed += lost
        return Gap.LOST if lost else Gap.EMPTY

    def _stay_dry(self) -> Gap:
        self._dry += 1
        if self._paused or self._dry > _CONCEALED_TICKS:
            return Gap.EMPTY
        self._concealed += 1
        return Gap.LOST

    def _resize(self) -> Gap | None:
        """Bring the delay a frame nearer to the target; what to play when a frame is added."""
        self._since_resize += 1
        surplus = self._depth.value - (self._target - FRAME_SAMPLES)
        next_up = self._segments[0]
        if abs(surplus) < FRAME_SAMPLES or next_up.start > self._point:
            return None
        quiet = self.is_quiet(next_up.payload)
        rested = self._since_resize >= _RESIZE_TICKS
        if surplus > FRAME_SAMPLES and rested and (quiet or surplus > _TOO_MUCH):
            self._skip_frame()
        elif surplus < 0 and (quiet or (rested and self._late > self._late_at_resize)):
            return self._add_frame(quiet=quiet)
        return None

    def _add_frame(self, *, quiet: bool) -> Gap:
        self._depth.shift(FRAME_SAMPLES)
        self._note_resize()
        if quiet:
            return Gap.EMPTY
        self._concealed += 1
        return Gap.LOST

    def _skip_frame(self) -> None:
        self._point += FRAME_SAMPLES
        self._played = self._point
        self._skipped += 1
        self._discard_played()
        self._depth.shift(-FRAME_SAMPLES)
        self._note_resize()

    def _note_resize(self) -> None:
        self._since_resize = 0
        self._late_at_resize = self._late
