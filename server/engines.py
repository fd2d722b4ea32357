"""The engines of a server: what listens, speaks and understands, loaded once."""

import logging
from dataclasses import dataclass

from dialog.flow import Flow
from models.intent import IntentEngine, train_intents
from models.stt import SttEngine
from models.tts import CachedVoice, open_voice
from models.vad import SileroVad
from server.config import Config
from server.flows import find_flow, static_texts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    stt: SttEngine
    voice: CachedVoice
    vad: SileroVad
    flow: Flow
    classifier: IntentEngine


def load_engines(config: Config) -> Engines:
    """Load what takes time and memory; blocking.

    Raises:
        ModelError, FlowError: one cannot be loaded; one line.
    """
    flow = find_flow(config.dialog.flow)
    cache = config.data_dir / "cache"
    voice = CachedVoice(open_voice(config.speech.voice), folder=cache / "prompts")
    farewell = [config.load.farewell] if config.load.farewell else []
    voice.prerender([*static_texts(flow), *farewell], progress=_log_progress)
    return Engines(
        stt=SttEngine(config.speech.stt, threads=config.speech.threads),
        voice=voice,
        vad=SileroVad(),
        flow=flow,
        classifier=train_intents(flow.examples, cache / "intents"),
    )


def _log_progress(done: int, of: int) -> None:
    if done == of:
        log.info("prompts rendered", extra={"count": of})
