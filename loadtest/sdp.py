"""Offer and answer for one audio stream (RFC 8866, RFC 3264): PCMU, PCMA, telephone-event."""

import re
from dataclasses import dataclass
from typing import Final

from loadtest.errors import PeerError
from loadtest.g711 import PAYLOAD_TYPES

_EVENT_TYPE: Final = 101  # dynamic payload type of our offer's telephone-event
_MIRRORED: Final = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteMedia:
    """Where and how the far end wants its audio."""

    host: str
    port: int
    codec: str  # PCMU or PCMA
    payload_type: int
    event_type: int | None  # telephone-event, when it takes them
    direction: str = "sendrecv"  # as the far end states it


def write_offer(host: str, port: int, *, session: int) -> bytes:
    """The SDP we offer: audio at host:port, PCMU preferred."""
    return _write(host, port, session, [0, 8, _EVENT_TYPE], _EVENT_TYPE, "sendrecv")


def write_answer(host: str, port: int, *, session: int, offer: RemoteMedia) -> bytes:
    """The SDP that accepts `offer` of a re-INVITE, its direction mirrored."""
    types = [offer.payload_type, *([offer.event_type] if offer.event_type is not None else [])]
    direction = _MIRRORED.get(offer.direction, "sendrecv")
    return _write(host, port, session, types, offer.event_type, direction)


def _write(
    host: str, port: int, session: int, types: list[int], event: int | None, direction: str
) -> bytes:
    lines = [
        "v=0",
        f"o=loadtest {session} {session} IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(map(str, types))}",
    ]
    names = {number: name for name, number in PAYLOAD_TYPES.items()}
    lines += [f"a=rtpmap:{number} {names[number]}/8000" for number in types if number in names]
    if event is not None:
        lines += [f"a=rtpmap:{event} telephone-event/8000", f"a=fmtp:{event} 0-16"]
    lines += ["a=ptime:20", f"a={direction}", ""]
    return "\r\n".join(lines).encode()


def read_media(body: bytes) -> RemoteMedia:
    """The far end's audio stream, its first codec that we speak.

    Raises:
        PeerError: no audio stream, refused (port 0), or no codec in common.
    """
    session, *streams = re.split(r"^m=", body.decode("utf-8", "replace"), flags=re.MULTILINE)
    audio = next((text for text in streams if text.startswith("audio ")), None)
    found = audio and re.match(r"audio (\d+)(?:/\d+)? RTP/AVP ([\d ]+)", audio)
    if not audio or not found:
        raise PeerError("the answer has no audio stream over RTP/AVP")
    connection = _line(audio, r"c=IN IP4 (\S+)") or _line(session, r"c=IN IP4 (\S+)")
    if int(found[1]) == 0 or connection is None:
        raise PeerError("the answer refuses the audio stream")
    codec, payload_type = _codec(audio, [int(number) for number in found[2].split()])
    event = _line(audio, r"a=rtpmap:(\d+) telephone-event/8000")
    direction = r"a=(sendrecv|sendonly|recvonly|inactive)\b"
    return RemoteMedia(
        host=connection.split("/")[0],
        port=int(found[1]),
        codec=codec,
        payload_type=payload_type,
        event_type=int(event) if event else None,
        direction=_line(audio, direction) or _line(session, direction) or "sendrecv",
    )


def _line(text: str, pattern: str) -> str | None:
    found = re.search(rf"^{pattern}", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else None


def _codec(audio: str, types: list[int]) -> tuple[str, int]:
    mapped = {
        int(number): name.upper()
        for number, name in re.findall(r"^a=rtpmap:(\d+) ([\w-]+)/8000", audio, re.MULTILINE)
    }
    static = {number: name for name, number in PAYLOAD_TYPES.items()}
    for number in types:
        name = mapped.get(number) or static.get(number)
        if name in PAYLOAD_TYPES:
            return name, number
    raise PeerError("the answer has neither PCMU nor PCMA")
