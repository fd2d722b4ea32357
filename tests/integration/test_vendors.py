"""Pipecat's services behind our port, with one that runs here: Whisper, on the bundled model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import ErrorFrame, Frame, TranscriptionFrame
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import SegmentedSTTService

from models import catalog
from models.espeak import EspeakVoice
from voice import vendors
from voice.events import Expectation, SpeechError
from voice.frames import Pcm
from voice.vendors import VendorError, VendorOptions, VendorSpeechToText, service_class

ANYTHING = Expectation()


def say(text: str) -> Pcm:
    return EspeakVoice("en-us").render(text).pcm


def whisper(**changes: Any) -> VendorOptions:
    given: dict[str, Any] = {
        "service": "whisper:WhisperSTTService",
        "arguments": {"device": "cpu"},
        "settings": {"model": str(catalog.locate("frontdesk-small")), "no_speech_prob": 0.9},
        "lanes": 1,
        "deadline_s": 30.0,
    }
    return VendorOptions(**{**given, **changes})


@pytest.fixture
async def service() -> AsyncIterator[VendorSpeechToText]:
    opened = await VendorSpeechToText.open(whisper())
    yield opened
    await opened.close()


async def test_a_service_hears_what_is_said(service: VendorSpeechToText):
    for text in ("where is my order", "yes please"):
        heard = await service.transcribe(say(text), expects=ANYTHING)
        assert heard.text == text


async def test_utterances_at_once_get_their_own_answers(service: VendorSpeechToText):
    said = ["yes please", "where is my order", "no"]
    heard = await asyncio.gather(
        *(service.transcribe(say(text), expects=ANYTHING) for text in said)
    )
    assert [one.text for one in heard] == said


async def test_under_100_ms_is_nothing(service: VendorSpeechToText):
    heard = await service.transcribe(np.zeros(799, dtype=np.int16), expects=ANYTHING)
    assert heard.hypotheses == ()


class ScriptedService(SegmentedSTTService):
    """Answers each utterance as the script says: a text, an error, or not at all."""

    opened = 0

    def __init__(self, *, script: list[str | None]) -> None:
        super().__init__(settings=STTSettings(model=None, language=None))
        self._script = script
        ScriptedService.opened += 1

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        text = self._script.pop(0)
        if text == "error":
            yield ErrorFrame(error="quota exceeded")
        elif text is not None:
            yield TranscriptionFrame(text=text, user_id="", timestamp="")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> type[ScriptedService]:
        assert name == "scripted"
        return ScriptedService

    monkeypatch.setattr(vendors, "service_class", found)


async def opened(script: list[str | None], deadline_s: float) -> VendorSpeechToText:
    options = VendorOptions(
        service="scripted", arguments={"script": script}, lanes=1, deadline_s=deadline_s
    )
    return await VendorSpeechToText.open(options)


@pytest.mark.usefixtures("scripted")
async def test_an_error_of_the_service_is_a_speech_error_and_not_the_last_word():
    service = await opened(["error", "Yes, please."], 20.0)
    with pytest.raises(SpeechError, match="quota exceeded"):
        await service.transcribe(say("yes"), expects=ANYTHING)
    heard = await service.transcribe(say("yes"), expects=ANYTHING)
    assert heard.text == "yes, please."
    await service.close()


@pytest.mark.usefixtures("scripted")
async def test_silence_until_the_deadline_is_an_error_and_spoils_the_lane():
    """What the lane answers after all would be taken for the next utterance's."""
    service = await opened([None], 0.2)
    before = ScriptedService.opened
    with pytest.raises(SpeechError, match=r"nothing within 0\.2 s"):
        await service.transcribe(say("yes"), expects=ANYTHING)
    async with asyncio.timeout(20.0):
        while ScriptedService.opened == before:  # noqa: ASYNC110 (a constructor, no event)
            await asyncio.sleep(0.01)
    await service.close()


@pytest.mark.usefixtures("scripted")
async def test_whatever_a_service_raises_is_a_speech_error_and_spoils_the_lane(
    monkeypatch: pytest.MonkeyPatch,
):
    service = await opened(["yes", "yes"], 20.0)
    with monkeypatch.context() as broken:

        async def lost(*_: object) -> None:
            raise ConnectionResetError("the socket\nis gone")

        broken.setattr(vendors.PipelineWorker, "queue_frame", lost)
        with pytest.raises(SpeechError, match="failed: the socket is gone"):
            await service.transcribe(say("yes"), expects=ANYTHING)
    heard = await service.transcribe(say("yes"), expects=ANYTHING)  # in the lane opened anew
    assert heard.text == "yes"
    await service.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody", "cannot be used"),
        ("whisper", "WhisperSTTService"),
        ("whisper:NoService", "no such class"),
        ("whisper.stt:Model", "no such class"),
    ],
)
def test_services_that_are_not_there_are_named(name: str, says: str):
    with pytest.raises(VendorError, match=says):
        service_class(name)


async def test_a_setting_the_service_does_not_know_is_named():
    with pytest.raises(VendorError, match=r"does not know a setting.*tempo"):
        await VendorSpeechToText.open(whisper(settings={"tempo": 3}))


async def test_a_service_that_does_not_start_says_why():
    with pytest.raises(VendorError, match="does not start"):
        await VendorSpeechToText.open(whisper(arguments={"device": "abacus"}))


def test_secrets_are_not_shown():
    assert "s3cret" not in repr(whisper(arguments={"api_key": "s3cret"}))


@pytest.mark.parametrize("wrong", [{"lanes": 0}, {"rate_hz": 44_100}, {"deadline_s": 0.0}])
def test_figures_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"not|above"):
        whisper(**wrong)
