"""How many calls at a time this process takes: learned from what they do to it; pure.

Theory of operation. A call costs little when it comes, and its share from when it speaks, seconds
later; what it did to the others is measured later still. A door that is open until the load shows
has let in too many by then, and all who are up wait longer. So there is a ceiling, which moves
slower than its effect is seen:

    there is room, and calls press against it    it rises, the slower the less room is left, and
                                                 the shorter ago it was too much
    there is neither room nor is it too much     it stays: who leaves is replaced at once
    it is too much                               it is what is up: who leaves is not replaced

Under a crowd of any size it comes to rest where there is no more room, short of too much.
"""

from dataclasses import dataclass
from typing import Final

_PRESS: Final = 0.9  # of the ceiling is up: what is not nearly used says nothing about more


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingOptions:
    """The pace at which calls that nobody has carried yet are tried."""

    start: int = 20  # before anything is known: a core carries more
    least: int = 5  # so few are never too much
    rise_per_s: float = 8.0  # calls, where all is idle: a crowd that finds an idle desk comes in
    wary_s: float = 60.0  # until it rises at that pace again after too much: a call's length


class Ceiling:
    """One process's."""

    def __init__(self, options: CeilingOptions | None = None) -> None:
        self._options = options or CeilingOptions()
        self._ceiling = float(max(self._options.start, self._options.least))
        self._looked_at_s: float | None = None
        self._too_much_at_s: float | None = None

    @property
    def calls(self) -> int:
        """At most so many at a time, for now."""
        return int(self._ceiling)

    def observe(self, *, calls: int, room: float, full: bool, now_s: float) -> None:
        """Take a look.

        Args:
            calls: that are up.
            room: how much is left before no more should come, from 1 (all) to 0 (none).
            full: whether it is too much already.
            now_s: monotonic seconds.
        """
        passed_s = 0.0 if self._looked_at_s is None else now_s - self._looked_at_s
        self._looked_at_s = now_s
        if full:
            self._too_much_at_s = now_s
            self._ceiling = float(max(self._options.least, min(self.calls, calls)))
        elif calls >= _PRESS * self.calls:
            self._ceiling += self._pace(now_s) * room * passed_s

    def _pace(self, now_s: float) -> float:
        if self._too_much_at_s is None:
            return self._options.rise_per_s
        trust = (now_s - self._too_much_at_s) / self._options.wary_s
        return self._options.rise_per_s * min(1.0, trust)
