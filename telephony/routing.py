"""Who hears whom in a room: gains from sources to listeners, and the gain matrix they make. Pure.

Three layers, the later ones above the earlier:

1. pairs: `hear` and `unhear`, one direction each; everybody begins deaf and unheard;
2. reach: who hears everybody, or is heard by everybody, whoever comes and goes (supervisors);
   a whisperer is heard by pairs alone, reach or no reach;
3. state: held members hear and are heard by nobody; muted ones are heard by nobody. Both keep the
   layers below, and come back to them.

Nobody ever hears themselves.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Gains = NDArray[np.float32]

MAX_GAIN: Final = 8.0
"""+18 dB: more than any quiet line needs."""


class Routes:
    """The routing of one room, by member names; it does not know who is present."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], float] = {}  # (listener, source) → gain
        self._hears_all: set[str] = set()
        self._heard_by_all: set[str] = set()
        self._whispering: set[str] = set()
        self._held: set[str] = set()
        self._muted: set[str] = set()

    def hear(self, listener: str, source: str, *, gain: float = 1.0) -> None:
        """`listener` hears `source` with a linear gain; of oneself, nothing.

        Raises:
            ValueError: the gain is not in (0, MAX_GAIN].
        """
        if not (math.isfinite(gain) and 0 < gain <= MAX_GAIN):
            raise ValueError(f"a gain of {gain} is not above 0 and at most {MAX_GAIN}")
        if listener != source:
            self._pairs[listener, source] = gain

    def unhear(self, listener: str, source: str) -> None:
        """Idempotent; members with reach are heard on."""
        self._pairs.pop((listener, source), None)

    def hear_everybody(self, listener: str) -> None:
        """Also those who come later."""
        self._hears_all.add(listener)

    def be_heard_by_everybody(self, source: str) -> None:
        """Also by those who come later."""
        self._whispering.discard(source)
        self._heard_by_all.add(source)

    def speak_up(self, source: str) -> None:
        """Whoever hears everybody hears `source` too: the end of whispering."""
        self._whispering.discard(source)

    def whisper(self, source: str) -> None:
        """Nobody hears `source` but whom `hear` names from now on."""
        self._heard_by_all.discard(source)
        self._whispering.add(source)
        self._drop({pair for pair in self._pairs if pair[1] == source})

    def isolate(self, member: str) -> None:
        """`member` neither hears nor is heard: as they came; held or muted they stay."""
        self._hears_all.discard(member)
        self._heard_by_all.discard(member)
        self._whispering.discard(member)
        self._drop({pair for pair in self._pairs if member in pair})

    def forget(self, member: str) -> None:
        """As if they had never been here."""
        self.isolate(member)
        self._held.discard(member)
        self._muted.discard(member)

    def set_held(self, member: str, held: bool) -> None:
        (self._held.add if held else self._held.discard)(member)

    def set_muted(self, member: str, muted: bool) -> None:
        (self._muted.add if muted else self._muted.discard)(member)

    def is_muted(self, member: str) -> bool:
        return member in self._muted

    def gain(self, listener: str, source: str) -> float:
        """What `listener` hears `source` with; 0: not at all."""
        if listener == source or source in self._muted:
            return 0.0
        if listener in self._held or source in self._held:
            return 0.0
        hears = listener in self._hears_all and source not in self._whispering
        reached = hears or source in self._heard_by_all
        return self._pairs.get((listener, source), 1.0 if reached else 0.0)

    def matrix(self, members: Sequence[str]) -> Gains:
        """The gains between these members, float32, shape (listeners, sources)."""
        gains = [[self.gain(listener, source) for source in members] for listener in members]
        return np.array(gains, dtype=np.float32).reshape(len(members), len(members))

    def _drop(self, pairs: set[tuple[str, str]]) -> None:
        for pair in pairs:
            del self._pairs[pair]
