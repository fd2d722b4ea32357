"""The caller's audio between the WebSocket and the tick: uneven pieces in, 20 ms frames out.

Theory of operation. Over TCP nothing is lost, but a stall brings seconds of audio at once, and some
carriers send their pieces out of order. Pieces are cut into frames in the order of their numbers; a
piece that is early waits until those before it have come, or nothing else is left to play.

A talk spurt starts once two frames are there, so that a late piece is not heard as a gap. What lies
on the line is delay, and what has lain there for a second without being needed is left out in the
next quiet. Up to 200 ms are let be until then. Beyond that quiet frames are left out, the oldest
first, and from speech one frame in ten, which is not noticed; only what is more than a second old
is dropped outright. Words that come late are still worth hearing: dropping them all would cost the
caller a repetition, which takes longer than catching up.
"""

from collections import deque
from typing import Final

from voice.codec import Codec, is_quiet
from voice.frames import FRAME_SAMPLES

_HOLD: Final = 2  # frames: one piece may come 20 ms late without a gap
_ENOUGH: Final = 10  # frames, 200 ms: what is let be
_MOST: Final = 50  # frames, 1 s: more than that is dropped even if it is speech
_SPARE_TICKS: Final = 50  # 1 s: a stall that comes less often than that is heard as a gap again
_SQUEEZE_TICKS: Final = 10  # speech loses at most one frame in 200 ms
_MAX_EARLY: Final = 8  # pieces that wait for one before them


class IncomingLine:
    """One stream's audio: `put` pieces as they come, `pop` once per 20 ms."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()  # 160 octets each
        self._rest = b""  # the beginning of the next frame
        self._next: int | None = None  # the number of the piece to come; None: not known
        self._early: dict[int, bytes] = {}
        self._playing = False
        self._since_squeeze = 0  # ticks
        self._skipped = self._late = 0
        self._least, self._watched = _MOST, 0  # fewest frames left by a pop, and for how many pops
        self._spare = 0  # frames that nothing needed for a second
        self._begun = False  # a frame was played
        self._empty = 0  # pops since one gave a frame
        self._held = 0  # frames by which all is late, for that

    @property
    def slip(self) -> int:
        """How much later than the first frame the latest one was played, in samples."""
        return FRAME_SAMPLES * (self._held - self._skipped)

    @property
    def buffered_ms(self) -> int:
        """The delay that the next frame put would have."""
        return 20 * len(self._frames)

    @property
    def skipped(self) -> int:
        """Frames left out to shorten the delay."""
        return self._skipped

    @property
    def late(self) -> int:
        """Pieces that came twice, or after those that follow them had been played."""
        return self._late

    def put(self, payload: bytes, chunk: int | None) -> None:
        """Take a piece of µ-law audio, of any length, and its number if it has one."""
        if chunk is None:
            self._cut(payload)
        elif self._next is not None and chunk < self._next:
            self._late += 1
        elif self._next is None or chunk == self._next:
            self._take(payload, chunk)
        else:
            self._early[chunk] = payload
            if len(self._early) > _MAX_EARLY:
                self._take_early()
        self._shorten()

    def pop(self) -> bytes | None:
        """The next 20 ms, 160 octets; None when there is nothing to play."""
        if not self._frames and self._early:
            self._take_early()
            self._shorten()
        if not self._playing and len(self._frames) < _HOLD:
            self._empty += 1
            return None
        self._squeeze()
        self._leave_out_spare()
        self._playing = bool(self._frames)
        frame = self._frames.popleft() if self._frames else None
        self._note_stall(played=frame is not None)
        self._watch()
        return frame

    def _note_stall(self, *, played: bool) -> None:
        if not played:
            self._empty += 1
            return
        # A line empty for longer than anything is kept was not stalled: nobody sent.
        if self._begun and self._empty <= _MOST:
            self._held += self._empty
        self._begun, self._empty = True, 0

    # --- in order ---

    def _take(self, payload: bytes, chunk: int) -> None:
        self._cut(payload)
        self._next = chunk + 1
        while (following := self._early.pop(self._next, None)) is not None:
            self._cut(following)
            self._next += 1

    def _take_early(self) -> None:
        """Give up on the missing piece."""
        first = min(self._early)
        self._take(self._early.pop(first), first)

    def _cut(self, payload: bytes) -> None:
        audio = self._rest + payload
        whole = len(audio) - len(audio) % FRAME_SAMPLES
        self._frames.extend(audio[at : at + FRAME_SAMPLES] for at in range(0, whole, FRAME_SAMPLES))
        self._rest = audio[whole:]

    # --- no more delay than needed ---

    def _shorten(self) -> None:
        surplus = len(self._frames) - _ENOUGH
        if surplus <= 0:
            return
        kept: deque[bytes] = deque()
        for frame in self._frames:
            if surplus > 0 and is_quiet(Codec.PCMU, frame):
                surplus -= 1
                self._skipped += 1
            else:
                kept.append(frame)
        while len(kept) > _MOST:
            kept.popleft()
            self._skipped += 1
        self._frames = kept

    def _squeeze(self) -> None:
        self._since_squeeze += 1
        if len(self._frames) > _ENOUGH and self._since_squeeze >= _SQUEEZE_TICKS:
            self._frames.popleft()
            self._skipped += 1
            self._since_squeeze = 0

    def _watch(self) -> None:
        """Find out how many frames lie on the line for nothing."""
        self._least = min(self._least, len(self._frames))
        self._watched += 1
        if self._watched >= _SPARE_TICKS:
            self._spare = max(0, self._least - (_HOLD - 1))
            self._least, self._watched = _MOST, 0

    def _leave_out_spare(self) -> None:
        while self._spare and len(self._frames) > _HOLD and is_quiet(Codec.PCMU, self._frames[0]):
            self._frames.popleft()
            self._spare -= 1
            self._skipped += 1
            self._least = max(0, self._least - 1)
