"""What serves the audio of all calls, on every tick of one clock."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from models.vad import SileroVad
from server.lifetime import background
from server.observability import Metrics
from telephony.media_clock import MediaClock
from telephony.rtp.exchange import RtpExchange
from voice.plane import MediaPlane


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One process's."""

    clock: MediaClock
    exchange: RtpExchange
    plane: MediaPlane


async def start_media(parts: AsyncExitStack, vad: SileroVad, metrics: Metrics) -> Media:
    """Tick from now on until the parts are closed: packets in, ears and mouths, packets out."""
    clock = MediaClock()
    media = Media(clock=clock, exchange=RtpExchange(pace=clock), plane=MediaPlane(vad))
    parts.callback(media.exchange.close)
    exchange, plane = media.exchange, media.plane
    for step in (exchange.take_in, plane.tick, exchange.send_out, plane.reflect):
        media.clock.add(step)
    metrics.watch_clock(media.clock)
    metrics.watch_sending(media.exchange.jitter)
    await background(parts, media.clock.run(), "media clock")
    return media
