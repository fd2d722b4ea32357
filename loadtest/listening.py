"""What the caller understands: which of the phrases it knows are in a stretch of what it heard."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from loadtest.fingerprint import THRESHOLD, Match, Phrase, features, find, intonations
from loadtest.pcm import Pcm
from loadtest.speech import VoiceSettings, render_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """The phrases of a book, each where it fits the speech best; any order."""

    matches: tuple[Match, ...]
    threshold: float = THRESHOLD

    @property
    def heard(self) -> tuple[Match, ...]:
        """The phrases that were heard, in the order in which they end."""
        matches = (match for match in self.matches if match.score >= self.threshold)
        return tuple(sorted(matches, key=lambda match: match.end_s))

    @property
    def best_miss(self) -> float:
        """The score of the best phrase that was not heard."""
        misses = (match.score for match in self.matches if match.score < self.threshold)
        return max(misses, default=0.0)


class PhraseBook:
    """The phrases a caller listens for, as the frontdesk's voice says them."""

    def __init__(self, phrases: Iterable[Phrase], *, threshold: float = THRESHOLD) -> None:
        self._phrases = tuple(phrases)
        self._threshold = threshold

    @classmethod
    async def learn(
        cls, texts: Iterable[str], voice: VoiceSettings, *, threshold: float = THRESHOLD
    ) -> "PhraseBook":
        """Render each phrase once in each intonation with the frontdesk's voice.

        Raises:
            VoiceError: the voice is unknown, or a phrase makes no sound.
        """
        wanted = list(dict.fromkeys(texts))
        marked = {text: intonations(text) for text in wanted}
        spoken = await render_all([way for ways in marked.values() for way in ways], voice)
        phrases = [Phrase.of(text, (spoken[way] for way in marked[text])) for text in wanted]
        return cls(phrases, threshold=threshold)

    def understand(self, speech: Pcm) -> Understood:
        """Look for every phrase in `speech`, int16 mono 8 kHz: a few ms of CPU per phrase."""
        sound = features(speech)
        return Understood(matches=find(self._phrases, sound), threshold=self._threshold)

    async def understand_later(self, speech: Pcm) -> Understood:
        """As `understand`, in a thread, so that the caller's 20 ms clock goes on."""
        return await asyncio.to_thread(self.understand, speech)
