"""Stretches of frontdesk's speech as the caller heard them, and what was said in them."""

from dataclasses import dataclass
from typing import Final

from loadtest.activity import Activity, SpeechStarted
from loadtest.listening import PhraseBook, Understood
from loadtest.pcm import RATE_HZ, Pcm
from loadtest.speech import VoiceSettings
from loadtest.turns.prompts import APOLOGIES, ENDINGS, FILLERS, Prompt

QUIET_S: Final = 0.4
"""Quiet that ends a stretch. The longest pause between two sentences of a prompt is 0.35 s."""
_MARGIN: Final = RATE_HZ // 10  # 100 ms: a soft "s" lies before what counts as the first sound
_LOOKED_AT: Final = round(4.5 * RATE_HZ)
"""How much of a stretch's end is recognised: an apology and a question fit in it. More would cost
CPU that the callers' own clocks need."""
_AT_THE_END_S: Final = 0.45  # an ending counts when no more than this sounds after it: a syllable


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSpan:
    """Speech of frontdesk without a pause; positions are samples of the call's recording."""

    start: int
    end: int
    ending: Prompt | None = None  # the prompt whose last words end it: it was said to its end
    filler: bool = False  # "one moment, please" and nothing else
    apology: bool = False  # frontdesk took something for a turn that it did not understand


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Where a span lies, before it is known what was said."""

    start: int
    end: int

    @property
    def window(self) -> tuple[int, int]:
        """The samples to recognise: the stretch's end, with a margin; may begin before 0."""
        return max(self.start - _MARGIN, self.end - _LOOKED_AT), self.end + _MARGIN


class StretchFinder:
    """Finds stretches in audio that comes piece by piece, whole 10 ms blocks."""

    def __init__(self, *, origin: int = 0) -> None:
        self._activity = Activity(quiet_s=QUIET_S, origin=origin)
        self.began: int | None = None
        """First sample of the stretch that is being heard; None in between."""

    def receive(self, pcm: Pcm) -> Stretch | None:
        """Listen on; the stretch that ended in `pcm`, if one did."""
        ended: Stretch | None = None
        for event in self._activity.receive(pcm):
            if isinstance(event, SpeechStarted):
                self.began = event.at
            elif self.began is not None:
                ended, self.began = Stretch(start=self.began, end=event.at), None
        return ended


def stretches_of(pcm: Pcm) -> list[Stretch]:
    """All stretches of a whole track; one still open at its end is left out."""
    finder = StretchFinder()
    blocks = (pcm[at : at + RATE_HZ // 50] for at in range(0, pcm.size, RATE_HZ // 50))
    return [stretch for block in blocks if (stretch := finder.receive(block)) is not None]


async def learn_prompts(voice: VoiceSettings) -> PhraseBook:
    """The phrases of the flow as `voice` says them.

    Raises:
        VoiceError: the voice is unknown.
    """
    return await PhraseBook.learn([*ENDINGS, *FILLERS, *APOLOGIES], voice)


def name_span(stretch: Stretch, understood: Understood) -> HeardSpan:
    """The stretch with what was said in it.

    Args:
        stretch: where it lies.
        understood: the phrases in its window.
    """
    duration_s = (stretch.end - stretch.window[0]) / RATE_HZ
    endings = [
        match
        for match in understood.heard
        if match.text in ENDINGS and duration_s - match.end_s <= _AT_THE_END_S
    ]
    ending = max(endings, key=lambda match: match.score, default=None)
    heard = {match.text for match in understood.heard}
    return HeardSpan(
        start=stretch.start,
        end=stretch.end,
        ending=ENDINGS[ending.text] if ending else None,
        filler=ending is None and bool(heard & FILLERS),
        apology=bool(heard & APOLOGIES),
    )
