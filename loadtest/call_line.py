"""A line of any kind as callers use it: SIP with RTP, a carrier's WebSocket, or a browser."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from loadtest.clock import MediaClock
from loadtest.errors import BadTargetError
from loadtest.impair import ImpairedPath, Impairment
from loadtest.impair_tcp import ImpairedStream
from loadtest.line import Line, open_line
from loadtest.media import Sent
from loadtest.pcm import Pcm
from loadtest.quality import Quality
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.sip_call import TIMER_B_S, Ended
from loadtest.stream_line import StreamLine, open_stream_line

if TYPE_CHECKING:
    from loadtest.browser_line import BrowserLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What is known of a call as soon as it is answered."""

    setup_s: float  # dialled to answered
    remote_media: str  # host:port
    codec: str


class PlayedLine(Protocol):
    """What callers with a plan do with an answered call; its clock stands still until `start`."""

    @property
    def recorder(self) -> Recorder: ...

    @property
    def now(self) -> int:
        """The sample at which the next frame will lie."""
        ...

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        """Begin; `on_frame` gets each 20 ms heard and the sample after its end."""
        ...

    def say(self, pcm: Pcm) -> Sent: ...

    def press(self, keys: str) -> Sent: ...

    def stats(self) -> MediaStats: ...

    async def wait_ended(self) -> str:
        """Wait until the far end hangs up; returns why."""
        ...


class CallLine(PlayedLine, Protocol):
    """The same, with what is measured and asked of a call as a whole."""

    @property
    def connection(self) -> Connection: ...

    @property
    def received(self) -> int:
        """Packets of audio received."""
        ...

    def quality(self) -> Quality: ...

    async def hang_up(self, reason: str) -> Ended:
        """End the call unless the far end has; returns who did, and why."""
        ...


class SipCallLine:
    """CallLine over SIP and RTP."""

    def __init__(self, line: Line, path: ImpairedPath | None) -> None:
        self._line, self._path = line, path

    @property
    def connection(self) -> Connection:
        answer = self._line.answer
        return Connection(
            setup_s=answer.setup_s,
            remote_media=f"{answer.media.host}:{answer.media.port}",
            codec=answer.media.codec,
        )

    @property
    def recorder(self) -> Recorder:
        return self._line.media.recorder

    @property
    def now(self) -> int:
        return self._line.media.now

    @property
    def received(self) -> int:
        return self._line.media.received

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        media, remote = self._line.media, self._line.answer.media
        if self._path is not None:
            host, port = self._path.address
            remote = replace(remote, host=host, port=port)
        media.on_frame = on_frame
        media.start(remote)

    def say(self, pcm: Pcm) -> Sent:
        return self._line.media.say(pcm)

    def press(self, keys: str) -> Sent:
        return self._line.media.press(keys)

    def stats(self) -> MediaStats:
        return self._line.media.stats()

    def quality(self) -> Quality:
        return self._line.media.quality()

    async def wait_ended(self) -> str:
        return (await self._line.phone.wait_ended()).reason

    async def hang_up(self, reason: str) -> Ended:
        ended = await self._line.phone.hang_up(reason)
        return ended or Ended(by="caller", reason=reason)


class StreamCallLine:
    """CallLine over a carrier's WebSocket, or from a browser."""

    def __init__(self, line: "StreamLine | BrowserLine", connection: Connection) -> None:
        self._line = line
        self.connection = connection

    @property
    def recorder(self) -> Recorder:
        return self._line.recorder

    @property
    def now(self) -> int:
        return self._line.now

    @property
    def received(self) -> int:
        return self._line.received

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        self._line.start(on_frame)

    def say(self, pcm: Pcm) -> Sent:
        return self._line.say(pcm)

    def press(self, keys: str) -> Sent:
        return self._line.press(keys)

    def stats(self) -> MediaStats:
        return self._line.stats()

    def quality(self) -> Quality:
        return self._line.quality()

    async def wait_ended(self) -> str:
        return await self._line.wait_ended()

    async def hang_up(self, reason: str) -> Ended:
        why = self._line.ended
        await self._line.close()
        if why is None:
            return Ended(by="caller", reason=reason)
        return Ended(by="network" if self._line.broke else "frontdesk", reason=why)


def is_stream(target: str) -> bool:
    """Whether `target` is a media-stream WebSocket; else it is a SIP URI."""
    return target.startswith(("ws://", "wss://"))


def is_page(target: str) -> bool:
    """Whether `target` is a page that browsers call from."""
    return target.startswith(("http://", "https://"))


@contextlib.asynccontextmanager
async def open_call(
    target: str,
    *,
    caller: str,
    network: Impairment | None = None,
    clock: MediaClock | None = None,
    recorder: Recorder | None = None,
    local_host: str | None = None,
    ring_timeout_s: float = TIMER_B_S,
) -> AsyncGenerator[CallLine]:
    """Call `target`: a SIP URI, or a ws:// or http:// URL; leaving the context hangs up.

    Args:
        target: whom to call.
        caller: our number or name.
        network: what happens to what we send: packets over SIP, bytes over a WebSocket. From a
            browser nothing does: its packets find their own way.
        clock: shared with other calls; without one the call has its own.
        recorder: keeps the audio; without one all of it is kept.
        local_host: the address to call from; by default what the route says.
        ring_timeout_s: without a final answer by then it is given up.

    Raises:
        CallFailedError: the call did not come about.
    """
    async with contextlib.AsyncExitStack() as stack:
        if is_stream(target):
            yield await _open_stream(stack, target, caller, network, clock, recorder)
            return
        if is_page(target):
            yield await _open_page(stack, target, network, clock, recorder)
            return
        line = await stack.enter_async_context(
            open_line(
                target,
                caller=caller,
                local_host=local_host,
                ring_timeout_s=ring_timeout_s,
                clock=clock,
                recorder=recorder,
            )
        )
        path: ImpairedPath | None = None
        if network is not None:
            remote = line.answer.media
            path = await stack.enter_async_context(
                ImpairedPath.open((remote.host, remote.port), network)
            )
        yield SipCallLine(line, path)


async def _open_stream(
    stack: contextlib.AsyncExitStack,
    url: str,
    caller: str,
    network: Impairment | None,
    clock: MediaClock | None,
    recorder: Recorder | None,
) -> StreamCallLine:
    via: tuple[str, int] | None = None
    parts = urlsplit(url)
    if network is not None and parts.hostname is not None:
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        proxy = await stack.enter_async_context(
            ImpairedStream.open((parts.hostname, port), network)
        )
        via = proxy.address
    line = await stack.enter_async_context(
        open_stream_line(url, caller=caller, clock=clock, via=via, recorder=recorder)
    )
    return StreamCallLine(
        line,
        Connection(setup_s=line.setup_s, remote_media=parts.netloc, codec="PCMU"),
    )


async def _open_page(
    stack: contextlib.AsyncExitStack,
    url: str,
    network: Impairment | None,
    clock: MediaClock | None,
    recorder: Recorder | None,
) -> StreamCallLine:
    from loadtest.browser_line import open_browser_line  # aiortc takes 200 ms to import

    if network is not None:
        raise BadTargetError("calls from a browser cannot be impaired: leave out --network")
    line = await stack.enter_async_context(open_browser_line(url, clock=clock, recorder=recorder))
    return StreamCallLine(
        line, Connection(setup_s=line.setup_s, remote_media=urlsplit(url).netloc, codec="PCMU")
    )
