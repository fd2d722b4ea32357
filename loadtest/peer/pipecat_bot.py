"""A stock Pipecat bot behind a Twilio Media Streams WebSocket, as its documentation builds one.

    python -m loadtest.peer.pipecat_bot --port 0 [--tuned]

It hears with Pipecat's own Whisper service on the same weights as frontdesk, finds turns with its
Silero and Smart Turn, speaks with the same voice, and follows the same questions. One pipeline per
call, as in Pipecat's telephony examples. A scripted dialog stands where the language model stands
in those examples: it answers at once, which is in the bot's favour.

As shipped: every default. Tuned, from the parameters' own documentation:
  start_secs 0.1      of the VAD: interruptions are noticed sooner
  stop_secs 1.5       of Smart Turn: an "incomplete" verdict is overruled after that, not after 3 s
  ttfs_p99_latency    of the STT service: what this model takes here, so that nothing waits longer
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from loadtest.peer.orders import OrdersDialog
from loadtest.speech import VoiceSettings
from models.espeak import EspeakVoice

_WEIGHTS: Final = Path(__file__).resolve().parents[2] / "models" / "bundled" / "stt"
_HEARING_HZ: Final = 16_000  # what Whisper takes; the serializer resamples
_SPEAKING_HZ: Final = 8_000  # what the telephone and the voice have
_NO_INPUT_S: Final = 7.0  # frontdesk's own


class EspeakTTSService(TTSService):
    """The voice frontdesk has, as a Pipecat service: the shape of Pipecat's own Piper service."""

    def __init__(self, voice: VoiceSettings) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model=None, voice=voice.name, language=None),
        )
        self._engine = EspeakVoice(voice=voice.name, rate_wpm=voice.rate_wpm, pitch=voice.pitch)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak one sentence."""
        async for frame in self._stream_audio_frames_from_iterator(
            self._audio(text), in_sample_rate=_SPEAKING_HZ, context_id=context_id
        ):
            yield frame

    async def _audio(self, text: str) -> AsyncIterator[bytes]:
        speech = await asyncio.to_thread(self._engine.render, text)
        yield speech.pcm.tobytes()


class ScriptedDialog(FrameProcessor):
    """Stands where the language model stands: a context in, text out."""

    def __init__(self) -> None:
        super().__init__()
        self.orders = OrdersDialog()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(self._reply(frame.context)))
        await self.push_frame(LLMFullResponseEndFrame())

    def _reply(self, context: LLMContext) -> str:
        """The answer to the last message; one that is not the caller's asks us to go on."""
        messages: list[Any] = context.get_messages()
        if not messages:
            return self.orders.greeting()
        last = messages[-1]
        if last["role"] == "user":
            return self.orders.reply(str(last["content"]))
        return self.orders.repeat()


def _user_params(*, tuned: bool) -> LLMUserAggregatorParams:
    if not tuned:
        return LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(), user_idle_timeout=_NO_INPUT_S
        )
    analyzer = LocalSmartTurnAnalyzerV3(params=SmartTurnParams(stop_secs=1.5))
    return LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(params=VADParams(start_secs=0.1)),
        user_turn_strategies=UserTurnStrategies(
            stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=analyzer)]
        ),
        user_idle_timeout=_NO_INPUT_S,
    )


def _stt(weights: Path, *, tuned: bool) -> WhisperSTTService:
    settings = WhisperSTTService.Settings(model=str(weights))
    if not tuned:
        return WhisperSTTService(device="cpu", compute_type="int8", settings=settings)
    return WhisperSTTService(
        device="cpu", compute_type="int8", settings=settings, ttfs_p99_latency=0.6
    )


async def take_call(websocket: WebSocket, weights: Path, *, tuned: bool) -> None:
    """Run one call's pipeline until the caller hangs up."""
    _, call = cast("tuple[str, Any]", await parse_telephony_websocket(websocket))
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=TwilioFrameSerializer(
                stream_sid=str(call["stream_id"]),
                params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
            ),
        ),
    )
    dialog = ScriptedDialog()
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=_user_params(tuned=tuned))
    stages: list[FrameProcessor] = [
        *(transport.input(), DTMFAggregator(), _stt(weights, tuned=tuned), user, dialog),
        *(EspeakTTSService(VoiceSettings()), transport.output(), assistant),
    ]
    worker = PipelineWorker(
        Pipeline(stages),
        params=PipelineParams(audio_in_sample_rate=_HEARING_HZ, audio_out_sample_rate=_SPEAKING_HZ),
        enable_rtvi=False,
    )

    @transport.event_handler("on_client_connected")
    async def greet(*_: object) -> None:  # pyright: ignore[reportUnusedFunction]
        await worker.queue_frames([LLMRunFrame()])

    @transport.event_handler("on_client_disconnected")
    async def leave(*_: object) -> None:  # pyright: ignore[reportUnusedFunction]
        await worker.cancel()

    @user.event_handler("on_user_turn_idle")
    async def ask_again(*_: object) -> None:  # pyright: ignore[reportUnusedFunction]
        await worker.queue_frames([TTSSpeakFrame(dialog.orders.silence())])

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def make_app(weights: Path, *, tuned: bool) -> FastAPI:
    """The bot's web server: calls come to /media."""
    app = FastAPI()

    @app.websocket("/media")
    async def media(websocket: WebSocket) -> None:  # pyright: ignore[reportUnusedFunction]
        await websocket.accept()
        await take_call(websocket, weights, tuned=tuned)

    return app


async def _serve(app: FastAPI, port: int) -> None:
    """Serve, and say in one JSON line where, once calls are taken."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn has no event
        await asyncio.sleep(0.05)
    if server.started:
        bound = server.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"url": f"ws://127.0.0.1:{bound}/media"}), flush=True)
    await serving


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bot until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.peer.pipecat_bot")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 for a free one")
    parser.add_argument("--model", type=Path, default=_WEIGHTS, help="folder of Whisper weights")
    parser.add_argument("--tuned", action="store_true", help="not as shipped: see the module")
    parser.add_argument("--verbose", action="store_true", help="Pipecat's own log")
    options = parser.parse_args(arguments)
    logger.remove()
    logger.add(sys.stderr, level="DEBUG" if options.verbose else "WARNING")
    asyncio.run(_serve(make_app(options.model, tuned=options.tuned), options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
