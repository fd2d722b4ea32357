"""What a caller is told while an action takes long: dead air sounds dead.

The first words come soon after the caller has heard the last of what was said; further ones
whenever they have heard nothing for a while, in turn, and around again without the first. There is
a bound: an action has limits of its own, and words without end would promise an answer that nobody
is working on. Pure; the time is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FillerOptions:
    after_s: float = 0.7  # of quiet: an action that takes longer gets a filler
    every_s: float = 4.0  # of quiet after a filler: with it, one in about five seconds
    most: int = 8  # 45 s: longer than any action and any approval may take


class Fillers:
    """Of one action, from its begin at `now_s` on."""

    def __init__(self, texts: Sequence[str], options: FillerOptions, now_s: float) -> None:
        self._texts, self._options = texts, options
        self._quiet_since_s = now_s
        self._said = 0

    def due(self, now_s: float, *, speaking: bool) -> str | None:
        """What is to be said now; whoever asks says it.

        Args:
            now_s: monotonic seconds.
            speaking: something of ours is still being heard, or about to be.
        """
        if speaking:
            self._quiet_since_s = now_s
            return None
        wait_s = self._options.every_s if self._said else self._options.after_s
        if not self._texts or self._said >= self._options.most:
            return None
        if now_s - self._quiet_since_s < wait_s:
            return None
        text = self._texts[self._index()]
        self._said, self._quiet_since_s = self._said + 1, now_s
        return text

    def _index(self) -> int:
        if self._said < len(self._texts):
            return self._said
        around = max(1, len(self._texts) - 1)
        return (self._said - len(self._texts)) % around + len(self._texts) - around
