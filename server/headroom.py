"""How much this machine has left: what is shed when it runs out, and whether more calls fit.

Theory of operation. Signals are measured (how late the media tick is, how long an utterance waits
for the recogniser, what the event loop takes of its core) and each has marks. Above its high mark
the load is too much, below its low mark there is room; in between nothing changes. Load that stays
too much for `rise_s` takes the first step up the ladder, and load that has had room for `fall_s`
one step down. Each further step up waits `settle_s` for the one before to show its effect: callers
speak every few seconds, and less work is done only from their next turn on. So a step is taken
within seconds, and never flaps: what sheds load lowers the very signals that made it shed.

    NORMAL          everything
    NO_GUESSING     answers are no longer prepared before the caller is sure to be done
    ONE_TIER        no second opinion: no turn model, no language model, no other hypotheses
    SHORT_ANSWERS   prompts in their short form
    OFFER_KEYS      callers are offered keys and a callback: neither needs the recogniser

The calls that are up come first: new ones are refused from the first step on, and before it comes
to that. From the tight mark on no more are taken than there are, from the full mark on those that
end are not replaced (server/ceiling.py). A door that shut only where something is shed would have
everybody who is up served with less whenever the phones do not stop ringing.
"""

from collections.abc import Callable, Mapping
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
_NEVER: Final = 9.0  # of a core, which has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Of one signal, in its own unit: too much above `high`, room again below `low`.

    Calls that are up are enough at `tight`, and too many above `full`.
    """

    high: float
    full: float
    tight: float
    low: float

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ValueError(f"marks must be 0 <= low < high, not {self.low} and {self.high}")
        if not 0 < self.tight < self.full <= self.high:
            raise ValueError(
                f"marks must be 0 < tight < full <= high, not {self.tight}, {self.full} and "
                f"{self.high}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadroomOptions:
    """Where the load is too much; seconds, and a share of a core.

    A tick that is 20 ms late is a packet: the far end's jitter buffer still hides it, and what
    sheds load has callers wait twice as long, so less is no reason for it. An utterance that waits
    200 ms makes a gap of 300 ms one of 500, which calls may have in common before more come; one
    that waits 400 ms makes it one of 700, and what is prepared ahead is never ready in time: it
    may as well be left out.

    A loop that takes over half of its core leaves recognition too little of the interpreter
    (server/loop_load.py): enough calls, but no reason to give those that are up less.
    """

    marks: Mapping[str, Marks] = field(
        default_factory=lambda: {
            "tick_late_s": Marks(high=0.020, full=0.012, tight=0.008, low=0.008),
            "recognition_wait_s": Marks(high=0.400, full=0.300, tight=0.200, low=0.080),
            "loop_share": Marks(high=_NEVER, full=0.65, tight=0.57, low=1.0),
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
        self.room = 1.0
        """How much is left before no more calls should come, 1 to 0: of the signal with least."""
        self.full = False
        """Whether so many calls are too many already."""
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
        self.room = max(0.0, 1 - self._most(signals, lambda marks: marks.tight))
        self.full = self._most(signals, lambda marks: marks.full) > 1
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

    def _most(self, signals: Mapping[str, float], mark: Callable[[Marks], float]) -> float:
        """How far the signal is that is furthest towards its mark, which is 1."""
        marks = self._options.marks
        return max(
            (signals[name] / mark(marks[name]) for name in marks if name in signals), default=0.0
        )

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
