"""The answer to what the caller has said so far, prepared while they may only be pausing.

Recognition, a look at what the dialog would do, and the synthesis of what it would say run at the
first sign of quiet. Nothing of it is said, no effect runs, no record is made: if the caller speaks
on it is void, and if they are done the reply starts at once.
"""

import logging
from dataclasses import dataclass

from voice.events import (
    CallerSaid,
    PerformAction,
    Preview,
    Readiness,
    Speak,
    SpeechError,
    Transcription,
)
from voice.frames import Pcm
from voice.ports import Dialog, SpeechToText, TextToSpeech

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anticipation:
    """What was heard so far, and how complete an answer it is."""

    transcription: Transcription
    readiness: Readiness


async def anticipate(
    pcm: Pcm, *, stt: SpeechToText, tts: TextToSpeech, dialog: Dialog
) -> Anticipation:
    """Recognise, preview, and have the voice render what would be said.

    Args:
        pcm: the utterance so far, int16, 8 kHz, shape (n,).

    Raises:
        SpeechError: the recogniser failed; the turn itself will try again.
    """
    heard = await stt.transcribe(pcm, expects=dialog.expects, speculative=True)
    if not heard.text:
        return Anticipation(transcription=heard, readiness=Readiness.INCOMPLETE)
    preview = await dialog.preview(CallerSaid(transcription=heard))
    await _warm_up(preview, tts)
    return Anticipation(transcription=heard, readiness=preview.readiness)


async def _warm_up(preview: Preview, tts: TextToSpeech) -> None:
    """Render what would be said first: the voice remembers it."""
    for effect in preview.effects:
        match effect:
            case Speak(text=text):
                try:
                    async for _ in tts.synthesise(text):
                        pass
                except SpeechError:
                    log.warning("a prompt could not be prepared", exc_info=True)
            case PerformAction():
                return  # what is said after it depends on what comes of it
            case _:
                pass
