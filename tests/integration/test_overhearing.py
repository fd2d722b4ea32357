"""Two people talk in a room; the real detector and recogniser write down what each of them said."""

import asyncio
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from models.espeak import EspeakVoice
from models.pool import RecognitionPool
from models.stt import SttEngine
from models.train.scoring import word_errors
from models.vad import SileroVad
from server.speech import Recogniser
from telephony.hold_music import hold_music
from telephony.mixer import Room
from telephony.program import Layer, Loop
from voice.codec import Codec, decode, encode
from voice.events import LegEvent
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm, silence
from voice.overhear import Overhearing
from voice.plane import MediaPlane

PHRASES = [
    "where is my order",
    "i want to check my order",
    "cancel my subscription",
    "i need to speak to an agent",
    "change the address on my order",
    "thanks that's all",
]


@pytest.fixture(scope="module")
def recogniser() -> Iterator[Recogniser]:
    pool = RecognitionPool(SttEngine(threads=2))
    yield Recogniser(pool)
    pool.close()


class SpeakingLeg:
    """Says its lines at their times, over a line with a little noise."""

    reports_keys = True

    def __init__(self, voice: str, lines: dict[float, str], *, seconds: float, seed: int) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda event: None
        noise = np.random.default_rng(seed).normal(0, 30, round(seconds * RATE_HZ))
        for at_s, text in lines.items():
            pcm, at = EspeakVoice(voice).render(text).pcm, round(at_s * RATE_HZ)
            noise[at : at + len(pcm)] += pcm
        self._said = np.clip(np.rint(noise), -32768, 32767).astype(np.int16)
        self._at = 0
        self.sent: list[Pcm] = []

    def receive_frame(self) -> Pcm:
        frame = self._said[self._at : self._at + FRAME_SAMPLES]
        self._at += FRAME_SAMPLES
        return frame if len(frame) == FRAME_SAMPLES else silence()

    def send_frame(self, pcm: Pcm) -> None:
        self.sent.append(pcm)

    async def hang_up(self, reason: str) -> None:
        """Nobody is there."""


async def test_what_caller_and_agent_say_in_a_room_is_written_down_line_by_line(
    recogniser: Recogniser,
) -> None:
    caller = SpeakingLeg("en-us", {1.0: "where is my order", 7.0: "yes please"}, seconds=12, seed=1)
    agent = SpeakingLeg(
        "en-gb", {4.0: "my order number is four four seven one two"}, seconds=12, seed=2
    )
    lines: list[tuple[str, str, float, float]] = []
    vad, room = SileroVad(), Room()
    plane = MediaPlane(vad)
    plane.add(room)
    ears: list[Overhearing] = []
    for name, leg in (("caller", caller), ("agent", agent)):
        room.add(name, leg)
        ears.append(
            Overhearing(
                recogniser,
                vad.open_stream(),
                lambda text, start_s, end_s, name=name: lines.append((name, text, start_s, end_s)),
            )
        )
        room.overhear(name, ears[-1])
    room.bridge("caller", "agent")
    for tick in range(12 * 50):
        plane.tick((tick + 1) * FRAME_S)
        await asyncio.sleep(0)
    for one in ears:
        await one.finish(timeout_s=60.0)

    lines.sort(key=lambda line: line[2])
    assert [(name, text) for name, text, _, _ in lines] == [
        ("caller", "where is my order"),
        ("agent", "my order number is four four seven one two"),
        ("caller", "yes please"),
    ]
    for (_, _, start_s, end_s), said_at_s in zip(lines, (1.0, 4.0, 7.0), strict=True):
        assert start_s == pytest.approx(said_at_s, abs=0.5)
        assert end_s > start_s


async def test_who_speaks_for_half_a_minute_is_understood_as_well_as_who_says_one_thing(
    recogniser: Recogniser,
) -> None:
    said = [phrase for phrase in PHRASES for _ in range(2)]
    pause = np.zeros(RATE_HZ // 4, dtype=np.int16)
    parts = [part for text in said for part in (EspeakVoice().render(text).pcm, pause)]
    line = decode(Codec.PCMU, encode(Codec.PCMU, np.concatenate((*parts, np.tile(pause, 8)))))
    vad, lines = SileroVad(), list[tuple[str, float, float]]()
    ear = Overhearing(
        recogniser,
        vad.open_stream(),
        lambda text, start_s, end_s: lines.append((text, start_s, end_s)),
    )
    for at in range(0, len(line) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        ear.push(line[at : at + FRAME_SAMPLES])
        vad.run()
        ear.act(at / RATE_HZ)
        await asyncio.sleep(0)
    await ear.finish(timeout_s=60.0)
    heard, words = " ".join(text for text, _, _ in lines).split(), " ".join(said).split()
    assert len(lines) >= 2
    assert ear.dropped == 0
    assert word_errors(words, heard) / len(words) <= 0.3


async def test_hold_music_that_leaks_back_is_not_taken_for_the_caller(
    recogniser: Recogniser,
) -> None:
    vad, room = SileroVad(), Room()
    plane = MediaPlane(vad)
    plane.add(room)

    class LeakyLeg(SpeakingLeg):
        """A speakerphone: 18 dB below, 160 ms later, what it is sent is said."""

        def receive_frame(self) -> Pcm:
            echo = self.sent[-8] // 8 if len(self.sent) >= 8 else silence()
            return super().receive_frame() + echo.astype(np.int16)

    room.add("caller", LeakyLeg("en-us", {}, seconds=30, seed=3))
    room.hold("caller")
    room.play("caller", Loop(hold_music()), layer=Layer.MUSIC)
    lines: list[str] = []
    ear = Overhearing(
        recogniser, vad.open_stream(), lambda text, start_s, end_s: lines.append(text)
    )
    room.overhear("caller", ear)
    for tick in range(20 * 50):
        plane.tick((tick + 1) * FRAME_S)
    await ear.finish(timeout_s=60.0)
    assert lines == []
