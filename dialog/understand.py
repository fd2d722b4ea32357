"""From what was said to what is done about it: accept, ask whether, ask which, or give up.

The guards (commands, the grammar of the slot that is asked for) come before this and cost nothing;
here the classifier of intents is asked about each hypothesis, and the hypotheses vote.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dialog.events import CallerSaid
from dialog.plan import Flow
from dialog.slots import weights


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
    for hypothesis, weight in zip(said.hypotheses, weights(said.hypotheses), strict=True):
        for intent, probability in classifier.rank(hypothesis.text):
            if intent in totals:
                totals[intent] += weight * probability
    return sorted(totals.items(), key=lambda each: -each[1])


def decide(flow: Flow, classifier: IntentClassifier, said: CallerSaid) -> Decision:
    """Choose the band for an answer to an open question."""
    limits = flow.thresholds
    ranked = rank(flow, classifier, said)
    if not ranked:
        return Decision(band=Band.NO_MATCH)
    (first, score), *others = ranked
    if score >= limits.accept:
        sure = said.confidence >= limits.confidence
        return Decision(band=Band.ACCEPT if sure else Band.CONFIRM, intents=(first,), score=score)
    if others and score >= limits.choose and others[0][1] >= limits.choose:
        return Decision(band=Band.CHOOSE, intents=(first, others[0][0]), score=score)
    if score >= limits.confirm:
        return Decision(band=Band.CONFIRM, intents=(first,), score=score)
    return Decision(band=Band.NO_MATCH, intents=(first,), score=score)
