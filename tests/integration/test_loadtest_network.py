"""The load test's lines on real sockets: a lossy UDP path, and a carrier's WebSocket."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from loadtest import g711
from loadtest.errors import BadTargetError, RefusedError, UnreachableError
from loadtest.impair import ImpairedPath, Impairment
from loadtest.pcm import FRAME_SAMPLES, Pcm
from loadtest.stream_line import StreamLine, open_stream_line


class _End(asyncio.DatagramProtocol):
    """One end of a path; the far one answers every packet."""

    def __init__(self, *, answers: bool) -> None:
        self.received: list[bytes] = []
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.received.append(data)
        if self._answers and self._transport is not None:
            self._transport.sendto(b"re:" + data, addr)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110  what is waited for are sockets' callbacks
            await asyncio.sleep(0.01)


async def _through(impairment: Impairment, packets: int) -> tuple[_End, _End, ImpairedPath]:
    """Send numbered packets through a path; the far end, the near end and the path."""
    loop = asyncio.get_running_loop()
    local = ("127.0.0.1", 0)
    far_transport, far = await loop.create_datagram_endpoint(
        lambda: _End(answers=True), local_addr=local
    )
    near_transport, near = await loop.create_datagram_endpoint(
        lambda: _End(answers=False), local_addr=local
    )
    remote = far_transport.get_extra_info("sockname")
    async with ImpairedPath.open(remote, impairment) as path:
        for number in range(packets):
            near_transport.sendto(b"%d" % number, path.address)
            await asyncio.sleep(0)
        await _until(lambda: len(far.received) + path.dropped >= packets)
        await _until(lambda: len(near.received) >= len(far.received))
    far_transport.close()
    near_transport.close()
    return far, near, path


async def test_unimpaired_path_hands_on_everything_both_ways():
    far, near, path = await _through(Impairment(), 20)
    assert far.received == [b"%d" % number for number in range(20)]
    assert near.received == [b"re:%d" % number for number in range(20)]
    assert path.dropped == 0


async def test_loss_drops_about_its_share_on_the_way_out():
    far, near, path = await _through(Impairment(loss=0.3, delay_s=0.01, seed=4), 200)
    assert 30 <= path.dropped <= 90
    assert len(near.received) == len(far.received) == 200 - path.dropped


async def test_jitter_may_change_the_order_but_loses_nothing():
    far, _, _ = await _through(Impairment(delay_s=0.03, jitter_s=0.03, seed=4), 50)
    assert sorted(far.received) == sorted(b"%d" % number for number in range(50))
    assert far.received != sorted(far.received, key=int)


def test_impairment_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="loss"):
        Impairment(loss=1.5)
    with pytest.raises(ValueError, match="jitter"):
        Impairment(delay_s=0.01, jitter_s=0.02)


# --- the carrier's WebSocket ----------------------------------------------------------------------


class _Bot:
    """A far end of the dialect that keeps what it gets."""

    def __init__(self, script: Callable[["_Bot", ServerConnection], Any]) -> None:
        self.messages: list[dict[str, Any]] = []
        self._script = script

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["event"] == event]

    async def handle(self, socket: ServerConnection) -> None:
        playing = asyncio.create_task(self._script(self, socket))
        async for text in socket:
            self.messages.append(json.loads(text))
        await asyncio.gather(playing, return_exceptions=True)


@asynccontextmanager
async def _bot(script: Callable[[_Bot, ServerConnection], Any]) -> AsyncGenerator[tuple[_Bot, str]]:
    bot = _Bot(script)
    async with serve(bot.handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield bot, f"ws://127.0.0.1:{port}/media"


async def _silent(bot: _Bot, socket: ServerConnection) -> None:
    """Says nothing."""


def _media(pcm: Pcm) -> str:
    payload = base64.b64encode(g711.encode(pcm, "PCMU")).decode()
    return json.dumps({"event": "media", "streamSid": "s", "media": {"payload": payload}})


def _mark(name: str) -> str:
    return json.dumps({"event": "mark", "streamSid": "s", "mark": {"name": name}})


def _tone(frames: int) -> Pcm:
    return np.full(frames * FRAME_SAMPLES, 8_000, dtype=np.int16)


def _deaf(frame: Pcm, end: int) -> None:
    """Hears nothing."""


async def test_stream_opens_as_a_carrier_does_and_then_sends_what_is_said():
    async with _bot(_silent) as (bot, url), open_stream_line(url, caller="alice") as line:
        line.start(_deaf)
        sent = line.say(_tone(3))
        await _until(lambda: len(bot.of("media")) >= 5)
    assert [message["event"] for message in bot.messages[:3]] == ["connected", "start", "media"]
    start = bot.of("start")[0]["start"]
    assert start["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1}
    assert start["customParameters"] == {"from": "alice"}
    first = base64.b64decode(bot.of("media")[0]["media"]["payload"])
    assert len(first) == FRAME_SAMPLES
    assert g711.decode(first, "PCMU").mean() == pytest.approx(8_000, rel=0.05)
    assert (sent.start, sent.end) == (0, 3 * FRAME_SAMPLES)
    assert bot.of("stop")


async def test_keys_are_sent_one_by_one():
    async with _bot(_silent) as (bot, url), open_stream_line(url, caller="alice") as line:
        line.start(_deaf)
        line.press("4#")
        await _until(lambda: len(bot.of("dtmf")) == 2)
        with pytest.raises(ValueError, match="not a key"):
            line.press("x")
    assert [message["dtmf"]["digit"] for message in bot.of("dtmf")] == ["4", "#"]


async def _started(line: StreamLine, bot: _Bot) -> None:
    line.start(_deaf)
    await _until(lambda: bool(bot.of("start")))


async def test_audio_sent_ahead_is_played_at_the_speed_of_speech_and_then_its_mark_returned():
    async def speak(bot: _Bot, socket: ServerConnection) -> None:
        await _until(lambda: bool(bot.of("start")))
        await socket.send(_media(_tone(10)))
        await socket.send(_mark("end"))

    async with _bot(speak) as (bot, url), open_stream_line(url, caller="alice") as line:
        await _started(line, bot)
        await _until(lambda: bool(bot.of("mark")))
        heard = line.recorder.heard.read(0, line.now)
    assert np.count_nonzero(np.abs(heard) > 1_000) == 10 * FRAME_SAMPLES


async def test_clear_silences_at_once_and_returns_the_marks_that_waited():
    async def speak(bot: _Bot, socket: ServerConnection) -> None:
        await _until(lambda: bool(bot.of("start")))
        await socket.send(_media(_tone(500)))
        await socket.send(_mark("never played"))
        await socket.send(json.dumps({"event": "clear", "streamSid": "s"}))

    async with _bot(speak) as (bot, url), open_stream_line(url, caller="alice") as line:
        await _started(line, bot)
        await _until(lambda: bool(bot.of("mark")))
        heard = line.recorder.heard.read(0, line.now)
    assert np.count_nonzero(np.abs(heard) > 1_000) < 50 * FRAME_SAMPLES


async def test_far_end_that_closes_ends_the_call():
    async def leave(bot: _Bot, socket: ServerConnection) -> None:
        await _until(lambda: bool(bot.of("start")))
        await socket.close()

    async with _bot(leave) as (bot, url), open_stream_line(url, caller="alice") as line:
        await _started(line, bot)
        async with asyncio.timeout(5):
            assert await line.wait_ended()


async def test_far_end_that_does_not_speak_the_dialect_ends_the_call():
    async def babble(bot: _Bot, socket: ServerConnection) -> None:
        await _until(lambda: bool(bot.of("start")))
        await socket.send('{"event": "media", "media": {}}')

    async with _bot(babble) as (bot, url), open_stream_line(url, caller="alice") as line:
        await _started(line, bot)
        async with asyncio.timeout(5):
            assert "not a message of the dialect" in await line.wait_ended()


async def test_unusable_targets_are_named():
    with pytest.raises(BadTargetError):
        async with open_stream_line("http://127.0.0.1:1/", caller="alice"):
            pass
    with pytest.raises(UnreachableError):
        async with open_stream_line("ws://127.0.0.1:1/", caller="alice"):
            pass


async def test_refused_upgrade_carries_its_status():
    async def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(403, "no\n")

    async with serve(_Bot(_silent).handle, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RefusedError) as refused:
            async with open_stream_line(f"ws://127.0.0.1:{port}/", caller="alice"):
                pass
    assert refused.value.status == 403
