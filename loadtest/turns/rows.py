"""Rows of the report: what was measured, by the kind of turn and by the caller's surroundings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.turns.cases import Condition, Kind
from loadtest.turns.score import AnswerScore, Hole, InterruptionScore, StopScore


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    count: int
    p50: float | None
    p95: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> "Distribution":
        """The percentiles of `values`, None when there are none."""
        known = np.asarray(list(values), dtype=np.float64)
        if known.size == 0:
            return cls(count=0, p50=None, p95=None)
        p50, p95 = np.percentile(known, (50, 95))
        return cls(count=known.size, p50=float(p50), p95=float(p95))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    label: str
    answers: int
    gap_ms: Distribution
    cut_offs: int
    unanswered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionRow:
    label: str
    silent_after_ms: Distribution  # of those that were heeded
    ignored: int  # the prompt was said to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRow:
    label: str
    prompts: int
    false_stops: int
    silent_after_ms: Distribution  # its onset to our silence, where we fell silent
    back_after_ms: Distribution  # its onset to our voice again, likewise


def answer_rows(answers: Sequence[AnswerScore]) -> Iterable[AnswerRow]:
    """Each kind in clean surroundings, each surroundings, and all."""
    for kind in Kind:
        chosen = [a for a in answers if a.kind is kind and a.condition is Condition.CLEAN]
        if chosen:
            yield answer_row(kind.value, chosen)
    for condition in Condition:
        chosen = [a for a in answers if a.condition is condition]
        if chosen:
            yield answer_row(f"all, {condition.value}", chosen)
    yield answer_row("all", answers)


def answer_row(label: str, answers: Sequence[AnswerScore]) -> AnswerRow:
    """These answers in one row."""
    cut_offs = sum(answer.cut_off for answer in answers)
    gaps = [answer.gap_ms for answer in answers if answer.gap_ms is not None]
    return AnswerRow(
        label=label,
        answers=len(answers),
        gap_ms=Distribution.of(gaps),
        cut_offs=cut_offs,
        unanswered=len(answers) - cut_offs - len(gaps),
    )


def interruption_rows(scores: Sequence[InterruptionScore]) -> Iterable[InterruptionRow]:
    """Each kind on a good line, and all on a bad one where there are such."""
    good = [score for score in scores if score.condition is not Condition.NETWORK]
    for kind in (Kind.INTERRUPTION, Kind.DOUBLE_TALK):
        yield _interruption_row(kind.value, [score for score in good if score.kind is kind])
    bad = [score for score in scores if score.condition is Condition.NETWORK]
    if bad:
        yield _interruption_row(f"all, {Condition.NETWORK.value}", bad)


def _interruption_row(label: str, scores: Sequence[InterruptionScore]) -> InterruptionRow:
    return InterruptionRow(
        label=label,
        silent_after_ms=Distribution.of(s.silent_after_ms for s in scores if s.heeded),
        ignored=sum(not score.heeded for score in scores),
    )


def stop_rows(stops: Sequence[StopScore]) -> Iterable[StopRow]:
    """Each kind on a good line, and all on a bad one where there are such."""
    good = [stop for stop in stops if stop.condition is not Condition.NETWORK]
    for kind in (Kind.BACKCHANNEL, Kind.NOISE, Kind.BACKGROUND, Kind.ECHO):
        yield _stop_row(kind.value, [stop for stop in good if stop.kind is kind])
    bad = [stop for stop in stops if stop.condition is Condition.NETWORK]
    if bad:
        yield _stop_row(f"all, {Condition.NETWORK.value}", bad)


def _stop_row(label: str, stops: Sequence[StopScore]) -> StopRow:
    holes = [stop.hole for stop in stops if stop.hole is not None]
    return StopRow(
        label=label,
        prompts=len(stops),
        false_stops=sum(stop.false_stop for stop in stops),
        silent_after_ms=Distribution.of(hole.silent_after_ms for hole in holes),
        back_after_ms=back_after(holes),
    )


def back_after(holes: Iterable[Hole]) -> Distribution:
    """How long after a sound we were back, where we fell silent for it and came back."""
    return Distribution.of(h.back_after_ms for h in holes if h.back_after_ms is not None)
