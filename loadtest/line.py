"""A telephone line in use: SIP and audio of one answered call, opened and closed together."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from loadtest.clock import MediaClock
from loadtest.media import Media
from loadtest.recorder import Recorder
from loadtest.sip_uac import Answer, SipPhone


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    phone: SipPhone
    media: Media
    answer: Answer


@contextlib.asynccontextmanager
async def open_line(
    target: str,
    *,
    caller: str,
    local_host: str | None,
    ring_timeout_s: float,
    clock: MediaClock | None = None,
    recorder: Recorder | None = None,
) -> AsyncGenerator[Line]:
    """Call `target` and wait for the answer; leaving the context hangs up and stops the audio.

    The audio's clock stands still until `line.media.start`.

    Raises:
        BadTargetError: not a SIP URI over UDP.
        UnreachableError: nothing listens, no answer in time, unknown host.
        RefusedError: a final SIP error.
        PeerError: an answer that cannot be used.
    """
    async with SipPhone.open(target, caller=caller, local_host=local_host) as phone:
        media = await Media.open(phone.local[0], clock, recorder)
        try:
            phone.on_media_changed = media.redirect
            answer = await phone.dial(media_port=media.port, ring_timeout_s=ring_timeout_s)
            yield Line(phone=phone, media=media, answer=answer)
        finally:
            await media.close()
