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

    blind_s: Mapping[Expects, float] = field(
        default_factory=lambda: {
            Expects.YES_NO: 0.30,
            Expects.FREE: 0.60,
            Expects.DIGITS: 0.90,
            Expects.POSTCODE: 0.90,
            Expects.ADDRESS: 1.00,
            Expects.NOTHING: 0.50,
        }
    )
    finished_s: float = 0.30
    finished: float = (
        0.8  # how likely the turn model must find the end, to wait no longer than that
    )
    unfinished: float = 0.2  # at most so likely: what the caller said is taken for incomplete

    def silence_for(
        self,
        expects: Expectation,
        readiness: Readiness | None,
        *,
        finished: float | None = None,
        blind: bool = False,
    ) -> float:
        """How much quiet ends an answer.

        Args:
            readiness: how complete its words are; None: they are not known yet.
            finished: how likely the turn is over by its sound; None: not asked, or not known.
            blind: nobody is finding out what the words are, so a number may be half said.
        """
        by_words = self._by_words(expects, readiness, blind=blind)
        if finished is None or readiness is not Readiness.OPEN:
            return by_words
        if finished >= self.finished:
            return min(by_words, self.finished_s)
        if finished <= self.unfinished:
            return max(by_words, self.incomplete_s[expects.kind])
        return by_words

    def _by_words(self, expects: Expectation, readiness: Readiness | None, *, blind: bool) -> float:
        match readiness:
            case Readiness.COMPLETE:
                return self.complete_s
            case None if blind:
                return self.blind_s[expects.kind]
            case Readiness.OPEN | None:
                return self.open_s[expects.kind]
            case Readiness.INCOMPLETE:
                return self.incomplete_s[expects.kind]
            case _:
                assert_never(readiness)
