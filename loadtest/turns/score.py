"""What one call's recording says about turn-taking; pure. Positions are samples at 8 kHz.

gap           the caller's last sound to frontdesk's first one after it
cut-off       frontdesk began to speak, other than a filler, before the caller's answer was complete
interruption  the caller's first sound over a prompt to frontdesk's last one
false stop    a noise, a backchannel or an echo silenced a prompt for more than 400 ms, and it did
              not go on
resumption    it did go on: the time from its silence to its next sound
hole          a silence of 60 ms or more that began within 300 ms of a sound over a prompt: a pause
              of the prompt's own may be one, too
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from loadtest.activity import levels_db
from loadtest.pcm import RATE_HZ, Pcm
from loadtest.turns.call import CallRecording, Mark
from loadtest.turns.cases import Condition, Kind
from loadtest.turns.spans import HeardSpan

_SETTLED: Final = RATE_HZ // 10  # a prompt talked over has sounded for 100 ms at least
_RESUME_WITHIN: Final = 3 * RATE_HZ  # frontdesk that goes on after more than that has stopped
_WHOLE: Final = round(4.8 * RATE_HZ)
"""Heard of a prompt that was talked over and went on: the shortest lasts 5.7 s. Less is a new turn,
"How can I help you?" for instance, that happens to end as a prompt does."""
_SHORT: Final = RATE_HZ // 2  # a stretch below 0.5 s says nothing about stopping
_ANSWER_WITHIN: Final = 10 * RATE_HZ  # a reply later than frontdesk's no-input time is none


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerScore:
    """One answer to a prompt, or words over one."""

    kind: Kind
    condition: Condition
    gap_ms: float | None  # None: cut off, or never answered
    cut_off: bool
    text: str
    end: int
    drowned_ms: float  # the last of it that nobody heard over the room
    path_ms: float  # how long it took to reach frontdesk's socket


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionScore:
    kind: Kind
    condition: Condition
    silent_after_ms: float
    heeded: bool  # else the prompt was said to its end


_BLOCKS_A_S: Final = 100
_SILENT_DB: Final = -50.0  # comfort noise is 15 dB below, a lowered voice as much above
_HOLE_BLOCKS: Final = 6
_HOLE_BEGINS: Final = 30  # blocks after the onset
_HOLE_ENDS: Final = 3 * _BLOCKS_A_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Where frontdesk fell silent for a sound over it, counted from that sound's onset."""

    silent_after_ms: float
    back_after_ms: float | None  # None: not within 3 s


@dataclass(frozen=True, slots=True, kw_only=True)
class StopScore:
    """A prompt that should have gone on."""

    kind: Kind
    condition: Condition
    stopped: bool  # it fell silent
    resumed_after_ms: float | None  # None: it did not stop, or did not go on
    hole: Hole | None = None  # None: nothing of the kind was heard, or it was not looked for

    @property
    def false_stop(self) -> bool:
        return self.stopped and self.resumed_after_ms is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScore:
    answers: tuple[AnswerScore, ...]
    interruptions: tuple[InterruptionScore, ...]
    stops: tuple[StopScore, ...]


def score(call: CallRecording) -> CallScore:
    """Score one call; what the recording cannot tell is left out."""
    answers: list[AnswerScore] = []
    interruptions: list[InterruptionScore] = []
    stops: list[StopScore] = []
    for index, mark in enumerate(call.marks):
        following = call.marks[index + 1].start if index + 1 < len(call.marks) else call.heard.size
        over = _span_over(call.spans, mark.start)
        if mark.kind is Kind.KEYS:
            continue
        if not mark.overlap:
            answers += _answer(call, mark, following, over)
        elif over is not None and mark.takes_turn:
            interruptions.append(_interruption(call, mark, over))
        elif over is not None:
            scored = _stop(call, mark.kind, over, following, whole=_WHOLE)
            stops.append(replace(scored, hole=find_hole(call.heard, mark.start)))
    if call.condition is Condition.ECHO:
        stops += _echo_stops(call)
    return CallScore(answers=tuple(answers), interruptions=tuple(interruptions), stops=tuple(stops))


