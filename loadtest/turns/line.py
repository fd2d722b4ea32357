"""A line of either kind as the suite's callers use it: SIP with RTP, or a carrier's WebSocket."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Protocol

from loadtest.impair import ImpairedPath, Impairment
from loadtest.line import Line, open_line
from loadtest.media import Sent
from loadtest.pcm import Pcm
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.sip_call import TIMER_B_S
from loadtest.stream_line import open_stream_line


class CallLine(Protocol):
    """An answered call whose clock stands still until `start`."""

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


class SipCallLine:
    """CallLine over SIP and RTP."""

    def __init__(self, line: Line, path: ImpairedPath | None) -> None:
        self._line, self._path = line, path

    @property
    def recorder(self) -> Recorder:
        return self._line.media.recorder

    @property
    def now(self) -> int:
        return self._line.media.now

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

    async def wait_ended(self) -> str:
        return (await self._line.phone.wait_ended()).reason


@contextlib.asynccontextmanager
async def open_call(
    target: str, *, caller: str, network: Impairment | None
) -> AsyncGenerator[CallLine]:
    """Call `target`, a SIP URI or a ws:// URL; leaving the context hangs up.

    Args:
        target: whom to call.
        caller: our number or name.
        network: what happens to the packets we send; a WebSocket is TCP and loses none.

    Raises:
        CallFailedError: the call did not come about.
    """
    if target.startswith(("ws://", "wss://")):
        async with open_stream_line(target, caller=caller) as stream:
            yield stream
        return
    async with contextlib.AsyncExitStack() as stack:
        line = await stack.enter_async_context(
            open_line(target, caller=caller, local_host=None, ring_timeout_s=TIMER_B_S)
        )
        path: ImpairedPath | None = None
        if network is not None:
            remote = line.answer.media
            path = await stack.enter_async_context(
                ImpairedPath.open((remote.host, remote.port), network)
            )
        yield SipCallLine(line, path)
