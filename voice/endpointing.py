"""How much quiet ends the caller's turn, given what was asked and what was said so far.

"Yes" is complete when it is said; a number comes in groups, an address with pauses for thought. The
figures count from "voice stopped", which comes some 80 ms after the voice, later in a loud room.
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
            Expects.ADDRESS: 0.40,
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
    unknown_s: Mapping[Expects, float] = field(
        default_factory=lambda: {
            Expects.YES_NO: 0.30,
            Expects.FREE: 0.60,
            Expects.DIGITS: 0.90,
            Expects.POSTCODE: 0.90,
            Expects.ADDRESS: 1.00,
            Expects.NOTHING: 0.50,
        }
    )
    """While it is not known what the words are. Where that is being found out it delays nothing:
    there is no reply without the words, and once they are known their own rule counts."""
    whole_s: Mapping[Expects, float] = field(default_factory=lambda: {Expects.ADDRESS: 1.5})
    """How much voice such an answer has at least: a shorter one whose words cannot tell has only
    begun. House number, street and town take 1.5 to 2.2 s at 160 words a minute, the first two of
    them 1.1 to 1.6."""
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
        voiced_s: float,
        finished: float | None = None,
    ) -> float:
        """How much quiet ends an answer.

        Args:
            readiness: how complete its words are; None: they are not known yet, or will never be.
            voiced_s: how much voice there is in it so far.
            finished: how likely the turn is over by its sound; None: not asked, or not known.
        """
        by_words = self._by_words(expects, readiness, voiced_s)
        if finished is None or readiness is not Readiness.OPEN:
            return by_words
        if finished >= self.finished:
            return min(by_words, self.finished_s)
        if finished <= self.unfinished:
            return max(by_words, self._patience_s(expects))
        return by_words

    def _by_words(
        self, expects: Expectation, readiness: Readiness | None, voiced_s: float
    ) -> float:
        match readiness:
            case Readiness.COMPLETE:
                return self.complete_s
            case Readiness.OPEN if voiced_s >= self.whole_s.get(expects.kind, 0.0):
                return self.open_s[expects.kind]
            case Readiness.OPEN | Readiness.INCOMPLETE:
                return self._patience_s(expects)
            case None:
                return max(self.unknown_s[expects.kind], expects.patience_s or 0.0)
            case _:
                assert_never(readiness)

    def _patience_s(self, expects: Expectation) -> float:
        """For the rest of an answer."""
        if expects.patience_s is not None:
            return expects.patience_s
        return self.incomplete_s[expects.kind]
