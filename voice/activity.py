"""From speech probabilities to "the voice started" and "the voice stopped".

Hysteresis in level and in time: one loud window is a click, one quiet window is the closure of a
"t". Pure; one instance a call.
"""

from dataclasses import dataclass

from voice.frames import FRAME_S
from voice.turn_events import VoiceStarted, VoiceStopped


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityThresholds:
    start: float = 0.5  # Silero's own default
    stop: float = 0.35  # its default less 0.15, as its authors advise
    start_s: float = 0.04  # above `start` for so long before it counts
    stop_s: float = 0.04  # below `stop` for so long before it counts


class ActivityGate:
    """Turns one probability per 20 ms frame into start and stop events."""

    def __init__(self, thresholds: ActivityThresholds | None = None) -> None:
        self._thresholds = thresholds or ActivityThresholds()
        self._run_s = 0.0  # how long the probability has contradicted `active`
        self.active = False

    def receive(self, probability: float) -> VoiceStarted | VoiceStopped | None:
        """Take the probability as of this frame; return a change, if there is one."""
        limits = self._thresholds
        contradicts = probability < limits.stop if self.active else probability >= limits.start
        if not contradicts:  # nearly always
            self._run_s = 0.0
            return None
        self._run_s += FRAME_S
        needed_s = limits.stop_s if self.active else limits.start_s
        if self._run_s + 1e-9 < needed_s:
            return None
        self._run_s, self.active = 0.0, not self.active
        return VoiceStarted() if self.active else VoiceStopped()
