"""Makes shards of utterances: a voice for each sentence, and the recorded digits."""

import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from models.train import digits, people, revoice, rhvoice, unit_voices
from models.train.corpus import NO_TARGETS, RATE_HZ, Utterance, floats, renamed, save
from models.train.espeak_voice import HELD_OUT, TRAINING, EspeakVoices
from models.train.phonemes import FRAMES_PER_S
from models.train.text import Said, Texts

LONGEST_S: Final = 9.0
SHORTEST_S: Final = 0.15
_RECORDED_SHARE: Final = 0.14
_PEOPLE_SHARE: Final = 0.10
_ESPEAK_SHARE: Final = 0.6  # of what is synthesised; the others have fewer voices, and cost more
_FESTIVAL_BATCH: Final = 40
_REVOICED_SHARE: Final = 0.5

Spoken = tuple[NDArray[np.float32], NDArray[np.int16]]


class Studio:
    """All voices at hand, speaking sentences at random.

    Args:
        texts: what is said.
        recorded: recordings of digits, or None to do without.
        speakers: whose recordings are used.
        said: recordings of people saying other things.
        evaluation: only voices held out of training, as they are; training also shifts voices
            by resampling.
    """

    def __init__(
        self,
        texts: Texts,
        recorded: digits.Recordings | None,
        speakers: tuple[str, ...],
        *,
        said: Sequence[people.Recording] = (),
        evaluation: bool = False,
    ) -> None:
        self._said = list(said)
        self._texts = texts
        self._recorded = recorded
        self._speakers = speakers
        self._evaluation = evaluation
        self._espeak = EspeakVoices()
        self._espeak_voices = HELD_OUT if evaluation else TRAINING
        self._flite = unit_voices.FLITE_HELD_OUT if evaluation else unit_voices.FLITE_TRAINING
        self._festival = (
            unit_voices.FESTIVAL_HELD_OUT if evaluation else unit_voices.FESTIVAL_TRAINING
        )
        hears_rhvoice = rhvoice.library() is not None and not evaluation
        self._rhvoice = rhvoice.RhVoices() if hears_rhvoice else None

    def utterances(self, count: int, rng: random.Random) -> list[Utterance]:
        """That many, in random order."""
        recorded = round(count * _RECORDED_SHARE) if self._recorded else 0
        found = [self._digits(rng) for _ in range(recorded)]
        if self._said:
            found += [people.draw(self._said, rng) for _ in range(round(count * _PEOPLE_SHARE))]
        engines = self._engines()
        while len(found) < count:
            engine = rng.choices([e for e, _ in engines], [share for _, share in engines])[0]
            found += [u for u in engine(rng) if SHORTEST_S <= u.seconds <= LONGEST_S]
        rng.shuffle(found)
        return found[:count]

    def said_by_espeak(self, said: Said, rng: random.Random) -> Utterance | None:
        """The sentence in one of espeak-ng's voices; None when nothing came out."""
        voice = rng.choice(self._espeak_voices)
        audio, targets = self._espeak.speak(said.text, voice, rng)
        return self._utterance(said, voice, (audio, targets), rng) if len(audio) else None

    def said_by_flite(self, said: Said, rng: random.Random) -> Utterance | None:
        """The sentence in one of flite's voices; None when it cannot say it."""
        voice = rng.choice(self._flite)
        try:
            audio, rate_hz, targets = unit_voices.flite(said.text, voice, rng)
        except (subprocess.SubprocessError, ValueError):
            return None
        narrow = soxr.resample(audio, rate_hz, RATE_HZ)
        return self._utterance(said, f"flite {voice}", (narrow, targets), rng)

    def _digits(self, rng: random.Random) -> Utterance:
        assert self._recorded is not None
        varied = not self._evaluation
        one = digits.draw(self._recorded, rng, speakers=self._speakers, varied=varied)
        if not varied or rng.random() >= _REVOICED_SHARE:
            return one
        audio, _ = _revoiced((floats(one.pcm), NO_TARGETS), rng)
        return renamed(one, pcm=_pcm(audio))

    def _engines(self) -> list[tuple[Callable[[random.Random], list[Utterance]], float]]:
        found: list[tuple[Callable[[random.Random], list[Utterance]], float]] = [
            (self._with_espeak, _ESPEAK_SHARE)
        ]
        if unit_voices.available("flite"):
            found.append((self._with_flite, 0.32))
        if unit_voices.available("festival"):
            found.append((self._with_festival, 0.08 / _FESTIVAL_BATCH))
        if self._rhvoice is not None:
            found.append((self._with_rhvoice, 0.35))
        return found

    def _with_espeak(self, rng: random.Random) -> list[Utterance]:
        one = self.said_by_espeak(self._texts.draw(rng), rng)
        return [one] if one else []

    def _with_flite(self, rng: random.Random) -> list[Utterance]:
        one = self.said_by_flite(self._texts.draw(rng), rng)
        return [one] if one else []

    def _with_rhvoice(self, rng: random.Random) -> list[Utterance]:
        assert self._rhvoice is not None
        said, voice = self._texts.draw(rng), rng.choice(rhvoice.VOICES)
        spoken = self._rhvoice.speak(said.text, voice, rng)
        if spoken is None:
            return []
        narrow = soxr.resample(*spoken, RATE_HZ)
        return [self._utterance(said, f"rhvoice {voice}", (narrow, NO_TARGETS), rng)]

    def _with_festival(self, rng: random.Random) -> list[Utterance]:
        voice = rng.choice(self._festival)
        said = [self._texts.draw(rng) for _ in range(_FESTIVAL_BATCH)]
        try:
            spoken = unit_voices.festival([s.text for s in said], voice, rng)
        except (subprocess.SubprocessError, OSError, ValueError):
            return []
        return [
            self._utterance(
                one, f"festival {voice}", (soxr.resample(audio, rate_hz, RATE_HZ), targets), rng
            )
            for one, (audio, rate_hz, targets) in zip(said, spoken, strict=True)
        ]

    def _utterance(self, said: Said, voice: str, spoken: Spoken, rng: random.Random) -> Utterance:
        if not self._evaluation and rng.random() < _REVOICED_SHARE:
            spoken = _revoiced(spoken, rng)
        audio, targets = spoken
        if not self._evaluation and rng.random() < (0.4 if " " not in voice else 0.8):
            shift = rng.uniform(0.8, 1.25)
            audio = digits.shifted(audio, shift)
            targets = _stretched(targets, shift)
        pcm = _pcm(audio)
        return Utterance(text=said.text, voice=voice, kind=said.kind, pcm=pcm, targets=targets)


