"""Live transcription of one speaker whom nobody of ours answers: an agent, a caller who is bridged.

The same ears as a call session's, without its floor: a detector in the process-wide batch, a gate,
a buffer with what came before the detector noticed. Where a session decides whose turn it is, here
a pause simply ends a line. Who speaks on and on is cut about every 15 s, in the middle of the
quietest moment, so that the transcript keeps up and no word is halved. A line goes to the
recogniser in pieces, cut in the same way: small models are at home in what is short, and lose a
third of the words where it is not.

Transcription is a courtesy to whoever reads along: it never holds up the audio. When the recogniser
does not keep up, the oldest speech is dropped and counted.
"""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.activity import ActivityGate
from voice.echo import EchoGuard, EchoGuards, suppressed
from voice.events import Expectation, SpeechError
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm, silence
from voice.ports import SpeechToText, VoiceActivity
from voice.turn_events import VoiceStarted
from voice.utterance import UtteranceBuffer

log = logging.getLogger(__name__)

_SOUND_SHARE: Final = 0.02  # of the loudest sample, -34 dB: softer is the room, or a breath
_SOUND_LEVEL: Final = 60  # of 32767; line noise
_TAIL_FRAMES: Final = 10  # 200 ms after the last sound: soft endings, and what the recogniser wants
_CUT_MARGIN_S: Final = 1.0  # no cut so near to now: the pause may only be beginning
_CUT_WIDTH: Final = 5  # frames that must be quiet together: 100 ms, more than the closure of a "t"
_LEAST_PIECE_S: Final = 2.0  # a phrase
_LEAST_CUT_S, _MOST_CUT_S = 4.0, 28.0  # a sentence; what an utterance buffer holds


