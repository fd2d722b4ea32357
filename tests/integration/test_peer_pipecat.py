"""The Pipecat bot takes a call from the load test's own line: it greets, hears and answers."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator

import pytest

from loadtest.pcm import Pcm
from loadtest.speech import VoiceSettings
from loadtest.stream_line import StreamLine, open_stream_line
from loadtest.turns.plans import VOICES
from loadtest.turns.prompts import Prompt
from loadtest.turns.sounds import words
from loadtest.turns.spans import HeardSpan, StretchFinder, learn_prompts, name_span


@pytest.fixture
async def bot() -> AsyncGenerator[str]:
    """The bot as a process of its own; the URL of its WebSocket."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.peer.pipecat_bot", "--tuned"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        yield str(json.loads(line)["url"])
    finally:
        process.terminate()
        await process.wait()


class _Ear:
    """Knows the prompts that end while it listens."""

    def __init__(self, line: StreamLine) -> None:
        self._line = line
        self._finder = StretchFinder()
        self._heard: asyncio.Queue[HeardSpan] = asyncio.Queue()

    async def listen(self) -> None:
        book = await learn_prompts(VoiceSettings())

        def on_frame(frame: Pcm, end: int) -> None:
            stretch = self._finder.receive(frame)
            if stretch is not None:
                speech = self._line.recorder.heard.read(*stretch.window)
                self._heard.put_nowait(name_span(stretch, book.understand(speech)))

        self._line.start(on_frame)

    async def prompt(self) -> Prompt:
        """The next prompt that is said to its end."""
        async with asyncio.timeout(30):
            while (span := await self._heard.get()).ending is None:
                pass
        return span.ending


async def test_bot_greets_hears_speech_and_keys_and_asks_on(bot: str):
    async with open_stream_line(bot, caller="alice") as line:
        ear = _Ear(line)
        await ear.listen()
        assert await ear.prompt() is Prompt.OPEN
        line.say(words("where is my order", VOICES[0]))
        assert await ear.prompt() is Prompt.ORDER_NUMBER
        line.press("4815#")
        assert await ear.prompt() is Prompt.POSTCODE
