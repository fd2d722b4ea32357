"""The caller's voice as the floor counts it: on since when, how much of it, quiet since when."""

from dataclasses import dataclass


@dataclass(slots=True)
class CallerVoice:
    """One call's; pure, times in monotonic seconds."""

    on: bool = False
    voiced_s: float = 0.0
    """How long it was on in this utterance, up to its last pause."""
    _since_s: float = 0.0
    _quiet_since_s: float = 0.0

    def begin_utterance(self, now_s: float) -> None:
        """What was said before counts no more."""
        self.voiced_s, self._since_s = 0.0, now_s

    def started(self, now_s: float) -> None:
        """The detector hears it; again is nothing new."""
        if not self.on:
            self.on, self._since_s = True, now_s

    def stopped(self, now_s: float) -> None:
        """The detector hears it no more; again is nothing new."""
        if self.on:
            self.on, self._quiet_since_s = False, now_s
            self.voiced_s += now_s - self._since_s

    def voiced_until(self, now_s: float) -> float:
        """How long it has been on in this utterance, in seconds."""
        return self.voiced_s + (now_s - self._since_s if self.on else 0.0)

    def quiet_for(self, now_s: float) -> float:
        """How long it has been off since it was on, in seconds."""
        return 0.0 if self.on else now_s - self._quiet_since_s