@dataclass(frozen=True, slots=True, kw_only=True)
class OverhearOptions:
    """Raises ValueError when a figure makes no sense."""

    quiet_s: float = 0.6  # ends a line: people pause longer between sentences than within
    cut_after_s: float = 15.0  # of one line
    piece_s: float = 3.0  # of a line, for the recogniser; 28 for models that want all of it
    backlog: int = 4  # lines waiting for the recogniser, a minute of speech
    guards_echo: bool = True  # False for who cancels it themselves, as browsers do: half the work

    def __post_init__(self) -> None:
        if not self.quiet_s > 0:
            raise ValueError(f"quiet_s is {self.quiet_s}, not above 0")
        if not _LEAST_CUT_S <= self.cut_after_s <= _MOST_CUT_S:
            raise ValueError(
                f"cut_after_s is {self.cut_after_s}, not {_LEAST_CUT_S} to {_MOST_CUT_S}"
            )
        if not _LEAST_PIECE_S <= self.piece_s <= _MOST_CUT_S:
            raise ValueError(f"piece_s is {self.piece_s}, not {_LEAST_PIECE_S} to {_MOST_CUT_S}")
        if self.backlog < 1:
            raise ValueError(f"backlog is {self.backlog}, not 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speech:
    pcm: Pcm
    started_at_s: float
    ended_at_s: float


class Overhearing:
    """Hears one speaker and tells what they said, line by line, in their order.

    Make it, and call `act`, on the event loop. Close it when the speaker is gone.

    Args:
        activity: a stream of the voice activity pool, this speaker's own; its owner closes it.
        on_line: called on the event loop with the text, and when it began and ended, in seconds of
            the clock that `act` is given. Never with an empty text.
        guards: the echo guards of all calls; None: this speaker's is on its own.

    Attributes:
        dropped: lines that were never transcribed because the recogniser did not keep up.
        failed: lines that the recogniser failed on.
    """

    def __init__(
        self,
        stt: SpeechToText,
        activity: VoiceActivity,
        on_line: Callable[[str, float, float], None],
        *,
        options: OverhearOptions | None = None,
        guards: EchoGuards | None = None,
    ) -> None:
        self._stt, self._activity, self._on_line = stt, activity, on_line
        self._options = options or OverhearOptions()
        self.dropped = self.failed = 0
        self._gate = ActivityGate()
        self._echo = EchoGuard(guards) if self._options.guards_echo else None
        self._frame = silence()
        self._utterance = UtteranceBuffer()
        self._carried = silence()[:0]  # of the line being said, before the buffer's content
        self._length_s = self._quiet_s = 0.0  # of that line, and since its last voice
        self._now_s = 0.0
        self._backlog: deque[_Speech] = deque()
        self._worker: asyncio.Task[None] | None = None
        # Lines are cut on the media tick, which belongs to no call: logs should name this one.
        self._context = contextvars.copy_context()
        self._closed = False

    # --- the two halves of a tick ---

    def push(self, frame: Pcm) -> None:
        """20 ms of the speaker, shape (160,), before the voice activity run."""
        self._frame = frame
        self._activity.push(frame)
        self._utterance.push(frame)

    def act(self, now_s: float, sent: Pcm | None = None) -> None:
        """After that run.

        Args:
            sent: what the speaker is sent on this tick, shape (160,): then others' voices that
                come back from their loudspeaker are not taken for theirs.
        """
        if self._closed:
            return
        self._now_s = now_s
        explained = 0.0 if self._echo is None else self._echo.explained
        change = self._gate.receive(suppressed(self._activity.probability, explained))
        if sent is not None and self._echo is not None:
            self._echo.receive(self._frame, sent)
        if self._utterance.collecting:
            self._go_on(now_s)
        elif isinstance(change, VoiceStarted):
            self._begin()

    def _begin(self) -> None:
        self._utterance.begin()
        self._length_s, self._quiet_s = self._held_s(), 0.0

    def _go_on(self, now_s: float) -> None:
        self._length_s += FRAME_S
        self._quiet_s = 0.0 if self._gate.active else self._quiet_s + FRAME_S
        if self._quiet_s + 1e-9 >= self._options.quiet_s:
            self._end(now_s)
        elif self._length_s >= self._options.cut_after_s:
            self._cut(now_s)

    def _end(self, now_s: float) -> None:
        self._ship(self._take(), now_s)
        self._carried = self._carried[:0]

    def _cut(self, now_s: float) -> None:
        pcm = self._take()
        levels = _levels(pcm)
        margin = round(_CUT_MARGIN_S / FRAME_S)
        at = _quietest(levels, len(levels) // 2, len(levels) - margin) * FRAME_SAMPLES
        self._ship(pcm[:at], now_s - (len(pcm) - at) / RATE_HZ)
        # What follows the cut goes on, less the end of it that a new utterance begins with.
        self._utterance.begin()
        self._carried = pcm[at : len(pcm) - len(self._utterance.so_far())]
        self._length_s = self._held_s()

    def _take(self) -> Pcm:
        return np.concatenate((self._carried, self._utterance.take()))

    def _held_s(self) -> float:
        return (len(self._carried) + len(self._utterance.so_far())) / RATE_HZ

    # --- the end ---

    async def finish(self, *, timeout_s: float) -> None:
        """Take what is being said as said, wait for its transcription, and close.

        For a speaker who hung up in the middle of a word; nothing is lost that is done in time.
        """
        if self._utterance.collecting and not self._closed:
            self._end(self._now_s)
        try:
            if self._worker is not None:
                await asyncio.wait({self._worker}, timeout=timeout_s)
        finally:
            self.close()

    def close(self) -> None:
        """Hear and tell nothing more; idempotent."""
        self._closed = True
        self._backlog.clear()
        self._utterance.discard()
        if self._worker is not None:
            self._worker.cancel()

    # --- the recogniser ---

    def _ship(self, pcm: Pcm, ended_at_s: float) -> None:
        """Have this audio, which ends at that time, transcribed when its turn comes."""
        sounding = np.flatnonzero(_sounds(pcm))
        if not len(sounding):
            return
        first, last = int(sounding[0]), int(sounding[-1])
        began_at_s = ended_at_s - len(pcm) / RATE_HZ
        if len(self._backlog) == self._options.backlog:
            self._backlog.popleft()
            self.dropped += 1
            log.warning("overheard speech was dropped: the recogniser does not keep up")
        self._backlog.append(
            _Speech(
                pcm=pcm[: (last + 1 + _TAIL_FRAMES) * FRAME_SAMPLES],
                started_at_s=began_at_s + first * FRAME_S,
                ended_at_s=began_at_s + (last + 1) * FRAME_S,
            )
        )
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(
                self._transcribe(), name="overhearing", context=self._context
            )

    async def _transcribe(self) -> None:
        while self._backlog:
            speech = self._backlog.popleft()
            try:
                text = await self._text_of(speech.pcm)
                if text:
                    self._on_line(text, speech.started_at_s, speech.ended_at_s)
            except SpeechError:
                self.failed += 1
                log.warning("overheard speech could not be transcribed", exc_info=True)
            except Exception:
                self.failed += 1
                log.exception("a line that was overheard is lost")

    async def _text_of(self, line: Pcm) -> str:
        pieces = _pieces(line, self._options.piece_s)
        heard = [await self._stt.transcribe(piece, expects=Expectation()) for piece in pieces]
        return " ".join(one.text for one in heard if one.text)


def _levels(pcm: Pcm) -> NDArray[np.int32]:
    """The peak of each of its whole frames, shape (n,); two passes over int16, 50 µs for 15 s."""
    frames = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    highest, lowest = frames.max(axis=1), frames.min(axis=1)
    return np.maximum(highest.astype(np.int32), -lowest.astype(np.int32))


def _sounds(pcm: Pcm) -> NDArray[np.bool_]:
    """Which of its frames are more than the room."""
    levels = _levels(pcm)
    return levels > max(float(levels.max(initial=0)) * _SOUND_SHARE, _SOUND_LEVEL)


def _quietest(levels: NDArray[np.int32], first: int, end: int) -> int:
    """The frame in levels[first:end] around which it is quietest; the latest of equals."""
    around = np.convolve(levels[first:end], np.ones(_CUT_WIDTH), mode="valid")
    return first + len(around) - 1 - int(np.argmin(around[::-1])) + _CUT_WIDTH // 2


def _pieces(line: Pcm, longest_s: float) -> Iterator[Pcm]:
    """The line in parts of 40% to all of so many seconds, each cut in the quietest place."""
    levels, longest = _levels(line), round(longest_s / FRAME_S)
    least = longest * 2 // 5  # a scrap of sound is read as some word or other
    begin = 0
    while (left := len(levels) - begin) > longest:
        cut = _quietest(levels, begin + least, begin + min(longest, left - least))
        yield line[begin * FRAME_SAMPLES : cut * FRAME_SAMPLES]
        begin = cut
    yield line[begin * FRAME_SAMPLES :]
