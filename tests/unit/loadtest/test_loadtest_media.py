"""What a call's audio sends, and what it makes of what comes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from loadtest.clock import MediaClock, Tick
from loadtest.g711 import decode, encode
from loadtest.media import Media
from loadtest.pcm import FRAME_SAMPLES, Pcm
from loadtest.recorder import Recorder
from loadtest.rtp import RtpPacket
from loadtest.rtp_socket import RtpSocket
from loadtest.sdp import RemoteMedia

FAR_END = RemoteMedia(host="192.0.2.1", port=4_000, codec="PCMU", payload_type=0, event_type=101)
TONE: Pcm = (8_000 * np.sin(np.arange(480) * 0.5)).astype(np.int16)
SILENCE = b"\xff" * FRAME_SAMPLES


class Wire:
    """An RTP socket whose far end is the test."""

    def __init__(self) -> None:
        self.port = 5_000
        self.sent: list[RtpPacket] = []
        self.waiting: list[tuple[bytes, float]] = []  # datagram, age in seconds

    def send(self, data: bytes, to: tuple[str, int]) -> bool:
        assert to == ("192.0.2.1", 4_000)
        self.sent.append(RtpPacket.parse(data))
        return True

    def receive(self) -> Iterator[tuple[bytes, float]]:
        came, self.waiting = self.waiting, []
        yield from came

    def arrive(self, sequence: int, payload: bytes, *, age_s: float = 0.0) -> None:
        packet = RtpPacket(
            payload_type=0,
            sequence=sequence,
            timestamp=sequence * FRAME_SAMPLES,
            ssrc=7,
            payload=payload,
        )
        self.waiting.append((packet.to_bytes(), age_s))


class Baton:
    """A clock that the test beats."""

    def __init__(self) -> None:
        self._tick: Tick = lambda late_s: None
        self._listen: Callable[[], None] = lambda: None

    def join(self, tick: Tick, listen: Callable[[], None]) -> float:
        self._tick, self._listen = tick, listen
        return asyncio.get_running_loop().time()

    def held_up_lately(self) -> bool:
        return False

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self._tick(0.0)
            self._listen()


class Rig:
    def __init__(self) -> None:
        self.wire, self.clock = Wire(), Baton()
        self.media = Media(cast("RtpSocket", self.wire), cast("MediaClock", self.clock), Recorder())


async def started() -> Rig:
    rig = Rig()
    rig.media.start(FAR_END)
    return rig


async def test_every_beat_sends_a_packet_and_silence_when_there_is_nothing_to_say() -> None:
    rig = await started()
    rig.media.say(TONE[:320])
    rig.clock.beat(3)
    first, second, third = rig.wire.sent
    assert (first.marker, second.marker) == (True, False)
    assert first.payload + second.payload == encode(TONE[:320], "PCMU")
    assert third.payload == SILENCE
    assert (third.sequence - first.sequence) & 0xFFFF == 2
    assert (third.timestamp - first.timestamp) & 0xFFFFFFFF == 320


async def test_what_is_said_is_on_the_recording_as_it_was_before_coding() -> None:
    rig = await started()
    rig.clock.beat()
    sent = rig.media.say(TONE[:200])
    assert (sent.start, sent.end) == (160, 480)  # whole frames
    rig.clock.beat(3)
    assert rig.media.recorder.sent.read(160, 360).tolist() == TONE[:200].tolist()
    assert len(rig.media.recorder.sent) == 640


async def test_speech_not_yet_sent_when_the_call_ends_is_not_on_the_recording() -> None:
    rig = await started()
    rig.media.say(TONE)
    rig.clock.beat()
    assert len(rig.media.recorder.sent) == 160
    assert rig.media.recorder.sent.read(160, 480).tolist() == [0] * 320


async def test_changed_codec_applies_to_what_is_queued_too() -> None:
    rig = await started()
    rig.media.say(TONE[:320])
    rig.clock.beat()
    rig.media.redirect(replace(FAR_END, codec="PCMA", payload_type=8))
    rig.clock.beat(2)
    assert [packet.payload_type for packet in rig.wire.sent] == [0, 8, 8]
    assert rig.wire.sent[1].payload == encode(TONE[160:320], "PCMA")
    assert rig.wire.sent[2].payload == encode(np.zeros(160, np.int16), "PCMA")


async def test_nothing_is_sent_to_a_far_end_that_holds_the_call() -> None:
    rig = await started()
    rig.media.redirect(replace(FAR_END, direction="inactive"))
    rig.clock.beat(2)
    assert rig.wire.sent == []


async def test_early_media_is_not_heard() -> None:
    rig = Rig()
    rig.wire.arrive(1, encode(TONE[:160], "PCMU"))
    rig.media.start(FAR_END)
    rig.clock.beat()
    assert rig.media.received == 0


async def test_jitter_is_the_arrivals_and_not_the_readings() -> None:
    rig = await started()
    for sequence in range(100):  # two seconds, read all at once
        rig.wire.arrive(sequence, SILENCE, age_s=2.0 - 0.02 * sequence)
    rig.clock.beat()
    jitter_ms = rig.media.quality().jitter_ms
    assert jitter_ms is not None
    assert jitter_ms < 10  # 20 if each had come when it was read


async def test_late_silence_replaces_what_was_concealed() -> None:
    rig = await started()
    speech = encode(TONE[:160], "PCMU")
    for sequence, payload in ((0, speech), (2, speech), (1, SILENCE)):
        rig.wire.arrive(sequence, payload)
    rig.clock.beat()
    heard = rig.media.recorder.heard
    start = len(heard) - 480
    assert heard.read(start, start + 160).tolist() == decode(speech, "PCMU").tolist()
    assert not heard.read(start + 160, start + 320).any()


async def test_hole_is_concealed_with_what_came_before() -> None:
    rig = await started()
    speech = encode(TONE[:160], "PCMU")
    for sequence in (0, 2):
        rig.wire.arrive(sequence, speech)
    rig.clock.beat()
    heard = rig.media.recorder.heard
    start = len(heard) - 480
    assert heard.read(start + 160, start + 320).tolist() == decode(speech, "PCMU").tolist()


async def test_the_clock_knows_that_it_was_held_up() -> None:
    clock, ticked = MediaClock(), asyncio.Event()
    said: list[bool] = []

    def tick(late_s: float) -> None:
        said.append(clock.held_up_lately())
        if len(said) == 2:
            time.sleep(0.15)  # the whole process stands still
        if len(said) == 6:
            ticked.set()

    clock.join(tick)
    async with asyncio.timeout(5):
        await ticked.wait()
    assert said[-1]


async def test_all_calls_of_a_phase_speak_before_any_of_them_listens() -> None:
    clock, order, done = MediaClock(), list[str](), asyncio.Event()

    def speaker(name: str) -> Tick:
        return lambda late_s: order.append(f"{name} speaks")

    def listener(name: str) -> Callable[[], None]:
        def listen() -> None:
            order.append(f"{name} listens")
            if len(order) >= 20:
                done.set()

        return listen

    for name in ("a", "b", "c", "d", "e"):  # a and e share the first of four phases
        clock.join(speaker(name), listener(name))
    async with asyncio.timeout(5):
        await done.wait()
    assert order[:4] == ["a speaks", "e speaks", "a listens", "e listens"]
