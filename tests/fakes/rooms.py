"""Members of a room with a voice of their own: a tone each, told apart by its frequency."""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from telephony.mixer import Room
from voice.events import LegEvent
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm

TONES_HZ: Mapping[str, int] = {
    "caller": 500,
    "agent": 800,
    "second": 1100,
    "supervisor": 1400,
    "music": 1700,
    "brief": 2000,
}
"""Multiples of 50 Hz, so that every frame is made of whole periods and the tones are orthogonal."""

AMPLITUDE = 4000


def tone(hertz: float, frames: int = 1, *, amplitude: float = AMPLITUDE) -> Pcm:
    """A sine, int16, shape (frames × 160,)."""
    time_s = np.arange(frames * FRAME_SAMPLES) / RATE_HZ
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * time_s)).astype(np.int16)


def level(pcm: Pcm, name: str) -> float:
    """The amplitude of a name's tone in whole frames of audio."""
    time_s = np.arange(len(pcm)) / RATE_HZ
    return float(2 * abs(np.mean(pcm * np.exp(-2j * np.pi * TONES_HZ[name] * time_s))))


def voices(pcm: Pcm) -> set[str]:
    """Whose tones are in it, down to 26 dB below a voice."""
    return {name for name in TONES_HZ if level(pcm, name) > AMPLITUDE / 20}


def chatter() -> Pcm:
    """20 ms of somebody talking on: loud, and no tone."""
    made = np.random.default_rng(5).normal(0.0, 3_000.0, FRAME_SAMPLES)
    return made.clip(-32_768, 32_767).astype(np.int16)


class ToneLeg:
    """Says its tone for ever; what it is sent is kept."""

    reports_keys = True

    def __init__(self, voice: Pcm) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda event: None
        self.voice = voice
        self.sent: list[Pcm] = []
        self.hung_up: list[str] = []
        self.breaks = False

    def receive_frame(self) -> Pcm:
        if self.breaks:
            raise RuntimeError("scripted failure")
        return self.voice

    def send_frame(self, pcm: Pcm) -> None:
        self.sent.append(pcm)

    async def hang_up(self, reason: str) -> None:
        self.hung_up.append(reason)


class ToneRoom:
    """A room of tones, ticked in virtual time."""

    def __init__(self, *names: str) -> None:
        self.failed: list[str] = []
        self.room = Room(on_member_failed=lambda name, error: self.failed.append(name))
        self.legs: dict[str, ToneLeg] = {}
        self.ticks = 0
        for name in names:
            self.join(name)

    def join(self, name: str) -> None:
        self.legs[name] = ToneLeg(tone(TONES_HZ[name]))
        self.room.add(name, self.legs[name])

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.room.listen()
            self.room.act(self.ticks * FRAME_S)
            self.ticks += 1

    def heard(self, name: str) -> set[str]:
        """Whom `name` hears on the next tick."""
        self.tick()
        return voices(self.legs[name].sent[-1])

    def hearing(self, names: Collection[str] | None = None) -> dict[str, set[str]]:
        """Whom each of them hears on the next tick."""
        self.tick()
        return {name: voices(self.legs[name].sent[-1]) for name in names or self.room.members}
