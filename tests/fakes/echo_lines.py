"""Lines on which our own voice comes back: what arrives, and what guard and detector make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from models.espeak import EspeakVoice
from models.vad import SileroVad
from tests.fakes.afresh import afresh
from voice.activity import ActivityGate
from voice.codec import Codec, decode, encode
from voice.echo import EchoGuard, EchoGuards, suppressed
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm, silence
from voice.turn_events import VoiceStarted

Samples = NDArray[np.float64]

PROMPTS = (
    "Good morning, how can I help?", "Please say your order number.", "Is that right?",
    "It left the warehouse on Tuesday.", "I found two orders.", "One moment please.",
    "It will be with you by Friday.", "Sorry, I did not catch that.", "Could you spell the street?",
    "A refund or a replacement?", "That is done. Anything else?", "We open from nine to five.",
    "Your address is twelve Mill Lane.",
)  # fmt: skip
REPLIES = (
    "No, wait a moment.", "Stop, I want to speak to someone.", "Actually it is the other one.",
    "Hello, can you hear me?", "My number is five five nine.", "Cancel it please.",
    "I already told you that.", "Where is my parcel?",
)  # fmt: skip
OURS = ("en-us", "en-gb", "en-us+f3")
THEIRS = ("en-gb+m3", "en-us+f2", "en-us+m5", "en-gb+f4")
LEVELS_DB = (-6, -12, -20, -30)
DELAYS_MS = (50, 120, 200, 300)
BARGE_IN_FRAMES = 10  # a voice that lasts longer than 0.2 s interrupts


def say(voice: str, text: str) -> Pcm:
    """One of OURS saying one of PROMPTS, or one of THEIRS one of REPLIES; always the same."""
    return _spoken()[voice, text]


@cache
def _spoken() -> dict[tuple[str, str], Pcm]:
    return afresh(_speak)


def _speak() -> dict[tuple[str, str], Pcm]:
    pairs = (*product(OURS, PROMPTS), *product(THEIRS, REPLIES))
    return {(voice, text): EspeakVoice(voice).render(text).pcm for voice, text in pairs}


def prompts(first: int, count: int) -> Pcm:
    """So many prompts with half a second after each, in whole frames."""
    voice = OURS[first % len(OURS)]
    parts: list[Pcm] = []
    for index in range(first * 5, first * 5 + count):
        parts += [say(voice, PROMPTS[index % len(PROMPTS)]), np.zeros(4000, dtype=np.int16)]
    pcm = np.concatenate(parts)
    return np.concatenate((pcm, np.zeros(-len(pcm) % FRAME_SAMPLES, dtype=np.int16)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """How a line returns what it is sent."""

    level_db: float
    delay_ms: int
    jump_ms: int = 0  # halfway through, the delay moves by so much
    louder_db: float = 0.0  # halfway through, the level moves by so much
    colour: int | None = None  # seed of a random short filter: a loudspeaker, a case
    room: int | None = None  # seed of a room that rings for 40 ms
    clip: float | None = None  # the loudspeaker reaches no further

    def of(self, ours: Pcm) -> Samples:
        sound = ours.astype(np.float64)
        if self.clip is not None:
            sound = np.clip(sound, -self.clip, self.clip)
        if self.colour is not None:
            sound = np.convolve(sound, _impulse(self.colour, 12, 1.0, 0.25))[: len(sound)]
        if self.room is not None:
            sound = np.convolve(sound, _impulse(self.room, 320, 3.0, 1.0))[: len(sound)]
        half = len(sound) // 2
        echo = _delayed(sound, self.delay_ms)
        echo[half:] = _delayed(sound, self.delay_ms + self.jump_ms)[half:]
        echo[half:] *= 10 ** (self.louder_db / 20)
        return echo * 10 ** (self.level_db / 20)


def _impulse(seed: int, length: int, direct: float, scatter: float) -> Samples:
    taps = scatter * np.random.default_rng(seed).standard_normal(length)
    taps *= np.exp(-np.arange(length) / (length / 5)) if length > 100 else 1.0
    taps[0] = direct
    return taps / np.sqrt(np.sum(taps**2))


def _delayed(sound: Samples, delay_ms: int) -> Samples:
    late = round(delay_ms * RATE_HZ / 1000)
    return np.concatenate((np.zeros(late), sound))[: len(sound)]


def line(*sounds: Samples, seed: int = 0, noise_dbfs: float = -50.0) -> Pcm:
    """What arrives: the sounds and the line's noise, through µ-law."""
    hiss = np.random.default_rng(seed).standard_normal(len(sounds[0]))
    mixed = sum(sounds) + hiss * 32768 * 10 ** (noise_dbfs / 20)
    pcm = np.clip(np.rint(mixed), -32768, 32767).astype(np.int16)
    return decode(Codec.PCMU, encode(Codec.PCMU, pcm))


