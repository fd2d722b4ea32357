"""A carrier with a caller on the line: 20 ms of audio each way in real time."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from loadtest.activity import Activity, SpeechStopped
from loadtest.speech import VoiceSettings, render
from tests.fakes import carrier
from voice.codec import Codec, decode
from voice.frames import FRAME_S, Pcm

VOICE = VoiceSettings(name="en-gb+m3", rate_wpm=160)
_QUIET_S = 0.8  # this much quiet ends a prompt
_PROMPT_S = 30.0


class CarrierCall:
    """Says and keys what a test tells it, and keeps what it hears."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._speech: list[Pcm] = []  # still to be said
        self._said = asyncio.Event()
        self._prompts: asyncio.Queue[None] = asyncio.Queue()
        self._activity = Activity(quiet_s=_QUIET_S)
        self._frames: list[Pcm] = []
        self.events: list[str] = []

    @property
    def heard(self) -> Pcm:
        return np.concatenate(self._frames)

    async def hear_prompt(self) -> None:
        """Wait until the far end has spoken and is quiet."""
        async with asyncio.timeout(_PROMPT_S):
            await self._prompts.get()

    async def say(self, text: str) -> None:
        speech = await asyncio.to_thread(render, text, VOICE)
        padded = np.pad(speech, (0, -speech.size % 160))
        self._said.clear()
        self._speech.extend(padded.reshape(-1, 160))
        await self._said.wait()

    async def press(self, digits: str) -> None:
        for digit in digits:
            await self._connection.send(carrier.dtmf(digit))
            await asyncio.sleep(0.1)

    async def speak(self) -> None:
        """One piece each 20 ms, silence included, for as long as the stream is open."""
        loop = asyncio.get_running_loop()
        due_s, chunk = loop.time(), 0
        while True:
            chunk += 1
            frame = self._speech.pop(0) if self._speech else carrier.SILENCE
            if not self._speech:
                self._said.set()
            await self._connection.send(carrier.audio(frame, chunk))
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def listen(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            self.events.append(message["event"])
            assert message["streamSid"] == carrier.STREAM_SID
            match message["event"]:
                case "media":
                    self._hear(base64.b64decode(message["media"]["payload"]))
                case "mark":
                    await self._connection.send(carrier.mark(message["mark"]["name"]))
                case _:
                    pass

    def _hear(self, payload: bytes) -> None:
        frame = decode(Codec.PCMU, payload)
        self._frames.append(frame)
        for event in self._activity.receive(frame):
            if isinstance(event, SpeechStopped):
                self._prompts.put_nowait(None)


@asynccontextmanager
async def streaming(
    url: str, *, headers: dict[str, str], parameters: dict[str, str]
) -> AsyncGenerator[CarrierCall, None]:
    """A stream that is up meanwhile; at the end the caller hangs up, if nobody did before."""
    async with connect(url, additional_headers=headers, compression=None) as connection:
        await connection.send(carrier.connected())
        await connection.send(carrier.start(parameters=parameters))
        call = CarrierCall(connection)
        tasks = [asyncio.create_task(call.speak()), asyncio.create_task(call.listen())]
        try:
            yield call
            await connection.send(carrier.stop())
        except ConnectionClosed:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
