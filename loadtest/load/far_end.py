"""A far end that costs next to nothing: answers every call and says one prompt over and over.

    python -m loadtest.load.far_end PROMPT

Prints {"port": …} of its SIP and runs until its standard input ends. It sends one packet for each
that it gets, so it keeps no time of its own, and all calls share one socket. What it says does not
depend on what it hears: it is there to measure callers, not to talk with them.
"""

import asyncio
import contextlib
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
from loadtest.rtp import rtp_header
from loadtest.sdp import RemoteMedia, read_media, write_answer
from loadtest.sip_message import MalformedMessageError, Request, parse, respond
from loadtest.speech import VoiceSettings, render

_HOST: Final = "127.0.0.1"
_LOOK_S: Final = 0.005  # a quarter of a packet
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
        second = (self.sequence == 1) << 7 | g711.PAYLOAD_TYPES["PCMU"]
        timestamp = self.sequence * FRAME_SAMPLES & 0xFFFFFFFF
        header = rtp_header(second, self.sequence & 0xFFFF, timestamp, self.ssrc)
        return header + next(self.payloads)


class _Audio:
    """Answers each packet with one, whoever sent it.

    It looks every few milliseconds: to be woken by each packet costs more than to answer it, and
    takes the core from the callers just when they send.
    """

    def __init__(self, payloads: list[bytes]) -> None:
        self._payloads = payloads
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((_HOST, 0))
        self.port: int = self._socket.getsockname()[1]

    async def run(self) -> None:
        """Answer until cancelled."""
        with self._socket:
            while True:
                self._answer_all()
                await asyncio.sleep(_LOOK_S)

    def _answer_all(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                _, sender = self._socket.recvfrom(2_048)
                stream = self._streams.get(sender)
                if stream is None:
                    stream = _Stream(cycle(self._payloads), len(self._streams) + 1)
                    self._streams[sender] = stream
                self._socket.sendto(stream.next_packet(), sender)

    def forget(self, host: str, port: int) -> None:
        """That caller has hung up; the port may be another's next time."""
        self._streams.pop((host, port), None)


class _Signalling(asyncio.DatagramProtocol):
    """As much of a SIP user agent server as one needs who accepts everything."""

    def __init__(self, audio: _Audio) -> None:
        self._audio = audio
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
        body = write_answer(_HOST, self._audio.port, session=1, offer=offer)
        return respond(request, 200, "OK", to_tag=tag, extra=extra, body=body).to_bytes()


async def _serve(prompt: str) -> None:
    loop = asyncio.get_running_loop()
    payloads = await asyncio.to_thread(announcement, prompt, VoiceSettings())
    audio = _Audio(payloads)
    answering = asyncio.create_task(audio.run(), name="far-end")
    signalling, _ = await loop.create_datagram_endpoint(
        lambda: _Signalling(audio), local_addr=(_HOST, 0)
    )
    print(json.dumps({"port": signalling.get_extra_info("sockname")[1]}), flush=True)
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read), name="parent")
    try:
        await asyncio.wait({answering, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        signalling.close()
        answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering


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
