"""The engines of a server: what recognises, speaks and understands, loaded once."""

import logging
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dialog.flow import Flow
from models.intent import IntentEngine, train_intents
from models.stt import SttEngine
from models.tts import CachedVoice, open_voice
from models.vad import SileroVad
from server.config import Config, SpeechConfig
from server.flows import find_flow, static_texts

log = logging.getLogger(__name__)

_FAULTS: Final = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
"""A thread's own doing: blocked, they would end the process without a trace of where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    voice: CachedVoice
    vad: SileroVad
    flow: Flow
    classifier: IntentEngine


@contextmanager
def signals_kept_out() -> Generator[None, None, None]:
    """Threads made meanwhile never take a signal: other threads of the process do.

    CTranslate2's kernels do not survive one on their stack: a timer that signals every 2 ms of CPU
    time, as profilers set it, corrupts the heap within seconds.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - _FAULTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def load_engines(config: Config) -> Engines:
    """Load what takes time and memory; blocking.

    Raises:
        ModelError, FlowError: one cannot be loaded; one line.
    """
    with signals_kept_out():
        return _loaded(config)


def load_stt(config: SpeechConfig) -> SttEngine:
    """Load the recogniser; blocking.

    Raises:
        ModelError: it cannot be loaded; one line.
    """
    with signals_kept_out():
        return SttEngine(config.stt, threads=config.threads)


def _loaded(config: Config) -> Engines:
    flow = find_flow(config.dialog.flow)
    cache = config.data_dir / "cache"
    voice = CachedVoice(open_voice(config.speech.voice), folder=cache / "prompts")
    farewell = [config.load.farewell] if config.load.farewell else []
    voice.prerender([*static_texts(flow), *farewell], progress=_log_progress)
    return Engines(
        voice=voice,
        vad=SileroVad(),
        flow=flow,
        classifier=train_intents(flow.examples, cache / "intents"),
    )


def _log_progress(done: int, of: int) -> None:
    if done == of:
        log.info("prompts rendered", extra={"count": of})
