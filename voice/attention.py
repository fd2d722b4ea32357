"""Does a caller who makes a sound over us want us to stop, or do they only listen, cough, or live?

Asked twice. While the voice goes on, of what it has said so far: there only a listener's words let
us go on, and only over a statement, since over a question they may be the answer. And once the
voice has stopped, of all of it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from voice.anticipation import Anticipation
from voice.backchannel import asks_for_attention, heard_so_far, is_backchannel
from voice.events import Expectation, Expects, Readiness, SpeechError, Transcription
from voice.frames import Pcm
from voice.ports import SpeechToText
from voice.turn_events import SoFar

log = logging.getLogger(__name__)

_SHORT_S: Final = 0.6  # of voice: longer ones are meant to be heard, even if not understood


def is_to_us(so_far: Anticipation, *, voiced_s: float, expects: Expects) -> bool:
    """Whether what was said over us, by a voice that has stopped, is meant to interrupt.

    Args:
        voiced_s: how much voice there was in it.
        expects: what the dialog waits for.
    """
    heard = so_far.transcription
    short = voiced_s < _SHORT_S and not asks_for_attention(heard.text)
    if short and so_far.readiness is Readiness.INCOMPLETE:
        return False  # a short sound that means nothing here, whatever letters it was put into
    return not is_backchannel(
        heard.text, heard.confidence, voiced_s, over_question=expects is Expects.YES_NO
    )


class EarlyEar:
    """Listens to a voice over us while it goes on; one look at a time, each at all that is there.

    Args:
        on_heard: told what it has said so far, unless it was forgotten meanwhile.
    """

    def __init__(self, stt: SpeechToText, on_heard: Callable[[SoFar], None]) -> None:
        self._stt, self._on_heard = stt, on_heard
        self._looking: asyncio.Future[Transcription] | None = None
        self._next: Pcm | None = None  # asked for meanwhile; the latest holds what the others did

    def look(self, pcm: Pcm) -> None:
        """Find out what was said so far, int16, shape (n,): now, or when the look before is over.

        Of several that wait only the latest is taken; none is after other words than a listener's.
        """
        if self._looking is not None:
            self._next = pcm
            return
        # Words that answer are not wanted here, but those that were said.
        looking = self._stt.transcribe(pcm, expects=Expectation(), speculative=True)
        self._looking = asyncio.ensure_future(looking)
        self._looking.add_done_callback(self._looked)

    def forget(self) -> None:
        """That voice has stopped, or nothing depends on it any more."""
        if self._looking is not None:
            self._looking.cancel()
        self._looking = self._next = None

    def _looked(self, task: "asyncio.Future[Transcription]") -> None:
        if task is not self._looking:
            return
        self._looking = None
        following, self._next = self._next, None
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or isinstance(error, SpeechError):
            return  # it is judged when it has stopped
        if error is not None:
            log.error("a voice over us was not looked at by a defect", exc_info=error)
            return
        heard = task.result()
        said = heard_so_far(heard.text, heard.confidence)
        if following is not None and said is not SoFar.WORDS:
            self.look(following)
        self._on_heard(said)