def frames(pcm: Pcm) -> list[Pcm]:
    return list(pcm.reshape(-1, FRAME_SAMPLES))


def explained(incoming: Pcm, ours: Pcm, guard: EchoGuard | None = None) -> Samples:
    guard = guard or EchoGuard()
    pairs = zip(frames(incoming), frames(ours), strict=True)
    return np.array([share_of(guard, came, sent) for came, sent in pairs])


def explained_each(lines: Sequence[tuple[Pcm, Pcm]]) -> list[Samples]:
    """`explained` of each of these lines, incoming and ours; looked at together, as calls are."""
    together = EchoGuards()
    guards = [EchoGuard(together) for _ in lines]
    pairs = [list(zip(frames(came), frames(ours), strict=True)) for came, ours in lines]
    found: list[list[float]] = [[] for _ in lines]
    for tick in range(max(map(len, pairs))):
        current = [each for each in range(len(lines)) if tick < len(pairs[each])]
        for each in current:
            guards[each].receive(*pairs[each][tick])
        for each in current:
            found[each].append(guards[each].explained)
    return [np.array(shares) for shares in found]


def share_of(guard: EchoGuard, came: Pcm, sent: Pcm) -> float:
    guard.receive(came, sent)
    return guard.explained


def probabilities(lines: Sequence[Pcm]) -> list[Samples]:
    """What the detector makes of each line, tick by tick; one batch, as calls are."""
    vad = SileroVad()
    streams = [vad.open_stream() for _ in lines]
    heard = np.zeros((len(lines), max(len(pcm) for pcm in lines) // FRAME_SAMPLES))
    for tick in range(heard.shape[1]):
        at = tick * FRAME_SAMPLES
        for stream, pcm in zip(streams, lines, strict=True):
            stream.push(pcm[at : at + FRAME_SAMPLES] if at < len(pcm) else silence())
        vad.run()
        heard[:, tick] = [stream.probability for stream in streams]
    return [row[: len(pcm) // FRAME_SAMPLES] for row, pcm in zip(heard, lines, strict=True)]


def voices(probability: Samples, share: Samples | None = None) -> list[tuple[int, int]]:
    """First and last tick of each voice that the gate reports."""
    gate, found, began = ActivityGate(), list[tuple[int, int]](), 0
    for tick, value in enumerate(probability):
        change = gate.receive(
            float(value) if share is None else suppressed(float(value), float(share[tick]))
        )
        if isinstance(change, VoiceStarted):
            began = tick
        elif change is not None:
            found.append((began, tick))
    return [*found, (began, len(probability))] if gate.active else found


def lasting(found: Sequence[tuple[int, int]]) -> int:
    return sum(end - begin > BARGE_IN_FRAMES for begin, end in found)


def was_echo(incoming: Pcm, ours: Pcm, at: int) -> bool:
    """What the guard makes of the half second that follows tick `at`, where a voice was found."""
    guard, ticks = EchoGuard(), at + round(0.5 / FRAME_S)
    for tick, pair in enumerate(zip(frames(incoming)[:ticks], frames(ours), strict=False)):
        if tick == at:
            guard.begin()
        guard.receive(*pair)
    return guard.was_echo
