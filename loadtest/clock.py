"""One 20 ms clock for all calls of a process, kept to absolute deadlines.

Theory of operation. Real telephones are not in step, and a process that sent a hundred packets at
once would be late with most of them. So the clock has four phases, 5 ms apart, and a call that
joins gets the phase with the fewest. In a phase all its calls speak first and then all listen, so
that no packet waits for another call's ears. A clock that was held up makes up for every tick it
missed, in order, and lets the event loop's sockets be read in between.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from loadtest.pcm import FRAME_S
from loadtest.quality import Histogram

_PHASES: Final = 4
_PHASE_S: Final = FRAME_S / _PHASES
_HELD_UP_S: Final = 0.06  # late by so much, we were not merely busy: we did not run
_AFTER_S: Final = 0.5  # until what was missed has been heard

Tick: TypeAlias = Callable[[float], None]
"""Called every 20 ms with the seconds by which this call's turn is late."""


@dataclass(frozen=True, slots=True)
class _Member:
    tick: Tick
    listen: Callable[[], None] | None


class MediaClock:
    """Ticks whoever has joined; runs while somebody has."""

    def __init__(self) -> None:
        self.lateness = Histogram()
        self._held_up_at_s = float("-inf")
        self._phases: tuple[list[_Member], ...] = tuple([] for _ in range(_PHASES))
        self._epoch_s = 0.0
        self._slot = 0  # the next one; its deadline is epoch + slot · 5 ms
        self._next: asyncio.Handle | None = None

    @property
    def members(self) -> int:
        return sum(len(phase) for phase in self._phases)

    def held_up_lately(self) -> bool:
        """Whether this clock itself did not run just now, so that what seems to be missing from
        the far end may have been there in time, or the whole machine stood still."""
        return asyncio.get_running_loop().time() - self._held_up_at_s < _AFTER_S

    def join(self, tick: Tick, listen: Callable[[], None] | None = None) -> float:
        """Be ticked from now on; returns the loop's time of the first tick.

        Args:
            tick: what cannot wait: sending.
            listen: called after the ticks of all calls of the phase.
        """
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._epoch_s, self._slot = loop.time(), 0
            self._next = loop.call_soon(self._run_slot)
        phase = min(range(_PHASES), key=lambda index: len(self._phases[index]))
        self._phases[phase].append(_Member(tick, listen))
        slot = self._slot + (phase - self._slot) % _PHASES
        return self._epoch_s + slot * _PHASE_S

    def leave(self, tick: Tick) -> None:
        """Be ticked no more; idempotent."""
        for phase in self._phases:
            phase[:] = [member for member in phase if member.tick != tick]
        if self._next is not None and not self.members:
            self._next.cancel()
            self._next = None

    def _run_slot(self) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = self._epoch_s + self._slot * _PHASE_S
        phase = self._phases[self._slot % _PHASES]
        self._slot += 1
        for member in tuple(phase):
            late_s = max(0.0, loop.time() - deadline_s)
            self.lateness.add(late_s)
            if late_s >= _HELD_UP_S:
                self._held_up_at_s = loop.time()
            self._guard(member, member.tick, late_s)
        for member in tuple(phase):
            if member.listen is not None:
                self._guard(member, member.listen)
        if self.members:
            # When the deadline is over already, the loop looks at its sockets before it calls.
            self._next = loop.call_at(deadline_s + _PHASE_S, self._run_slot)

    def _guard(self, member: _Member, act: Callable[..., None], *arguments: float) -> None:
        """One call's turn; a defect of its own must not stop the others' clock."""
        try:
            act(*arguments)
        except Exception as error:
            self.leave(member.tick)
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a call's tick failed", "exception": error}
            )
