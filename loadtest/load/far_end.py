"""A far end that costs next to nothing: answers every call and says one prompt over and over.

    python -m loadtest.load.far_end PROMPT

Prints {"port": …} of its SIP and runs until its standard input ends. It sends one packet for each
that it gets, so it needs no clock, and all calls share one socket. What it says does not depend on
what it hears: it is there to measure callers, not to talk with them.
"""

import asyncio
import json
import socket
import sys
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import numpy as np

from loadtest import g711
from loadtest.errors import LoadtestError, PeerError
from loadtest.pcm import FRAME_SAMPLES, RATE_HZ, Pcm
from loadtest.rtp import RtpPacket
from loadtest.sdp import RemoteMedia, read_media, write_answer
from loadtest.sip_message import MalformedMessageError, Request, parse, respond
from loadtest.speech import VoiceSettings, render

_HOST: Final = "127.0.0.1"
_TURN_S: Final = 8.0  # from one prompt to the next: a conversation's pace
_BUFFER: Final = 4 * 1024 * 1024  # bytes: a burst of a thousand calls


def announcement(prompt: str, voice: VoiceSettings) -> list[bytes]:
    """One turn of the far end, µ-law, in payloads of 20 ms.

    Raises:
        VoiceError: the prompt cannot be said.
    """
    speech = render(prompt, voice)
    turn: Pcm = np.zeros(max(round(_TURN_S * RATE_HZ), speech.size), dtype=np.int16)
    turn[: speech.size] = speech
    coded = g711.encode(turn, "PCMU")
    return [coded[at : at + FRAME_SAMPLES] for at in range(0, len(coded), FRAME_SAMPLES)]


@dataclass(slots=True)
class _Stream:
    """What one caller is being told."""

    payloads: "cycle[bytes]"
    ssrc: int
    sequence: int = field(default=0)

    def next_packet(self) -> bytes:
        self.sequence += 1
        return RtpPacket(
            payload_type=g711.PAYLOAD_TYPES["PCMU"],
            sequence=self.sequence & 0xFFFF,
            timestamp=self.sequence * FRAME_SAMPLES & 0xFFFFFFFF,
            ssrc=self.ssrc,
            payload=next(self.payloads),
            marker=self.sequence == 1,
        ).to_bytes()


class _Audio(asyncio.DatagramProtocol):
    """Answers each packet with one, whoever sent it."""

    def __init__(self, payloads: list[bytes]) -> None:
        self._payloads = payloads
        self._streams: dict[tuple[str | Any, int], _Stream] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        stream = self._streams.get(addr)
        if stream is None:
            stream = self._streams[addr] = _Stream(cycle(self._payloads), len(self._streams) + 1)
        if self._transport is not None:
            self._transport.sendto(stream.next_packet(), addr)

    def forget(self, host: str, port: int) -> None:
        """That caller has hung up; the port may be another's next time."""
        self._streams.pop((host, port), None)


class _Signalling(asyncio.DatagramProtocol):
    """As much of a SIP user agent server as one needs who accepts everything."""

    def __init__(self, audio: _Audio, audio_port: int) -> None:
        self._audio, self._audio_port = audio, audio_port
        self._callers: dict[str, RemoteMedia] = {}  # by Call-ID
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        try:
            message = parse(data)
        except MalformedMessageError:
            return
        if isinstance(message, Request) and message.method != "ACK" and self._transport is not None:
            self._transport.sendto(self._answer(message), addr)

    def _answer(self, request: Request) -> bytes:
        tag = f"far{request.call_id[-12:]}"
        if request.method == "BYE":
            caller = self._callers.pop(request.call_id, None)
            if caller is not None:
                self._audio.forget(caller.host, caller.port)
        if request.method != "INVITE":
            return respond(request, 200, "OK", to_tag=tag).to_bytes()
        try:
            offer = read_media(request.body)
        except PeerError:
            return respond(request, 488, "Not Acceptable Here", to_tag=tag).to_bytes()
        self._callers[request.call_id] = offer
        assert self._transport is not None
        port = self._transport.get_extra_info("sockname")[1]
        extra = [("Contact", f"<sip:far-end@{_HOST}:{port}>"), ("Content-Type", "application/sdp")]
        body = write_answer(_HOST, self._audio_port, session=1, offer=offer)
        return respond(request, 200, "OK", to_tag=tag, extra=extra, body=body).to_bytes()


async def _serve(prompt: str) -> None:
    loop = asyncio.get_running_loop()
    payloads = await asyncio.to_thread(announcement, prompt, VoiceSettings())
    sound, audio = await loop.create_datagram_endpoint(
        lambda: _Audio(payloads), local_addr=(_HOST, 0)
    )
    sound.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    audio_port = sound.get_extra_info("sockname")[1]
    signalling, _ = await loop.create_datagram_endpoint(
        lambda: _Signalling(audio, audio_port), local_addr=(_HOST, 0)
    )
    print(json.dumps({"port": signalling.get_extra_info("sockname")[1]}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    signalling.close()
    sound.close()


def main() -> int:
    """Serve until the parent is gone."""
    try:
        asyncio.run(_serve(sys.argv[1]))
    except (LoadtestError, OSError) as error:
        print(f"far end: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
