"""Pipecat's speech-to-text services behind our port; the only place in voice/ that knows Pipecat.

A service is named as Pipecat names its packages ("deepgram", "azure", "whisper") and configured
with its own words. It runs in a small Pipecat pipeline of its own, a lane: streaming services hold
one connection for one speaker. An utterance takes a free lane, is sent as audio between "speech
started" and "speech stopped", and its transcriptions are collected until one is final, or none has
come for a moment.

A service cannot say that nothing was said: it stays silent. So an utterance that got no words by
its deadline is an error, and its lane is opened anew, since an answer that comes after all would be
taken for the next utterance's.
"""

import asyncio
import importlib
import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

import numpy as np
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.services.stt_service import STTService
from pipecat.workers.runner import WorkerRunner

from voice.events import Expectation, Hypothesis, SpeechError, Transcription
from voice.frames import RATE_HZ, Pcm
from voice.resample import resample

log = logging.getLogger(__name__)

_LEAST_S: Final = 0.1  # shorter audio holds no word
_CHUNK_S: Final = 0.1  # as transports send it, roughly
_TAIL_S: Final = 0.5  # streaming services end a phrase by the quiet after it
_START_S: Final = 30.0  # models are loaded, connections made


class VendorError(Exception):
    """The configuration names a service or a setting that there is not; one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorOptions:
    """A Pipecat service and how to run it.

    service: "deepgram", or "deepgram.stt:DeepgramSTTService" where a package has several.
    arguments: of its constructor, such as api_key; they are never logged.
    settings: of its Settings class, such as model and language.
    lanes: utterances at a time. deadline_s: for its answer, from the utterance's end.
    settle_s: quiet after a transcription that is not marked as final. rate_hz: of the audio it is
    given.

    Raises:
        ValueError: a figure makes no sense.
    """

    service: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    lanes: int = 4
    deadline_s: float = 3.0
    settle_s: float = 0.4
    rate_hz: int = 16_000

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError(f"lanes is {self.lanes}, not 1 or more")
        if self.rate_hz not in (8_000, 16_000):
            raise ValueError(f"rate_hz is {self.rate_hz}, not 8000 or 16000")
        if not (self.deadline_s > 0 and self.settle_s > 0):
            raise ValueError("deadline_s and settle_s must be above 0")


class VendorSpeechToText:
    """SpeechToText by a Pipecat service. Open it, and close it, on the event loop."""

    def __init__(self, options: VendorOptions) -> None:
        self._options = options
        self._free: asyncio.Queue[_Lane] = asyncio.Queue()
        self._lanes: set[_Lane] = set()
        self._reopening: set[asyncio.Task[None]] = set()
        self._closed = False

    @classmethod
    async def open(cls, options: VendorOptions) -> Self:
        """Start all lanes.

        Raises:
            VendorError: there is no such service or setting, its package is not installed, or it
                does not start.
        """
        made = cls(options)
        try:
            for _ in range(options.lanes):
                await made._open_lane()
        except BaseException:
            await made.close()
            raise
        return made

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        """See SpeechToText; expectations are not known to services.

        Raises:
            SpeechError: the service failed, heard no words by its deadline, or all lanes were taken
                for as long.
        """
        if len(pcm) < _LEAST_S * RATE_HZ:
            return Transcription()
        lane: _Lane | None = None
        try:
            async with asyncio.timeout(self._options.deadline_s):
                lane = await self._free.get()
                text = await lane.transcribe(pcm)
        except TimeoutError as error:
            raise SpeechError(
                f"{self._options.service} gave nothing within {self._options.deadline_s:g} s"
            ) from error
        except SpeechError:
            raise
        except Exception as error:  # whatever a vendor's package raises, the second must be asked
            raise SpeechError(f"{self._options.service} failed: {_one_line(error)}") from error
        finally:
            if lane is not None:
                self._give_back(lane)
        return Transcription(hypotheses=(Hypothesis(text=text, log_prob=0.0),), confidence=0.0)

    async def close(self) -> None:
        """End all lanes; idempotent."""
        self._closed = True
        for task in self._reopening:
            task.cancel()
        await asyncio.gather(*self._reopening, return_exceptions=True)
        for lane in list(self._lanes):
            await lane.close()
        self._lanes.clear()

    async def _open_lane(self) -> None:
        service = await asyncio.to_thread(made_service, self._options)
        lane = await _Lane.open(service, self._options)
        self._lanes.add(lane)
        self._free.put_nowait(lane)

    def _give_back(self, lane: "_Lane") -> None:
        """Free a lane, or begin to open another in its place: nobody waits for that."""
        if self._closed:
            return
        if lane.usable:
            self._free.put_nowait(lane)
            return
        task = asyncio.create_task(self._reopen(lane), name="vendor lane")
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _reopen(self, lane: "_Lane") -> None:
        self._lanes.discard(lane)
        await lane.close()
        try:
            await self._open_lane()
        except VendorError:
            # The others go on; with none left every utterance fails by its deadline.
            log.exception("a speech service could not be opened again")


class _Lane:
    """One service in its own pipeline, for one utterance at a time."""

    def __init__(self, service: STTService, options: VendorOptions) -> None:
        self.spoilt = False
        self._options = options
        self._heard: asyncio.Queue[TranscriptionFrame | ErrorFrame] = asyncio.Queue()
        self._expects = False
        self._started = asyncio.Event()
        self._worker = PipelineWorker(
            Pipeline([service]),
            params=PipelineParams(audio_in_sample_rate=options.rate_hz),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        self._worker.set_reached_downstream_filter((TranscriptionFrame,))
        self._worker.add_event_handler("on_frame_reached_downstream", self._on_heard)
        self._worker.add_event_handler("on_pipeline_error", self._on_heard)
        self._worker.add_event_handler("on_pipeline_started", self._on_started)
        self._running: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, service: STTService, options: VendorOptions) -> Self:
        lane = cls(service, options)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(lane._worker)
        lane._running = asyncio.create_task(runner.run(), name=f"vendor {options.service}")
        try:
            async with asyncio.timeout(_START_S):
                await lane._started.wait()
        except TimeoutError as error:
            await lane.close()
            raise VendorError(f"{options.service} did not start in {_START_S:g} s") from error
        return lane

    @property
    def usable(self) -> bool:
        return not self.spoilt and self._running is not None and not self._running.done()

    async def transcribe(self, pcm: Pcm) -> str:
        """The words of one utterance; waits for them for ever.

        Raises:
            SpeechError: the service reports an error.
        """
        self._expects = True
        try:
            await self._send(pcm)
            return await self._collect()
        except BaseException:
            self.spoilt = True
            raise
        finally:
            self._expects = False

    async def close(self) -> None:
        if self._running is None:
            return
        await self._worker.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _send(self, pcm: Pcm) -> None:
        rate_hz = self._options.rate_hz
        tail = np.zeros(round(_TAIL_S * RATE_HZ), dtype=np.int16)
        wide = _at_rate(np.concatenate([pcm, tail]), rate_hz)
        await self._worker.queue_frame(VADUserStartedSpeakingFrame())
        step = round(_CHUNK_S * rate_hz)
        for at in range(0, len(wide), step):
            chunk = wide[at : at + step].tobytes()
            await self._worker.queue_frame(
                InputAudioRawFrame(audio=chunk, sample_rate=rate_hz, num_channels=1)
            )
        await self._worker.queue_frame(VADUserStoppedSpeakingFrame())

    async def _collect(self) -> str:
        """Transcriptions up to a final one, or up to a pause after any."""
        parts: list[str] = []
        while True:
            try:
                async with asyncio.timeout(self._options.settle_s if parts else None):
                    frame = await self._heard.get()
            except TimeoutError:
                break
            if isinstance(frame, ErrorFrame):
                raise SpeechError(f"{self._options.service} failed: {frame.error}")
            parts.append(frame.text.strip())
            if frame.finalized:
                break
        return " ".join(filter(None, parts)).lower()

    async def _on_heard(self, _: object, frame: TranscriptionFrame | ErrorFrame) -> None:
        if self._expects:
            self._heard.put_nowait(frame)

    async def _on_started(self, *_: object) -> None:
        self._started.set()


def made_service(options: VendorOptions) -> STTService:
    """The service that is named, configured; blocking: local ones load their model.

    Raises:
        VendorError: there is none, its package is not installed, or it refuses its settings.
    """
    found = service_class(options.service)
    arguments = dict(options.arguments)
    if options.settings:
        settings: Any = getattr(found, "Settings", None)
        if settings is None:
            raise VendorError(f"{options.service} has no settings")
        try:
            arguments["settings"] = settings(**options.settings)
        except TypeError as error:
            raise VendorError(f"{options.service} does not know a setting: {error}") from error
    try:
        return cast(STTService, cast(Any, found)(**arguments))
    except Exception as error:  # whatever a vendor's package raises is its refusal
        raise VendorError(f"{options.service} does not start: {_one_line(error)}") from error


def service_class(name: str) -> type[STTService]:
    """The class of a service: by its package's name, or by "module:Class" below pipecat.services.

    Raises:
        VendorError: there is none, several, or its package is not installed.
    """
    module_name, _, class_name = name.partition(":")
    if "." not in module_name:
        module_name += ".stt"
    try:
        module = importlib.import_module(f"pipecat.services.{module_name}")
    except ImportError as error:
        raise VendorError(
            f"speech service {name!r} cannot be used: {_one_line(error)}; it may need"
            f" pip install 'pipecat-ai[{module_name.split('.')[0]}]'"
        ) from error
    classes = {
        each.__name__: each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, STTService) and each.__module__ == module.__name__
    }
    if class_name:
        classes = {class_name: classes[class_name]} if class_name in classes else {}
    if len(classes) != 1:
        several = f"has {', '.join(sorted(classes))}: name one" if classes else "has no such class"
        raise VendorError(f"speech service {name!r} {several}, as in {module_name}:Class")
    return next(iter(classes.values()))


def _at_rate(pcm: Pcm, rate_hz: int) -> Pcm:
    return pcm if rate_hz == RATE_HZ else resample(pcm, RATE_HZ, rate_hz)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
