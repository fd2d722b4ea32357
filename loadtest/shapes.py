"""When calls begin: load shapes as pure schedules, in seconds since the run began.

Theory of operation. An open load brings callers at times of its own, whatever the far end does, as
the public does. A closed load keeps so many calls up: when one ends, the next begins. Who runs a
load asks every few milliseconds how many calls are due; it never sleeps, and its randomness is
given.

    fixed    closed: --calls at once; open with a rate: evenly spaced
    ramp     closed: one step more of calls per stage; open: the rate grows from 0
    spike    fixed, and in the middle third so many times as much
    poisson  open only: gaps between arrivals are exponential
    soak     fixed, for an hour unless told otherwise
    overload closed for half the time; then open, twice as many arriving as ended till then

An overload is to be begun with as many calls as the far end carries. In its first quarter they
come in, in its second it is measured how the far end fares with them and how many end a second; in
its second half twice as many arrive, and how fares who is let in then?
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from random import Random
from typing import Final, Protocol

from loadtest.errors import LoadtestError

DEFAULT_DURATION_S: Final = 120.0
SOAK_S: Final = 3_600.0  # leaks of a call show in an hour of them
DEFAULT_STAGES: Final = 10  # of a ramp without a step of its own
ENTER_EVERY_S: Final = 0.25  # between the calls of a closed load: none in step with another
_SPIKE: Final = 3.0  # times the load
_TWICE: Final = 2.0


class Shape(StrEnum):
    """How the load changes over the run."""

    FIXED = "fixed"  # the same all the time
    RAMP = "ramp"  # more and more, until an SLO breaks
    SPIKE = "spike"  # a crowd in the middle third
    POISSON = "poisson"  # arrivals that know nothing of each other
    SOAK = "soak"  # the same for a long time
    OVERLOAD = "overload"  # as many as are carried, then twice as many as can be


class BadShapeError(LoadtestError):
    """Options that make no load; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeOptions:
    shape: Shape = Shape.FIXED
    calls: int = 1  # closed: how many at once; open: never more than that
    rate: float | None = None  # calls per second; None: a closed load
    duration_s: float | None = None
    stages: int = DEFAULT_STAGES  # of a ramp
    spike_factor: float | None = None  # None: 3 in a spike, 2 in an overload
    enter_every_s: float = ENTER_EVERY_S

    @property
    def factor(self) -> float:
        """How many times the load comes in a spike or an overload."""
        if self.spike_factor is not None:
            return self.spike_factor
        return _TWICE if self.shape is Shape.OVERLOAD else _SPIKE

    @property
    def length_s(self) -> float:
        """How long calls are begun."""
        if self.duration_s is not None:
            return self.duration_s
        return SOAK_S if self.shape is Shape.SOAK else DEFAULT_DURATION_S


class Load(Protocol):
    """A schedule; ask it in order of time."""

    @property
    def held_back(self) -> int:
        """Arrivals that found no free caller: the generator was too small."""
        ...

    def due(self, now_s: float, active: int) -> int:
        """How many calls to begin now, `active` being up or dialling."""
        ...

    def over(self, now_s: float) -> bool:
        """Whether no more calls will be due."""
        ...

    def stage(self, now_s: float) -> int:
        """The step of a ramp, counted from 0; 0 for every other shape."""
        ...


def make_load(options: ShapeOptions, random: Random) -> Load:
    """The schedule of `options`.

    Raises:
        BadShapeError: a number that cannot be, or a shape that needs a rate.
    """
    _check(options)
    if options.shape is Shape.OVERLOAD:
        return Overload(options, random)
    if options.rate is None:
        return ClosedLoad(_level(options), options)
    return OpenLoad(_arrivals(options, options.rate, random), options)


def _check(options: ShapeOptions) -> None:
    if options.calls < 1 or options.stages < 1 or options.factor < 1:
        raise BadShapeError("calls, stages and the spike's factor are at least 1")
    if options.rate is not None and not 0 < options.rate < math.inf:
        raise BadShapeError(f"a rate of {options.rate:g} calls per second brings no load")
    if not 0 < options.length_s < math.inf:
        raise BadShapeError("a run lasts more than 0 seconds")
    if options.shape is Shape.POISSON and options.rate is None:
        raise BadShapeError("poisson needs --rate: how many callers arrive per second")
    if options.shape is Shape.OVERLOAD and options.rate is not None:
        raise BadShapeError("an overload finds its rate by its calls: leave out --rate")


class OpenLoad:
    """Callers that arrive at given times; see `Load`."""

    def __init__(self, arrivals: Iterator[float], options: ShapeOptions) -> None:
        self._arrivals = arrivals
        self._options = options
        self._next_s = next(arrivals, math.inf)
        self.held_back = 0

    def due(self, now_s: float, active: int) -> int:
        arrived = 0
        while self._next_s <= now_s and self._next_s < self._options.length_s:
            arrived += 1
            self._next_s = next(self._arrivals, math.inf)
        taken = min(arrived, max(0, self._options.calls - active))
        self.held_back += arrived - taken
        return taken

    def over(self, now_s: float) -> bool:
        return now_s >= self._options.length_s or self._next_s >= self._options.length_s

    def stage(self, now_s: float) -> int:
        return _stage(self._options, now_s)


