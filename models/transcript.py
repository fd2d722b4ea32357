"""What speech to text returns: n-best texts, and how sure they are."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.confidence import MARGIN_MAX, Confidence
from models.speech import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    text: str  # lower case, words separated by one space, no punctuation but apostrophes
    log_prob: float  # mean per token, natural logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """n-best, best first, texts distinct; empty when nothing was said.

    constrained: what the slot allows, where one was given; best first, a value of the wanted length
    before a slightly likelier one of another. Their log probabilities are on the scale of the free
    hypotheses, and texts may be in both.
    words: of the first hypothesis, in seconds of the audio given; empty unless asked for.
    """

    hypotheses: tuple[Hypothesis, ...] = ()
    constrained: tuple[Hypothesis, ...] = ()
    words: tuple[Word, ...] = ()
    no_speech_prob: float = 0.0
    confidence: float = 0.0  # that the first text is right, in [0, 1]; see `Confidence`
    cpu_s: float = 0.0

    @property
    def text(self) -> str:
        return self.hypotheses[0].text if self.hypotheses else ""


_APART: Final = re.compile(r"[^\w']+|_")
_LOOSE: Final = re.compile(r"(?<!\w)'+|'+(?!\w)")


def normalise(text: str) -> str:
    """Lower case, without punctuation; words are kept as the model wrote them, digits too."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return " ".join(_LOOSE.sub(" ", _APART.sub(" ", plain)).split())


def distinct(hypotheses: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Best first, each text once, at its best; without empty texts.

    A best hypothesis that is empty says that nothing was said, and makes all of it empty.
    """
    ranked = sorted(hypotheses, key=lambda h: -h.log_prob)
    if not ranked or not ranked[0].text:
        return ()
    seen: dict[str, Hypothesis] = {}
    for hypothesis in ranked:
        if hypothesis.text:
            seen.setdefault(hypothesis.text, hypothesis)
    return tuple(seen.values())


def lead_of(hypotheses: Sequence[Hypothesis]) -> float:
    """How much likelier the first of at least one hypothesis is than the second."""
    if len(hypotheses) < 2:
        return MARGIN_MAX
    return hypotheses[0].log_prob - hypotheses[1].log_prob


def scored(
    hypotheses: tuple[Hypothesis, ...],
    no_speech_prob: float,
    cpu_s: float,
    confidence: Confidence | None = None,
) -> Transcript:
    """The transcript of at least one hypothesis, with its confidence."""
    sure = (confidence or Confidence()).of(hypotheses[0].log_prob, lead_of(hypotheses))
    return Transcript(
        hypotheses=hypotheses,
        no_speech_prob=no_speech_prob,
        confidence=sure,
        cpu_s=cpu_s,
    )
