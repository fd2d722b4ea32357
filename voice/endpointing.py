"""How much quiet ends the caller's turn, given what the dialog has asked.

"Yes" is complete when it is said; a number comes in groups, an address with pauses for thought. The
figures count from the detector's "voice stopped", which itself comes about 80 ms after the voice.
"""

from dataclasses import dataclass, field

from voice.events import Expectation, Expects


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRules:
    """Quiet in seconds, by the kind of answer expected."""

    silence_s: dict[Expects, float] = field(
        default_factory=lambda: {
            Expects.YES_NO: 0.35,
            Expects.FREE: 0.60,
            Expects.DIGITS: 0.75,
            Expects.POSTCODE: 0.75,
            Expects.ADDRESS: 0.85,
            Expects.NOTHING: 0.60,
        }
    )

    def silence_for(self, expects: Expectation) -> float:
        return self.silence_s[expects.kind]
