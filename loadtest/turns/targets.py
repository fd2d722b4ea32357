"""What the figures of a run are held against; a figure that is missing says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.turns.cases import Kind
from loadtest.turns.records import HeardAnswer
from loadtest.turns.rows import Distribution, answer_row, back_after
from loadtest.turns.score import AnswerScore, CallScore, InterruptionScore, StopScore

_LATE_MS: Final = 20.0  # a caller whose clock is a frame late measures itself
_ECHO_PROMPTS: Final = 200
_NO_RECORDS: Final = "only frontdesk's records tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    name: str
    target: str
    measured: str
    met: bool | None  # None: not measured


def targets_of(
    scores: Sequence[CallScore],
    heard: Sequence[HeardAnswer],
    *,
    late_ms: float,
    failed: int,
) -> tuple[Target, ...]:
    """Every target, in the order of the issue that set them.

    Args:
        scores: of the calls that were held.
        heard: the server's side of the answers; empty where it cannot be asked.
        late_ms: how late the callers' own clocks were, p99 of the worst call.
        failed: calls that were not held.
    """
    answers = [each for score in scores for each in score.answers]
    interruptions = [each for score in scores for each in score.interruptions]
    stops = [each for score in scores for each in score.stops]
    unexplained = [e.unexplained_ms for e in heard if e.unexplained_ms is not None]
    return (
        *_gap_targets(answers),
        *_interruption_targets(interruptions, stops),
        *_packet_targets(Distribution.of(each.to_packet_ms for each in heard)),
        _explained_target(unexplained),
        Target(
            name="callers in time, calls held",
            target=f"p99 ≤ {_LATE_MS:.0f} ms, 0 failed",
            measured=f"{late_ms:.1f} ms, {failed} failed",
            # A caller that is late itself measures nothing; a call that failed is not a good one.
            met=late_ms <= _LATE_MS and not failed,
        ),
    )


def _gap_targets(answers: Sequence[AnswerScore]) -> list[Target]:
    row = answer_row("all", answers)
    why = "no answer was replied to" if answers else "no call had an answer"
    return [
        _at_most("gap, p50", row.gap_ms.p50, 350, why),
        _at_most("gap, p95", row.gap_ms.p95, 700, why),
        _share("false cut-offs", row.cut_offs, row.answers, why),
    ]


def _interruption_targets(
    interruptions: Sequence[InterruptionScore], stops: Sequence[StopScore]
) -> list[Target]:
    # One that is ignored lasts as long as the prompt did: leaving it out would reward deafness.
    silent = Distribution.of(score.silent_after_ms for score in interruptions)
    none = "no prompt was talked over"
    return [
        _at_most("interruption to silence, p50", silent.p50, 120, none),
        _at_most("interruption to silence, p95", silent.p95, 200, none),
        _back_target([stop for stop in stops if stop.kind is Kind.BACKCHANNEL]),
        _false_stops([stop for stop in stops if stop.kind is not Kind.ECHO]),
        _echo_target([stop for stop in stops if stop.kind is Kind.ECHO]),
    ]


def _back_target(listening: Sequence[StopScore]) -> Target:
    again = back_after(stop.hole for stop in listening if stop.hole is not None)
    if again.count:
        why = ""
    elif not listening:
        why = "no prompt had one"
    elif any(stop.hole is not None for stop in listening):
        why = f"not back within 3 s of any of {len(listening)}"
    else:
        why = f"silent for none of {len(listening)}"
    return _at_most("mm-hm to our voice again, p50", again.p50, 300, why)


def _false_stops(sounds: Sequence[StopScore]) -> Target:
    bad = sum(stop.false_stop for stop in sounds)
    return _share("false stops", bad, len(sounds), "no prompt had such a sound")


def _echo_target(echoes: Sequence[StopScore]) -> Target:
    stopped = sum(stop.false_stop for stop in echoes)
    none = _unmeasured("no call had an echo")
    return Target(
        name="false stops by echo at -12 dB",
        target=f"0 in {_ECHO_PROMPTS}",
        measured=f"{stopped} in {len(echoes)}" if echoes else none,
        # Too few prompts without a stop prove nothing yet; one stop is one too many.
        met=False if stopped else (True if len(echoes) >= _ECHO_PROMPTS else None),
    )


def _packet_targets(to_packet: Distribution) -> list[Target]:
    return [
        _at_most("endpoint to first packet, p50", to_packet.p50, 40, _NO_RECORDS),
        _at_most("endpoint to first packet, p95", to_packet.p95, 100, _NO_RECORDS),
    ]


def _explained_target(unexplained: Sequence[float]) -> Target:
    """Records that do not add up to what was heard explain nothing."""
    sizes = Distribution.of(abs(each) for each in unexplained)
    return _at_most("gap less its recorded parts, p95", sizes.p95, 50, _NO_RECORDS)


def _at_most(name: str, measured: float | None, limit_ms: float, why: str) -> Target:
    return Target(
        name=name,
        target=f"≤ {limit_ms:.0f} ms",
        measured=_unmeasured(why) if measured is None else f"{measured:.0f} ms",
        met=None if measured is None else measured <= limit_ms,
    )


def _share(name: str, bad: int, total: int, why: str) -> Target:
    share = bad / total if total else 0.0
    return Target(
        name=name,
        target="≤ 5%",
        measured=f"{100 * share:.1f}% ({bad} of {total})" if total else _unmeasured(why),
        met=share <= 0.05 if total else None,
    )


def _unmeasured(why: str) -> str:
    return f"not measured: {why}"
