"""How much quiet ends the caller's turn, given what was asked and what was said so far.

"Yes" is complete when it is said; a number comes in groups, an address with pauses for thought. The
figures count from the detector's "voice stopped", which comes some 150 ms after the voice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from voice.events import Expectation, Expects, Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRules:
    """Quiet in seconds: what a complete answer needs, and others, by the kind of answer asked."""

    complete_s: float = 0.10
    open_s: Mapping[Expects, float] = field(
        default_factory=lambda: {
            Expects.YES_NO: 0.25,
            Expects.FREE: 0.45,
            Expects.DIGITS: 0.50,
            Expects.POSTCODE: 0.50,
            Expects.ADDRESS: 0.65,
            Expects.NOTHING: 0.45,
        }
    )
    incomplete_s: Mapping[Expects, float] = field(
        default_factory=lambda: {
            Expects.YES_NO: 0.50,
            Expects.FREE: 0.70,
            Expects.DIGITS: 1.00,
            Expects.POSTCODE: 1.00,
            Expects.ADDRESS: 1.00,
            Expects.NOTHING: 0.50,
        }
    )

    def silence_for(self, expects: Expectation, readiness: Readiness | None) -> float:
        """How much quiet ends an answer of this readiness; None: it is not known yet."""
        match readiness:
            case Readiness.COMPLETE:
                return self.complete_s
            case Readiness.OPEN | None:
                return self.open_s[expects.kind]
            case Readiness.INCOMPLETE:
                return self.incomplete_s[expects.kind]
            case _:
                assert_never(readiness)
