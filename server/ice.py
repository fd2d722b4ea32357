"""STUN and TURN servers of the configuration, as our own legs and as browsers take them."""

from collections.abc import Sequence
from typing import Any

from server.config import IceServerConfig, PhoneConfig
from telephony.webrtc import WebRtcOptions
from telephony.webrtc_audio import AudioCodec
from telephony.webrtc_ice import IceServers


def webrtc_options(config: PhoneConfig, *, media_timeout_s: float) -> WebRtcOptions:
    """How browsers are connected, callers' and agents'."""
    return WebRtcOptions(
        ice_servers=tuple(_for_us(server) for server in config.ice_servers),
        codec=AudioCodec.OPUS if config.codec == "opus" else AudioCodec.PCMU,
        host_addresses=config.host_addresses,
        media_timeout_s=media_timeout_s,
    )


def for_browsers(config: PhoneConfig) -> Sequence[dict[str, Any]]:
    """RTCIceServers. A browser needs the credentials: give TURN users that may do nothing else."""
    return [_for_browser(server) for server in config.ice_servers]


def _for_us(server: IceServerConfig) -> IceServers:
    secret = server.credential
    return IceServers(
        urls=server.urls,
        username=server.username,
        credential=None if secret is None else secret.get_secret_value(),
    )


def _for_browser(server: IceServerConfig) -> dict[str, Any]:
    about = {
        "urls": server.urls,
        "username": server.username,
        "credential": server.credential and server.credential.get_secret_value(),
    }
    return {key: value for key, value in about.items() if value is not None}