class ClosedLoad:
    """So many calls at once, entered one by one; see `Load`."""

    def __init__(self, level: Callable[[float], int], options: ShapeOptions) -> None:
        self._level = level
        self._options = options
        self._next_s = 0.0
        self.held_back = 0

    def due(self, now_s: float, active: int) -> int:
        if now_s < self._next_s or self.over(now_s) or active >= self._level(now_s):
            return 0
        self._next_s = now_s + self._options.enter_every_s
        return 1

    def over(self, now_s: float) -> bool:
        return now_s >= self._options.length_s

    def stage(self, now_s: float) -> int:
        return _stage(self._options, now_s)


class Overload:
    """A closed load, then an open one of its own making; see `Load`."""

    def __init__(self, options: ShapeOptions, random: Random) -> None:
        self._options, self._random = options, random
        self._phases = overload_s(options)
        self._nominal = ClosedLoad(
            lambda now_s: options.calls,
            # All are up when the nominal load begins to be measured.
            replace(
                options,
                enter_every_s=min(options.enter_every_s, self._phases.measured_s / options.calls),
            ),
        )
        self._ended = 0  # of calls, in the stretch that is measured: each makes room for the next
        self._crowd: OpenLoad | None = None

    @property
    def held_back(self) -> int:
        """See `Load`."""
        return self._crowd.held_back if self._crowd is not None else 0

    def due(self, now_s: float, active: int) -> int:
        """See `Load`."""
        if now_s >= self._phases.crowd_s:
            self._crowd = self._crowd or self._make_crowd()
            return self._crowd.due(now_s, active)
        due = self._nominal.due(now_s, active)
        if now_s >= self._phases.measured_s:
            self._ended += due
        return due

    def _make_crowd(self) -> OpenLoad:
        options, phases = self._options, self._phases
        rate = max(self._ended, 1) / (phases.crowd_s - phases.measured_s)
        arrivals = (phases.crowd_s + at_s for at_s in _poisson(options.factor * rate, self._random))
        # All that arrive could be up, and some more by chance.
        return OpenLoad(
            arrivals, replace(options, calls=math.ceil((options.factor + 1) * options.calls))
        )

    def over(self, now_s: float) -> bool:
        """See `Load`."""
        return self._nominal.over(now_s)

    def stage(self, now_s: float) -> int:
        """See `Load`."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadPhases:
    """When an overload's nominal load begins to be measured, when the crowd comes and goes."""

    measured_s: float
    crowd_s: float
    over_s: float


def overload_s(options: ShapeOptions) -> OverloadPhases:
    """The phases of an overload: a quarter, another, and half of the run."""
    length_s = options.length_s
    return OverloadPhases(measured_s=length_s / 4, crowd_s=length_s / 2, over_s=length_s)


def _stage(options: ShapeOptions, now_s: float) -> int:
    if options.shape is not Shape.RAMP:
        return 0
    part = min(max(now_s, 0.0) / options.length_s, 1.0)
    return min(int(part * options.stages), options.stages - 1)


def stage_ends_s(options: ShapeOptions) -> list[float]:
    """When each stage of a ramp ends; the run's end for every other shape."""
    stages = options.stages if options.shape is Shape.RAMP else 1
    return [options.length_s * (stage + 1) / stages for stage in range(stages)]


def _level(options: ShapeOptions) -> Callable[[float], int]:
    """How many calls are to be up at a moment."""
    match options.shape:
        case Shape.RAMP:
            return lambda now_s: math.ceil(
                options.calls * (_stage(options, now_s) + 1) / options.stages
            )
        case Shape.SPIKE:
            return lambda now_s: (
                math.ceil(options.calls * options.factor)
                if _in_spike(options, now_s)
                else options.calls
            )
        case _:
            return lambda now_s: options.calls


def spike_s(options: ShapeOptions) -> tuple[float, float]:
    """When a spike begins and ends: the middle third of the run."""
    return options.length_s / 3, 2 * options.length_s / 3


def _in_spike(options: ShapeOptions, now_s: float) -> bool:
    start_s, end_s = spike_s(options)
    return start_s <= now_s < end_s


def _arrivals(options: ShapeOptions, rate: float, random: Random) -> Iterator[float]:
    """Endless arrival times in order."""
    match options.shape:
        case Shape.POISSON:
            return _poisson(rate, random)
        case Shape.RAMP:
            # The rate at t is rate·t/length, so k calls have come by sqrt(2·k·length/rate).
            return (math.sqrt(2 * k * options.length_s / rate) for k in count(1))
        case Shape.SPIKE:
            return _spiked(options, rate)
        case _:
            return (k / rate for k in count())


def _poisson(rate: float, random: Random) -> Iterator[float]:
    at_s = 0.0
    while True:
        at_s += random.expovariate(rate)
        yield at_s


def _spiked(options: ShapeOptions, rate: float) -> Iterator[float]:
    at_s = 0.0
    while True:
        yield at_s
        at_s += 1 / (rate * (options.factor if _in_spike(options, at_s) else 1.0))
