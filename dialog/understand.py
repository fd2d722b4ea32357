"""From what was said to what is done about it: accept, ask whether, ask which, or give up.

The guards (commands, the grammar of the slot that is asked for) come before this and cost nothing;
here the classifier of intents is asked about each hypothesis, and the hypotheses vote.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from dialog.events import CallerSaid
from dialog.plan import Flow
from dialog.slots import weights

# How likely callers are to say what the flow is not about, against what it is: a hypothesis about
# nothing at all counts so much less, since misheard words seldom make sense.
_STRAY: Final = 0.35


class IntentClassifier(Protocol):
    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        """(intent, probability), likeliest first.

        The probabilities add up to 1 less the probability that the text is about none of them.
        """
        ...


class Band(StrEnum):
    ACCEPT = "accept"  # sure enough to go ahead
    CONFIRM = "confirm"  # likely: ask whether
    CHOOSE = "choose"  # two are likely: ask which
    NO_MATCH = "no_match"  # anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do; `intents` are the one accepted or asked about, or the two to choose from."""

    band: Band
    intents: tuple[str, ...] = ()
    score: float = 0.0

    @property
    def intent(self) -> str | None:
        return self.intents[0] if self.intents else None


def rank(
    flow: Flow, classifier: IntentClassifier, said: CallerSaid, among: Collection[str] | None = None
) -> list[tuple[str, float]]:
    """Probability of each intent of the flow over all hypotheses, likeliest first."""
    allowed = flow.intents.keys() if among is None else among
    totals = dict.fromkeys((name for name in flow.intents if name in allowed), 0.0)
    mass = 0.0
    for hypothesis, weight in zip(said.hypotheses, weights(said.hypotheses), strict=True):
        ranked = [each for each in classifier.rank(hypothesis.text) if each[0] in flow.intents]
        in_scope = min(1.0, sum(probability for _, probability in ranked))
        weight *= in_scope + _STRAY * (1.0 - in_scope)
        mass += weight
        for intent, probability in ranked:
            if intent in totals:
                totals[intent] += weight * probability
    shares = {intent: total / mass if mass else 0.0 for intent, total in totals.items()}
    return sorted(shares.items(), key=lambda each: -each[1])


def is_doubtful(flow: Flow, said: CallerSaid) -> bool:
    """Is the recogniser too unsure of its words to act on them without asking?"""
    return 0.0 < said.confidence < flow.thresholds.confidence


def decide(flow: Flow, classifier: IntentClassifier, said: CallerSaid) -> Decision:
    """Choose the band for an answer to an open question."""
    limits = flow.thresholds
    ranked = rank(flow, classifier, said)
    if not ranked:
        return Decision(band=Band.NO_MATCH)
    (first, score), *others = ranked
    if score >= limits.accept:
        band = Band.CONFIRM if is_doubtful(flow, said) else Band.ACCEPT
        return Decision(band=band, intents=(first,), score=score)
    if others and score >= limits.choose and others[0][1] >= limits.choose:
        return Decision(band=Band.CHOOSE, intents=(first, others[0][0]), score=score)
    if score >= limits.confirm:
        return Decision(band=Band.CONFIRM, intents=(first,), score=score)
    return Decision(band=Band.NO_MATCH, intents=(first,), score=score)
