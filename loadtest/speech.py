"""The voices of the load test: what the caller says, and how the frontdesk's phrases sound."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from loadtest.errors import VoiceError
from loadtest.pcm import Pcm
from models.errors import EngineError
from models.espeak import EspeakVoice


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceSettings:
    """A built-in voice; the defaults are those of the server."""

    name: str = "en-us"
    rate_wpm: int = 165
    pitch: int = 50


def render(text: str, voice: VoiceSettings) -> Pcm:
    """Speak `text`, int16 mono 8 kHz, shape (n,).

    Raises:
        VoiceError: the voice is unknown, or `text` makes no sound.
    """
    try:
        engine = EspeakVoice(voice=voice.name, rate_wpm=voice.rate_wpm, pitch=voice.pitch)
        pcm = engine.render(text).pcm
    except (EngineError, ValueError) as error:
        raise VoiceError(f"voice {voice.name}: cannot say {text!r}: {error}") from error
    if pcm.size == 0:
        raise VoiceError(f"voice {voice.name}: {text!r} makes no sound")
    return pcm


async def render_all(texts: Iterable[str], voice: VoiceSettings) -> dict[str, Pcm]:
    """Render each text once, off the event loop."""
    wanted = list(dict.fromkeys(texts))
    return await asyncio.to_thread(lambda: {text: render(text, voice) for text in wanted})
