# pyright: reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""Batches for training: augmented audio as mel features, tokens, letters and phoneme targets."""

import queue
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.letters import ALPHABET, BLANK
from models.train import corpus
from models.train.augment import Placed, nobody, telephone
from models.train.corpus import NO_TARGETS, RATE_HZ, Utterance
from models.train.phonemes import FRAMES_PER_S, IGNORED
from models.train.vocabulary import Vocabulary

ENGINE_HZ: Final = 16_000
HOP: Final = 160
FULL_FRAMES: Final = 3_000  # what stock faster-whisper gives the encoder, whatever was said
_FFT: Final = 400
_TIMES_SHARE: Final = 0.25  # of utterances trained with timestamps
_NOBODY_SHARE: Final = 0.05
_OTHER_THROAT_SHARE: Final = 0.7
_LONG_UTTERANCES: Final = 2  # a padded batch costs what its frames cost
_EDGE_S: Final = 1.4  # most of what augmentation adds at the edges
_POOL: Final = 4_096  # utterances sorted by length at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One training step's input; `letters` is padded, `letter_counts` says with how much."""

    mels: Tensor
    inputs: Tensor
    outputs: Tensor
    letters: Tensor
    letter_counts: Tensor
    sounds: Tensor
    frames: int


class Features:
    """Whisper's log-mel features, as faster-whisper computes them."""

    def __init__(self, mels: int = 80) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        extractor: Any = FeatureExtractor(feature_size=mels)
        self._filters = torch.as_tensor(extractor.mel_filters, dtype=torch.float32)
        self._window = torch.hann_window(_FFT)

    def __call__(self, audio: Tensor) -> Tensor:
        """(batch, samples at 16 kHz) to (batch, mels, samples / 160)."""
        bins = torch.stft(audio, _FFT, HOP, window=self._window, return_complex=True)
        power = bins[..., :-1].abs() ** 2
        logs = (self._filters @ power).clamp_min(1e-10).log10()
        logs = torch.maximum(logs, logs.amax((-1, -2), keepdim=True) - 8.0)
        return (logs + 4.0) / 4.0


class Throats:
    """Other people: the frequencies of an utterance stretched, its tempo and pitch kept.

    A longer or shorter vocal tract moves all resonances by one factor. It is the cheapest way to
    hear more speakers than there are recordings of (vocal tract length perturbation).
    """

    def __init__(self, mels: int = 80) -> None:
        # Slaney's mel scale, as in Whisper's filters: linear below 1 kHz, logarithmic above.
        top = _to_mel(ENGINE_HZ / 2)
        self._steps = (mels + 1) / top
        self._hz = _to_hz(np.arange(1, mels + 1) / self._steps)

    def __call__(self, mels: Tensor, factor: float) -> Tensor:
        """Features of one utterance, shape (mels, frames), resonances higher by the factor."""
        at = _to_mel_all(self._hz / factor) * self._steps - 1
        low = np.clip(np.floor(at), 0, len(at) - 2).astype(np.int64)
        share = torch.from_numpy(np.clip(at - low, 0.0, 1.0).astype(np.float32))[:, None]
        below = torch.from_numpy(low)
        return mels[below] * (1 - share) + mels[below + 1] * share


def _to_mel_all(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = 15 + np.log(np.maximum(hz, 1e-9) / 1_000) / (np.log(6.4) / 27)
    return np.where(hz < 1_000, hz / (200 / 3), above)


def _to_mel(hz: float) -> float:
    return float(_to_mel_all(np.array([hz]))[0])


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * (200 / 3), 1_000 * np.exp((mel - 15) * (np.log(6.4) / 27)))


