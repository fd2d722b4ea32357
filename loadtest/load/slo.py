"""Service-level objectives: `p95_gap=800ms`, `success=95%`, `underruns=0`; pure.

Each is a limit on one number of a run or of one stage of it: at most for delays and faults, at
least for success, containment and mos.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.errors import LoadtestError
from loadtest.load.records import CallRecord, Fate
from loadtest.statistics import percentile


class BadSloError(LoadtestError):
    """An SLO that cannot be read; the message says what to write."""


_DELAYS: Final[Mapping[str, Callable[[CallRecord], Sequence[float]]]] = {
    "gap": lambda call: [gap_ms for _, gap_ms in call.gaps],
    "interruption": lambda call: call.interruptions_ms,
    "setup": lambda call: _known(call.setup_ms),
    "greeting": lambda call: _known(call.greeting_ms),
    "jitter": lambda call: _known(call.quality.worst_jitter_ms if call.quality else None),
    "lateness": lambda call: _known(call.quality.lateness_p99_ms if call.quality else None),
}
"""What has percentiles, in milliseconds."""


def _known(value: float | None) -> Sequence[float]:
    return () if value is None else (value,)


def _offered(calls: Sequence[CallRecord]) -> list[CallRecord]:
    """All calls but those that the end of the run cut short."""
    return [call for call in calls if call.fate is not Fate.STOPPED]


def _share(calls: Sequence[CallRecord], wanted: Callable[[CallRecord], bool]) -> float | None:
    return sum(map(wanted, calls)) / len(calls) if calls else None


def success(calls: Sequence[CallRecord]) -> float | None:
    """Share of answered calls that reached their goal; refusals have an SLO of their own."""
    answered = [call for call in _offered(calls) if call.answered]
    return _share(answered, lambda call: call.fate is Fate.SUCCEEDED)


def containment(calls: Sequence[CallRecord]) -> float | None:
    """Share of answered calls that reached their goal without a person."""
    return _share([c for c in _offered(calls) if c.answered], lambda call: call.contained)


def refused(calls: Sequence[CallRecord]) -> float | None:
    """Share of calls that were not taken, refused or unanswered."""
    return _share(_offered(calls), lambda c: c.fate in {Fate.REFUSED, Fate.UNREACHABLE})


def dropped(calls: Sequence[CallRecord]) -> float | None:
    """Share of answered calls that broke."""
    return _share([c for c in _offered(calls) if c.answered], lambda c: c.fate is Fate.DROPPED)


def underruns(calls: Sequence[CallRecord]) -> float | None:
    """Holes in the middle of speech, all calls together."""
    return float(sum(call.quality.underruns for call in calls if call.quality is not None))


def loss(calls: Sequence[CallRecord]) -> float | None:
    """Mean share of packets that never came."""
    known = [call.quality.loss for call in calls if call.quality is not None]
    return sum(known) / len(known) if known else None


def mos(calls: Sequence[CallRecord]) -> float | None:
    """The score that 95% of the calls reach."""
    known = [c.quality.mos for c in calls if c.quality is not None and c.quality.mos is not None]
    return percentile(known, 5)


def wrong(calls: Sequence[CallRecord]) -> float | None:
    """Calls after which a record is not what the caller asked for."""
    return float(sum(call.wrong_record for call in calls))


def cut_offs(calls: Sequence[CallRecord]) -> float | None:
    """Times the frontdesk began to speak while a caller spoke, for each turn."""
    turns = sum(len(call.gaps) + call.cut_offs for call in calls)
    return sum(call.cut_offs for call in calls) / turns if turns else None


Measure = Callable[[Sequence[CallRecord]], float | None]

_AT_MOST: Final[Mapping[str, tuple[Measure, str]]] = {
    "underruns": (underruns, ""),
    "refused": (refused, "%"),
    "dropped": (dropped, "%"),
    "loss": (loss, "%"),
    "wrong": (wrong, ""),
    "cut_offs": (cut_offs, "%"),
}
_AT_LEAST: Final[Mapping[str, tuple[Measure, str]]] = {
    "success": (success, "%"),
    "containment": (containment, "%"),
    "mos": (mos, ""),
}

_WRITTEN: Final = re.compile(r"([a-z0-9_]+)\s*=\s*([0-9.]+)\s*(ms|s|%|)")
_PERCENTILE: Final = re.compile(r"p(\d{2})_([a-z]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """A limit on one measure; `limit` in its unit: ms, a share, or a count."""

    name: str
    limit: float
    unit: str  # ms, % (of a share) or nothing
    at_least: bool
    measure: Measure

    def judge(self, calls: Sequence[CallRecord]) -> "Verdict":
        """How the calls fare; nothing measured is neither kept nor broken."""
        measured = self.measure(calls)
        if measured is None:
            kept = None
        else:
            kept = measured >= self.limit if self.at_least else measured <= self.limit
        return Verdict(
            name=self.name,
            limit=self.limit,
            unit=self.unit,
            at_least=self.at_least,
            measured=measured,
            kept=kept,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    name: str
    limit: float
    unit: str
    at_least: bool
    measured: float | None
    kept: bool | None  # None: not measured

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.limit, self.unit)}"

    @property
    def found(self) -> str:
        return "not measured" if self.measured is None else shown(self.measured, self.unit)


def shown(value: float, unit: str) -> str:
    """A value in its unit, for a person."""
    match unit:
        case "%":
            return f"{100 * value:.1f}%"
        case "ms":
            return f"{value:.0f} ms"
        case _:
            return f"{value:g}" if value == int(value) else f"{value:.2f}"


def parse_slo(text: str) -> Slo:
    """Read `name=value`, the value with ms, s or % where it has a unit.

    Raises:
        BadSloError: an unknown name, or a value that does not fit it.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise BadSloError(f"{text!r} is no SLO; write for instance p95_gap=800ms")
    name, number, unit = found.groups()
    try:
        value = float(number)
    except ValueError:
        raise BadSloError(f"{text!r}: {number!r} is not a number") from None
    if (delay := _delay(name)) is not None:
        return _delay_slo(text, name, delay, value, unit)
    for table, at_least in ((_AT_MOST, False), (_AT_LEAST, True)):
        if name in table:
            measure, own_unit = table[name]
            if unit not in {own_unit, ""}:
                raise BadSloError(f"{text!r}: {name} is given in {own_unit or 'plain numbers'}")
            limit = value / 100 if unit == "%" else value
            return Slo(name=name, limit=limit, unit=own_unit, at_least=at_least, measure=measure)
    known = [f"p50/p95/p99_{what}" for what in _DELAYS] + [*_AT_MOST, *_AT_LEAST]
    raise BadSloError(f"{text!r}: no such measure; known are {', '.join(known)}")


def _delay(name: str) -> tuple[float, str] | None:
    found = _PERCENTILE.fullmatch(name)
    if found is None or found[2] not in _DELAYS:
        return None
    return float(found[1]), found[2]


def _delay_slo(text: str, name: str, delay: tuple[float, str], value: float, unit: str) -> Slo:
    if unit not in {"ms", "s"}:
        raise BadSloError(f"{text!r}: {name} is a delay; write {value:g}ms")
    percent, what = delay

    def measure(calls: Sequence[CallRecord]) -> float | None:
        return percentile([each for call in calls for each in _DELAYS[what](call)], percent)

    limit = value if unit == "ms" else 1000 * value
    return Slo(name=name, limit=limit, unit="ms", at_least=False, measure=measure)


DEFAULT_SLOS: Final = ("p95_gap=800ms", "underruns=0", "success=95%", "dropped=0%")
"""What a run is held to when nothing else is asked for."""

RAMP_SLOS: Final = (*DEFAULT_SLOS, "refused=20%")
"""The same for a ramp: where no more are let in, that is the knee. Those who are refused call again
four times a second, so that most are then, while of those who are let in one by one few are."""