def _span_over(spans: Sequence[HeardSpan], at: int) -> HeardSpan | None:
    """The stretch that sounds at sample `at` and has for a moment."""
    return next((span for span in spans if span.start + _SETTLED <= at < span.end), None)


def _answer(
    call: CallRecording, mark: Mark, following: int, over: HeardSpan | None
) -> list[AnswerScore]:
    if over is not None:
        return []  # both began at once: neither owns the turn
    began = [span for span in call.spans if mark.start < span.start < following]
    cut_off = any(span.start < mark.end and not span.filler for span in began)
    after = [span.start for span in began if mark.end <= span.start < mark.end + _ANSWER_WITHIN]
    gap_ms = None if cut_off or not after else _ms(after[0] - mark.end)
    return [
        AnswerScore(
            kind=mark.kind,
            condition=call.condition,
            gap_ms=gap_ms,
            cut_off=cut_off,
            text=mark.text,
            end=mark.end,
            drowned_ms=_ms(mark.end - mark.audible_end),
            path_ms=1_000 * call.path_s,
        )
    ]


def _interruption(call: CallRecording, mark: Mark, over: HeardSpan) -> InterruptionScore:
    return InterruptionScore(
        kind=mark.kind,
        condition=call.condition,
        silent_after_ms=_ms(over.end - mark.start),
        heeded=over.ending is None,
    )


def _stop(
    call: CallRecording, kind: Kind, over: HeardSpan, following: int, *, whole: int = 0
) -> StopScore:
    stopped = over.ending is None
    resumed_after_ms: float | None = None
    if stopped:
        rest = next((span for span in call.spans if span.start >= over.end), None)
        latest = min(following, over.end + _RESUME_WITHIN)
        if rest is not None and rest.start < latest and _goes_on(over, rest, whole):
            resumed_after_ms = _ms(rest.start - over.end)
    return StopScore(
        kind=kind, condition=call.condition, stopped=stopped, resumed_after_ms=resumed_after_ms
    )


def find_hole(heard: Pcm, onset: int) -> Hole | None:
    """The first silence soon after sample `onset` of what was heard, if there is one."""
    levels = levels_db(heard[onset : onset + _HOLE_ENDS * RATE_HZ // _BLOCKS_A_S])
    silent = np.asarray(levels) < _SILENT_DB
    for first in range(min(_HOLE_BEGINS, silent.size - _HOLE_BLOCKS)):
        if silent[first : first + _HOLE_BLOCKS].all():
            sounds = np.flatnonzero(~silent[first:])
            back = 1_000 * (first + int(sounds[0])) / _BLOCKS_A_S if sounds.size else None
            return Hole(silent_after_ms=1_000 * first / _BLOCKS_A_S, back_after_ms=back)
    return None


def _goes_on(over: HeardSpan, rest: HeardSpan, whole: int) -> bool:
    """The rest of a prompt runs to its end, apologises for nothing, and is not too short."""
    heard = over.end - over.start + rest.end - rest.start
    return rest.ending is not None and not rest.apology and heard >= whole


def _echo_stops(call: CallRecording) -> list[StopScore]:
    """Every prompt that only its echo could have stopped."""
    stops: list[StopScore] = []
    before: HeardSpan | None = None
    for span in call.spans:
        is_rest = before is not None and _is_rest_of(span, before, call.marks)
        before = span
        if is_rest or span.filler or span.end - span.start < _SHORT:
            continue
        if any(span.start <= mark.end and mark.start <= span.end for mark in call.marks):
            continue  # talked over: scored as what it is
        later = (mark.start for mark in call.marks if mark.start > span.end)
        stops.append(_stop(call, Kind.ECHO, span, next(later, call.heard.size)))
    return stops


def _is_rest_of(span: HeardSpan, before: HeardSpan, marks: Sequence[Mark]) -> bool:
    """Whether `span` is the second half of a prompt that fell silent: counted with the first."""
    if before.ending is not None or span.apology or span.start - before.end > _RESUME_WITHIN:
        return False
    return not any(before.end <= mark.start < span.start for mark in marks)


def _ms(samples: int) -> float:
    return 1_000 * samples / RATE_HZ
