"""A caller of the suite on a line that a test plays."""

import asyncio
from collections.abc import Callable

import pytest

from loadtest.listening import Understood
from loadtest.media import Sent
from loadtest.pcm import FRAME_SAMPLES, Pcm
from loadtest.recorder import Recorder
from loadtest.report import MediaStats
from loadtest.speech import VoiceSettings
from loadtest.turns.call import take_part
from loadtest.turns.cases import Condition, Plan
from tests.fakes.recorded_calls import MEDIA, sound_track


class PlayedOnce:
    """A PlayedLine on which this is heard as soon as the caller listens."""

    def __init__(self, heard: Pcm) -> None:
        self.recorder = Recorder()
        self.now = 0
        self._heard = heard

    def start(self, on_frame: Callable[[Pcm, int], None]) -> None:
        for frame in self._heard.reshape(-1, FRAME_SAMPLES):
            self.recorder.heard.write(self.now, frame)
            self.now += FRAME_SAMPLES
            on_frame(frame, self.now)

    def say(self, pcm: Pcm) -> Sent:
        return Sent(start=self.now, end=self.now + pcm.size)

    def press(self, keys: str) -> Sent:
        return Sent(start=self.now, end=self.now)

    def stats(self) -> MediaStats:
        return MEDIA

    async def wait_ended(self) -> str:
        await asyncio.Event().wait()
        return ""


class BrokenReader:
    async def understand_later(self, speech: Pcm) -> Understood:
        raise RuntimeError("the reading process is gone")


async def test_caller_that_cannot_tell_what_was_said_says_so_instead_of_waiting():
    plan = Plan(
        name="test",
        condition=Condition.CLEAN,
        voice=VoiceSettings(),
        answers={},
        keys={},
        seed=1,
        rounds=1,
    )
    heard = sound_track([(0.5, 2.0)], 4.0)
    with pytest.raises(RuntimeError, match="the reading process is gone"):
        await asyncio.wait_for(
            take_part(PlayedOnce(heard), plan, BrokenReader(), caller="test"), timeout=5
        )
