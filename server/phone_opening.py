"""How the page's calls come in: made here from the parts, in one process or in several."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from server.calls import Calls
from server.config import Config
from server.feed import Feed
from server.ice import webrtc_options
from server.lifetime import background
from server.phone_door import PhoneDoor
from server.phone_line import OwnPhoneLine
from server.processes.routing import DESK
from server.processes.share import Share
from telephony.webrtc import WebRtcPeers


async def open_phone_line(
    parts: AsyncExitStack, config: Config, calls: Calls, feed: Feed, share: Share | None
) -> OwnPhoneLine | None:
    """What takes calls from the page in this process; None: there is no page."""
    if not config.phone.enabled:
        return None
    beyond = None
    if share is not None and share.desk is not None and share.number != DESK:
        beyond = Feed()
        said = share.siblings.follow(DESK, partial(_publish_lines, beyond))
        await background(parts, said, "lines said at the desk")
    peers = WebRtcPeers(webrtc_options(config.phone, media_timeout_s=config.rtp.media_timeout_s))
    return OwnPhoneLine(calls, peers, feed, beyond=beyond)


def phone_door(config: Config, own: OwnPhoneLine, share: Share | None) -> PhoneDoor:
    """The page, for the calls of all processes."""
    line = own if share is None else share.siblings.phone_line(own)
    return PhoneDoor(config.phone, line=line)


def _publish_lines(feed: Feed, event: dict[str, Any]) -> None:
    """Pass on what people say to each other, for captions."""
    if event.get("event") == "line":
        feed.publish(event)
