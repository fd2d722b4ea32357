"""How much this machine has left: what is shed when it runs out, and whether one more call fits.

Theory of operation. Signals are measured anyway (how late the media tick is, how long an utterance
waits for the recogniser) and each has two marks. Above its high mark the load is too much, below
its low mark there is room; in between nothing changes. Load that stays too much for `rise_s` takes
the first step up the ladder, and load that has had room for `fall_s` one step down. Each further
step up waits `settle_s` for the one before to show its effect: callers speak every few seconds, and
less work is done only from their next turn on. So a step is taken within seconds, and never flaps:
what sheds load lowers the very signals that made it shed.

    NORMAL          everything
    NO_GUESSING     answers are no longer prepared before the caller is sure to be done
    ONE_TIER        no second opinion: no turn model, no language model, no other hypotheses
    SHORT_ANSWERS   prompts in their short form
    OFFER_KEYS      callers are offered keys and a callback: neither needs the recogniser

New calls are refused from the first step on: the calls that are up come first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final


class Step(IntEnum):
    """The ladder, in the words of the theory of operation."""

    NORMAL = 0
    NO_GUESSING = 1
    ONE_TIER = 2
    SHORT_ANSWERS = 3
    OFFER_KEYS = 4


_TOP: Final = max(Step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Of one signal, in its own unit: too much above `high`, room again below `low`."""

    high: float
    low: float

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ValueError(f"marks must be 0 <= low < high, not {self.low} and {self.high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadroomOptions:
    """Where the load is too much; seconds but for names.

    A tick that is 20 ms late is a packet: the far end's jitter buffer still hides it, and what
    sheds load has callers wait twice as long, so less is no reason for it. An utterance that waits
    250 ms makes a gap of 350 ms one of 600, which callers notice.
    """

    marks: Mapping[str, Marks] = field(
        default_factory=lambda: {
            "tick_late_s": Marks(high=0.020, low=0.008),
            "recognition_wait_s": Marks(high=0.250, low=0.080),
        }
    )
    rise_s: float = 1.0
    settle_s: float = 6.0
    fall_s: float = 8.0


class Headroom:
    """One process's ladder; pure, told the signals with the time."""

    def __init__(self, options: HeadroomOptions | None = None) -> None:
        self._options = options or HeadroomOptions()
        self.step = Step.NORMAL
        self.cause: str | None = None
        """The signal that made the latest step up; None when all is well."""
        self._too_much_since_s: float | None = None
        self._room_since_s: float | None = None

    @property
    def admits(self) -> bool:
        """Whether one more call fits."""
        return self.step is Step.NORMAL and self._too_much_since_s is None

    def observe(self, signals: Mapping[str, float], now_s: float) -> Step:
        """Take the latest signals; the step of the ladder from now on.

        Args:
            signals: of those in the options; one that is missing says nothing.
            now_s: monotonic seconds.
        """
        over = self._over(signals)
        if over is not None:
            self._room_since_s = None
            self._rise(over, now_s)
        elif self._has_room(signals):
            self._too_much_since_s = None
            self._fall(now_s)
        else:
            self._too_much_since_s = self._room_since_s = None
        return self.step

    def _over(self, signals: Mapping[str, float]) -> str | None:
        """The signal that is furthest over its high mark."""
        shares = {
            name: signals[name] / marks.high
            for name, marks in self._options.marks.items()
            if name in signals
        }
        worst = max(shares, key=shares.__getitem__, default=None)
        return worst if worst is not None and shares[worst] > 1 else None

    def _has_room(self, signals: Mapping[str, float]) -> bool:
        marks = self._options.marks
        return all(value <= marks[name].low for name, value in signals.items() if name in marks)

    def _rise(self, cause: str, now_s: float) -> None:
        if self._too_much_since_s is None:
            self._too_much_since_s = now_s
        first = self.step is Step.NORMAL
        patience_s = self._options.rise_s if first else self._options.settle_s
        if now_s - self._too_much_since_s >= patience_s and self.step < _TOP:
            self.step, self.cause = Step(self.step + 1), cause
            self._too_much_since_s = now_s

    def _fall(self, now_s: float) -> None:
        if self._room_since_s is None:
            self._room_since_s = now_s
        if now_s - self._room_since_s >= self._options.fall_s and self.step > Step.NORMAL:
            self.step = Step(self.step - 1)
            self._room_since_s = now_s
            if self.step is Step.NORMAL:
                self.cause = None
