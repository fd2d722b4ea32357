"""The turns of a call as they happen, with gaps and interruptions read from the recording."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from loadtest.activity import levels_db, sounding_span
from loadtest.conversation import Heard, Speak
from loadtest.media import Sent
from loadtest.pcm import RATE_HZ, seconds
from loadtest.recorder import Recorder
from loadtest.report import Turn

_BLOCK: Final = RATE_HZ // 100  # of levels_db
_SILENT_BLOCKS: Final = 20  # 200 ms without sound: it has stopped, and not between two words
_SILENCE_DB: Final = -45.0  # quieter than speech, louder than what an idle G.711 line carries
_LOOK_S: Final = 6.0  # how long after an interruption the silence is looked for
_SETTLED_S: Final = _LOOK_S + 1.0  # after that no late packet changes what is looked at


@dataclass(slots=True, kw_only=True)
class _Said:
    prompt: Heard
    text: str
    sent: Sent
    gap_ms: float | None
    interrupting: bool
    start: int  # of the sound itself, once it is recorded
    end: int
    finished: bool = False
    settled: bool = False  # `silenced_ms` is known
    silenced_ms: float | None = None


class Ledger:
    """One call's turns; every position is a sample of the recording's clock."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._said: list[_Said] = []
        self._unanswered: Heard | None = None
        self._awaiting_reply = False
        self._first_sound: int | None = None
        self._early_start: int | None = None  # of a prompt that began before the caller was done
        self.gap_ms: float | None = None
        """The gap before the prompt that is being listened to; None when it answers nothing."""
        self.gaps_ms: list[float] = []
        self.gap_ends_s: list[float] = []  # when each of them ended
        self.cut_offs = 0

    @property
    def greeting_ms(self) -> float | None:
        """From the answer to the first sound of the frontdesk."""
        return None if self._first_sound is None else 1000 * seconds(self._first_sound)

    def prompt_started(self, at: int) -> None:
        """The frontdesk began to speak: the gap ends, or it cuts the caller off."""
        self._settle()
        if self._first_sound is None:
            self._first_sound = at
        if not self._awaiting_reply:
            return
        if self._said[-1].finished:
            self._end_gap(at)
        elif self._early_start is None:
            self._early_start = at

    def prompt_heard(self, heard: Heard) -> None:
        """A prompt is over; it may stay without an answer."""
        self._settle()
        self._unanswered = heard

    def caller_began(self, speak: Speak, sent: Sent) -> None:
        """The caller speaks or sends keys."""
        self._said.append(
            _Said(
                prompt=speak.prompt,
                text=speak.text or f"[{speak.keys}]",
                sent=sent,
                gap_ms=self.gap_ms,
                interrupting=speak.interrupting,
                start=sent.start,
                end=sent.end,
            )
        )
        self._unanswered = None
        self.gap_ms = None
        self._early_start = None
        # What follows a noise comes when frontdesk has waited long enough for words, as it should.
        self._awaiting_reply = not speak.wordless

    def caller_finished(self) -> None:
        """All of what the caller said is in the recording."""
        said = self._said[-1]
        said.finished = True
        first, last = sounding_span(self._recorder.sent.read(said.sent.start, said.sent.end))
        if last:  # keys have no sound
            said.start, said.end = said.sent.start + first, said.sent.start + last
        if self._early_start is not None:
            self._end_gap(self._early_start)

    def _settle(self) -> None:
        """Read interruptions off the recording once their end is in it: it may forget them."""
        reached = len(self._recorder.heard) - round(_SETTLED_S * RATE_HZ)
        for said in self._said:
            if said.interrupting and said.finished and not said.settled and said.start <= reached:
                said.silenced_ms, said.settled = self._silenced_ms(said.start), True

    def _end_gap(self, at: int) -> None:
        said = self._said[-1]
        self._awaiting_reply = False
        if at < said.end:
            self.cut_offs += 1
            return
        self.gap_ms = 1000 * seconds(at - said.end)
        self.gaps_ms.append(self.gap_ms)
        self.gap_ends_s.append(seconds(at))

    # --- the report -------------------------------------------------------------------------------

    def turns(self) -> tuple[Turn, ...]:
        """All turns so far; a last prompt without an answer is one too."""
        turns = [self._turn(said) for said in self._said]
        if self._unanswered is not None:
            turns.append(_turn_without_answer(self._unanswered, self.gap_ms))
        return tuple(turns)

    def _turn(self, said: _Said) -> Turn:
        return Turn(
            heard=said.prompt.matched,
            score=said.prompt.score,
            prompt_start_s=said.prompt.start_s,
            prompt_end_s=said.prompt.end_s,
            gap_ms=said.gap_ms,
            said=said.text,
            said_start_s=seconds(said.start),
            said_end_s=seconds(said.end),
            silenced_ms=self._silence(said),
        )

    def _silence(self, said: _Said) -> float | None:
        if said.settled or not said.interrupting:
            return said.silenced_ms
        return self._silenced_ms(said.start)

    def _silenced_ms(self, onset: int) -> float | None:
        """From `onset` of an interruption to the frontdesk's silence; None if it never came."""
        after = self._recorder.heard.read(onset, onset + round(_LOOK_S * RATE_HZ))
        loud = np.asarray(levels_db(after)) > _SILENCE_DB
        quiet_run = 0
        for block, sounding in enumerate(loud):
            quiet_run = 0 if sounding else quiet_run + 1
            if quiet_run == _SILENT_BLOCKS:
                return 1000 * seconds((block + 1 - _SILENT_BLOCKS) * _BLOCK)
        return None


def _turn_without_answer(heard: Heard, gap_ms: float | None) -> Turn:
    return Turn(
        heard=heard.matched,
        score=heard.score,
        prompt_start_s=heard.start_s,
        prompt_end_s=heard.end_s,
        gap_ms=gap_ms,
        said="",
        said_start_s=None,
        said_end_s=None,
        silenced_ms=None,
    )
