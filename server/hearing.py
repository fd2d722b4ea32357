"""Who recognises and who judges turns, as the configuration has it."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from models.pool import RecognitionPool
from models.turn import SmartTurn
from server.config import SpeechConfig
from server.engines import load_stt
from server.errors import StartError
from server.lifetime import background, closing
from server.observability import Metrics
from server.recognition.remote_line import RemoteLine
from server.speech import Line
from server.turn_port import TurnJudge
from voice.failover import Failover, FailoverOptions
from voice.ports import SpeechToText, TurnModel


async def open_line(
    parts: AsyncExitStack, config: SpeechConfig, metrics: Metrics, shared: Path | None
) -> Line:
    """The line before our own engine, or before one that all processes share.

    Args:
        shared: the socket of that one, which shows its metrics itself.

    Raises:
        ModelError: the engine cannot be loaded.
    """
    if shared is not None:
        line = RemoteLine(shared)
        await background(parts, line.keep_connected(), "way to the recogniser")
        return closing(parts, line)
    engine = await asyncio.to_thread(load_stt, config)
    pool = closing(parts, RecognitionPool(engine, threads=config.threads))
    metrics.watch_recognition(pool)
    return pool


async def behind_vendor(
    parts: AsyncExitStack, config: SpeechConfig, ours: SpeechToText
) -> SpeechToText:
    """The vendor's recogniser with ours behind it; ours alone where none is configured.

    Raises:
        StartError: the service cannot be used; the message says why.
    """
    vendor = config.vendor
    if vendor is None:
        return ours
    # Pipecat takes seconds to import: only for those who use it.
    from voice.vendors import VendorError, VendorOptions, VendorSpeechToText

    try:
        theirs = await VendorSpeechToText.open(
            VendorOptions(
                service=vendor.service,
                arguments=vendor.arguments,
                settings=vendor.settings,
                lanes=vendor.lanes,
            )
        )
    except VendorError as error:
        raise StartError(f"{error}: correct [speech.vendor], or leave it out") from error
    parts.push_async_callback(theirs.close)
    options = FailoverOptions(deadline_s=vendor.deadline_s)
    return Failover(theirs, ours, options, clock=time.monotonic)


def open_turn_model(parts: AsyncExitStack, config: SpeechConfig) -> TurnModel | None:
    """
    Raises:
        ModelError: it cannot be loaded.
    """
    if config.turn_model == "none":
        return None
    return closing(parts, TurnJudge(SmartTurn()))
