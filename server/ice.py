"""STUN and TURN servers of the configuration, as our own legs and as browsers take them."""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Any, Final

from server.config import IceServerConfig, PhoneConfig
from telephony.webrtc import WebRtcOptions
from telephony.webrtc_audio import AudioCodec
from telephony.webrtc_ice import IceServers

_SHIFT_S: Final = 43_200  # a relay asks for the password again all through a call
_FOR_EVER_S: Final = 10 * 365 * 86_400  # our own are told to nobody


def webrtc_options(config: PhoneConfig, *, media_timeout_s: float) -> WebRtcOptions:
    """How browsers are connected, callers' and agents'."""
    return WebRtcOptions(
        ice_servers=tuple(_for_us(server) for server in config.ice_servers),
        codec=AudioCodec.OPUS if config.codec == "opus" else AudioCodec.PCMU,
        host_addresses=config.host_addresses,
        media_timeout_s=media_timeout_s,
    )


def for_browsers(config: PhoneConfig) -> Sequence[dict[str, Any]]:
    """RTCIceServers, to be told to one browser now."""
    return [_for_browser(server) for server in config.ice_servers]


def _for_us(server: IceServerConfig) -> IceServers:
    username, credential = _credentials(server, _FOR_EVER_S)
    return IceServers(urls=server.urls, username=username, credential=credential)


def _for_browser(server: IceServerConfig) -> dict[str, Any]:
    username, credential = _credentials(server, _SHIFT_S)
    about = {"urls": server.urls, "username": username, "credential": credential}
    return {key: value for key, value in about.items() if value is not None}


def _credentials(server: IceServerConfig, valid_s: int) -> tuple[str | None, str | None]:
    """A name that says until when it is good, and its HMAC, as TURN servers that share a secret
    with us take them (draft-uberti-behave-turn-rest); else those of the configuration."""
    if server.secret is None:
        known = server.credential
        return server.username, None if known is None else known.get_secret_value()
    username = f"{int(time.time()) + valid_s}:{server.username or 'frontdesk'}"
    key = server.secret.get_secret_value().encode()
    mac = hmac.digest(key, username.encode(), hashlib.sha1)
    return username, base64.b64encode(mac).decode()
