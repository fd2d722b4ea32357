"""A scripted frontdesk over real sockets, and an event loop on which a minute takes seconds.

Its SIP and RTP are written from the RFCs alone and share nothing with the caller or the server but
the G.711 tables and the energy detector, which have tests of their own.
"""

import asyncio
import re
import selectors
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from loadtest import g711
from loadtest.activity import Activity, SpeechStopped
from loadtest.pcm import FRAME_SAMPLES, SILENCE, frames_of
from loadtest.speech import VoiceSettings, render

SPEED = 3.0
AGENT = VoiceSettings()
ADDRESS = "42 Oak Street, Springfield"
WELCOME = (
    "Welcome to Oakline. You can change the address on an order, or ask where an order is. "
    "How can I help you?"
)
CHANGED = f"The address is changed to {ADDRESS}. Is there anything else I can do for you?"
PREPARED = "Your order is being prepared. Is there anything else I can do for you?"
GOODBYE = "Thank you for calling Oakline. Goodbye."
HAPPY = (
    WELCOME,
    "What is your order number?",
    "What is the postcode on the order?",
    "What is the new address?",
    f"I have {ADDRESS}. Is that right?",
    CHANGED,
    PREPARED,
    GOODBYE,
)

Result = TypeVar("Result")


class FastSelector(selectors.DefaultSelector):
    """Waits a fifth of the time it is asked to."""

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout and timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are a fifth as long; sockets and threads are as they are."""

    def __init__(self) -> None:
        super().__init__(FastSelector())

    def time(self) -> float:
        return time.monotonic() * SPEED


def run_fast(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(work)


class ScriptedFrontdesk(asyncio.DatagramProtocol):
    """Answers one call, says each prompt in turn whenever the caller has finished speaking."""

    def __init__(
        self, prompts: Sequence[str], *, hangs_up: bool = True, delay_s: float = 0
    ) -> None:
        self.prompts = list(prompts)
        self.hangs_up = hangs_up
        self.delay_s = delay_s
        self.methods: list[str] = []
        self.heard_keys: list[int] = []
        self.interrupted = False
        self.deaf_to_invites = 0
        self._turn = 0
        self._out: list[Any] = []
        self._ear = Activity(quiet_s=0.5)
        self._stopped_speaking = False
        self._playing = False

    async def __aenter__(self) -> "ScriptedFrontdesk":
        loop = asyncio.get_running_loop()
        self._voices = [render(prompt, AGENT) for prompt in self.prompts]
        self._sip, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._rtp, _ = await loop.create_datagram_endpoint(
            lambda: _Rtp(self.receive_rtp), local_addr=("127.0.0.1", 0)
        )
        self._talking: asyncio.Task[None] | None = None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
        self._sip.close()
        self._rtp.close()

    @property
    def target(self) -> str:
        return f"sip:desk@127.0.0.1:{self._sip.get_extra_info('sockname')[1]}"

    # SIP

    def datagram_received(self, data: bytes, addr: Any) -> None:
        text = data.decode()
        method = text.split(" ", 1)[0]
        self.methods.append(method)
        if method == "INVITE" and self.deaf_to_invites:
            self.deaf_to_invites -= 1
        elif method == "INVITE":
            self._invite, self._peer = text, addr
            media = re.search(r"m=audio (\d+)", text)
            assert media is not None
            self._media = ("127.0.0.1", int(media[1]))
            self._sip.sendto(self._answer(text, "180 Ringing"), addr)
            self._sip.sendto(self._answer(text, "200 OK", self._sdp()), addr)
        elif method == "ACK" and self._talking is None:
            self._talking = asyncio.create_task(self._talk())
        elif method == "BYE":
            self._sip.sendto(self._answer(text, "200 OK"), addr)
            if self._talking is not None:
                self._talking.cancel()

    def _answer(self, request: str, status: str, body: str = "") -> bytes:
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq): .*?\r\n", request, re.MULTILINE)
        to = re.search(r"^To: (.*?)\r\n", request, re.MULTILINE)
        assert to is not None
        tag = "" if "tag=" in to[1] else ";tag=desk"
        port = self._sip.get_extra_info("sockname")[1]
        head = f"SIP/2.0 {status}\r\n{''.join(kept)}To: {to[1]}{tag}\r\n"
        head += f"Contact: <sip:desk@127.0.0.1:{port}>\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def _sdp(self) -> str:
        port = self._rtp.get_extra_info("sockname")[1]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"
        )

    def _field(self, name: str) -> str:
        found = re.search(rf"^{name}: (.*?)\r\n", self._invite, re.MULTILINE)
        assert found is not None
        return found[1]

    def _bye(self) -> None:
        contact = self._field("Contact").strip("<>")
        bye = (
            f"BYE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKbye\r\n"
            f"From: {self._field('To')};tag=desk\r\nTo: {self._field('From')}\r\n"
            f"Call-ID: {self._field('Call-ID')}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        )
        self._sip.sendto(bye.encode(), self._peer)

    # RTP

    def receive_rtp(self, data: bytes) -> None:
        if data[1] & 0x7F == 96:
            if data[13] & 0x80:
                self.heard_keys.append(data[12])
            return
        for event in self._ear.receive(g711.decode(data[12:], "PCMU")):
            if isinstance(event, SpeechStopped):
                self._stopped_speaking = True
            elif self._playing:
                self.interrupted = True
                self._out.clear()

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        started_s, sequence = loop.time(), 0
        self._next_prompt()
        while True:
            frame = self._out.pop(0) if self._out else None
            if frame is None and self._playing:
                self._playing = False
                if self._turn == len(self._voices) and self.hangs_up:
                    await asyncio.sleep(0.3)  # the last word is still on its way to be played
                    self._bye()
                    return
            if self._stopped_speaking and not self._playing and self._turn < len(self._voices):
                await self._pause()
                self._next_prompt()
            payload = g711.encode(SILENCE if frame is None else frame, "PCMU")
            header = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * FRAME_SAMPLES, 7)
            self._rtp.sendto(header + payload, self._media)
            sequence += 1
            await asyncio.sleep(max(0, started_s + sequence * 0.02 - loop.time()))

    async def _pause(self) -> None:
        self._out = [SILENCE] * round(self.delay_s / 0.02)

    def _next_prompt(self) -> None:
        self._out += frames_of(self._voices[self._turn])
        self._turn += 1
        self._playing = True
        self._stopped_speaking = False


class _Rtp(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data)