def _revoiced(spoken: Spoken, rng: random.Random) -> Spoken:
    audio, targets = spoken
    noise = np.random.default_rng(rng.getrandbits(32))
    return revoice.revoiced(audio, targets, revoice.drawn(len(audio), rng), noise)


def _pcm(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    peak = max(float(np.abs(audio).max(initial=0.0)), 1e-3)
    return (np.clip(audio / peak * 0.9, -1, 1) * 32767).astype(np.int16)


def _stretched(targets: NDArray[np.int16], factor: float) -> NDArray[np.int16]:
    if not len(targets):
        return NO_TARGETS
    length = max(1, round(len(targets) * factor))
    return targets[np.minimum(np.arange(length) / factor, len(targets) - 1).astype(int)]


def build(
    studio: Studio, folder: Path, *, seed: int, shards: int, each: int
) -> Iterator[tuple[Path, int, float]]:
    """Write shards, one after the other; yields path, utterances and hours of each.

    A shard that is there already is kept, so that building again goes on where it stopped.
    """
    for number in range(shards):
        path = folder / f"{seed:04d}-{number:04d}.npz"
        if path.exists():
            continue
        utterances = studio.utterances(each, random.Random(f"{seed}/{number}"))
        save(path, utterances)
        yield path, len(utterances), sum(len(u.pcm) for u in utterances) / RATE_HZ / 3600


assert FRAMES_PER_S * 160 == RATE_HZ  # a target for every 160 samples