class Batches:
    """Endless batches from the shards of a folder, which may grow meanwhile.

    Args:
        seconds: of audio in a batch.
        long_share: of the batches are padded to 30 s with zero features, as stock faster-whisper
            does with everything it hears.

    `longest_s` may be set while it runs: short utterances teach a fresh model first.
    """

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        *,
        seconds: float,
        long_share: float = 0.125,
        seed: int = 0,
    ) -> None:
        self._long_share = long_share
        self._folder = folder
        self._vocabulary = vocabulary
        self._seconds = seconds
        self._rng = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self._features = Features()
        self._throats = Throats()
        self.longest_s = 9.0

    def __iter__(self) -> Iterator[Batch]:
        """Batches, each made by another thread while the one before is trained on."""
        ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=3)

        def fill() -> None:
            try:
                for chosen in self._chosen():
                    ready.put(self.batch(chosen))
            except BaseException as error:
                ready.put(error)

        threading.Thread(target=fill, daemon=True).start()
        while True:
            match ready.get():
                case Batch() as batch:
                    yield batch
                case error:
                    raise error

    def _chosen(self) -> Iterator[list[Utterance]]:
        while True:
            paths = corpus.shards(self._folder)
            if not paths:
                raise FileNotFoundError(f"{self._folder} has no shards; build some first")
            for path in self._rng.sample(paths, len(paths)):
                yield from self._grouped(corpus.load(path))

    def _grouped(self, utterances: Sequence[Utterance]) -> Iterator[list[Utterance]]:
        """Utterances of about one length together, so that little is padded."""
        fit = [u for u in utterances if u.seconds <= self.longest_s]
        self._rng.shuffle(fit)
        for begin in range(0, len(fit), _POOL):
            groups: list[list[Utterance]] = [[]]
            for one in sorted(fit[begin : begin + _POOL], key=lambda u: u.seconds):
                if (one.seconds + _EDGE_S) * (len(groups[-1]) + 1) > self._seconds:
                    groups.append([])
                groups[-1].append(one)
            self._rng.shuffle(groups)
            yield from (group for group in groups if group)

    def batch(self, utterances: Sequence[Utterance]) -> Batch:
        """What those utterances give in one step, augmented."""
        rng = self._rng
        long = rng.random() < self._long_share
        if long:
            utterances = rng.sample(utterances, min(_LONG_UTTERANCES, len(utterances)))
        voices = [corpus.floats(u.pcm) for u in rng.sample(utterances, min(8, len(utterances)))]
        said: list[Utterance] = []
        placed: list[Placed] = []
        for one in utterances:
            if rng.random() < _NOBODY_SHARE:
                said.append(_silent(one))
                placed.append(Placed(nobody(max(0.5, one.seconds), rng, self._noise), 0.0, 0.0))
                continue
            said.append(one)
            audio = corpus.floats(one.pcm)
            placed.append(telephone(audio, rng, self._noise, voices))
        mels = self._features(torch.from_numpy(padded([p.audio for p in placed])))
        for row, one in enumerate(mels):
            if rng.random() < _OTHER_THROAT_SHARE:
                mels[row] = self._throats(one, rng.uniform(0.84, 1.22))
        self._masked(mels)
        sounds = self._sounds(said, placed, mels.shape[2] // 2)
        if long:
            missing = FULL_FRAMES - mels.shape[2]
            mels = torch.nn.functional.pad(mels, (0, missing))
            sounds = torch.nn.functional.pad(sounds, (0, missing // 2), value=IGNORED)
        inputs, outputs = self._tokens(said, placed)
        letters, counts = _letters(said)
        return Batch(
            mels=mels,
            inputs=inputs,
            outputs=outputs,
            letters=letters,
            letter_counts=counts,
            sounds=sounds,
            frames=mels.shape[2] // 2,
        )

    def _masked(self, mels: Tensor) -> None:
        """SpecAugment: bands and moments set to the mean level."""
        for one in mels:
            for _ in range(2):
                wide, at = self._rng.randint(0, 10), self._rng.randint(0, 69)
                one[at : at + wide] = 0
                long = self._rng.randint(0, 12)
                at = self._rng.randint(0, max(0, one.shape[1] - long))
                one[:, at : at + long] = 0

    def _sounds(self, said: Sequence[Utterance], placed: Sequence[Placed], frames: int) -> Tensor:
        targets = np.full((len(said), frames), IGNORED, dtype=np.int64)
        for row, (one, where) in enumerate(zip(said, placed, strict=True)):
            if len(one.targets):
                targets[row] = 0
                # A cut start leaves the end where it was: targets are laid out from there.
                end = min(frames, round(where.end_s * FRAMES_PER_S))
                begin = max(0, round(where.begin_s * FRAMES_PER_S), end - len(one.targets))
                targets[row, begin:end] = one.targets[len(one.targets) - (end - begin) :]
        return torch.from_numpy(targets)

    def _tokens(self, said: Sequence[Utterance], placed: Sequence[Placed]) -> tuple[Tensor, Tensor]:
        """Decoder inputs and what should come out after each."""
        v = self._vocabulary
        rows: list[tuple[list[int], list[int]]] = []
        for one, where in zip(said, placed, strict=True):
            if not one.text:
                rows.append(([v.start, v.no_timestamps], [v.no_speech, v.end]))
                continue
            words = v.encode(one.text)
            if self._rng.random() < _TIMES_SHARE:
                timed = [v.time(where.begin_s), *words, v.time(where.end_s)]
                rows.append(([v.start, *timed], [*timed, v.end]))
            else:
                rows.append(([v.start, v.no_timestamps, *words], [v.no_timestamps, *words, v.end]))
        longest = max(len(row) for row, _ in rows)
        inputs = torch.full((len(rows), longest), v.end)
        outputs = torch.full((len(rows), longest), IGNORED)
        for at, (row, out) in enumerate(rows):
            inputs[at, : len(row)] = torch.tensor(row)
            outputs[at, : len(out)] = torch.tensor(out)
        return inputs, outputs


def padded(audios: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Audio at 8 kHz brought to 16 kHz and to one length, a multiple of two mel frames."""
    wide = [soxr.resample(audio, RATE_HZ, ENGINE_HZ) for audio in audios]
    longest = -(-max(len(audio) for audio in wide) // (2 * HOP)) * 2 * HOP
    found = np.zeros((len(wide), longest), dtype=np.float32)
    for row, audio in zip(found, wide, strict=True):
        row[: len(audio)] = audio
    return found


def _silent(one: Utterance) -> Utterance:
    return corpus.renamed(one, text="", targets=NO_TARGETS)


def _letters(said: Sequence[Utterance]) -> tuple[Tensor, Tensor]:
    rows = [[ALPHABET.index(c) for c in one.text if c in ALPHABET] for one in said]
    counts = torch.tensor([len(row) for row in rows])
    found = torch.full((len(rows), max(1, int(counts.max()))), BLANK)
    for at, row in enumerate(rows):
        found[at, : len(row)] = torch.tensor(row, dtype=torch.long)
    return found, counts
