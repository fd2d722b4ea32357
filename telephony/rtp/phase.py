"""When, within a tick, its packets leave.

As soon as they are ready, in a process with room: nobody waits for nothing. Where ticks take a
third of their 20 ms and more they also differ by milliseconds, and packets that left whenever
theirs was done would come as unevenly. There they are held until a phase of the tick by which
nearly all ticks are done, which moves so slowly that no listener's buffer notices. They wait for
what the slowest tick in a hundred takes longer than theirs; without that, a listener's buffer would
grow by as much and have all packets wait.

Pure: told when a tick was due and when its packets were ready, it says for how long to hold them.
"""

from typing import Final

from voice.frames import FRAME_S

_FULL_S: Final = 0.3 * FRAME_S  # the usual tick is ready no sooner
_ROOMY_S: Final = 0.25 * FRAME_S  # below this it is so no more
_LATEST_S: Final = 0.95 * FRAME_S  # the next tick follows: who is later than that is late
_STEP_S: Final = 0.0004  # far below what listeners' buffers even out
_NEARLY_ALL: Final = 0.99


class _Quantile:
    """What this fraction of the values does not exceed, followed step by step."""

    def __init__(self, fraction: float) -> None:
        self._fraction = fraction
        self.value_s = 0.0

    def follow(self, value_s: float) -> None:
        exceeded = value_s > self.value_s
        self.value_s += _STEP_S * (self._fraction if exceeded else self._fraction - 1)


class SendingPhase:
    """One process's. Ask `hold_s` once per tick."""

    def __init__(self) -> None:
        self._usual, self._nearly_all = _Quantile(0.5), _Quantile(_NEARLY_ALL)
        self.holds = False
        """Whether the process has so many calls that packets are held at all."""

    def hold_s(self, ready_s: float) -> float:
        """For how long the packets of a tick are to be held; 0: send them at once.

        Args:
            ready_s: how long after the tick was due they were ready.
        """
        self._usual.follow(ready_s)
        self._nearly_all.follow(ready_s)
        self.holds = self._usual.value_s > (_ROOMY_S if self.holds else _FULL_S)
        if not self.holds:
            return 0.0
        return max(0.0, min(self._nearly_all.value_s, _LATEST_S) - ready_s)
