"""Other people out of the voices at hand: pitch, melody, breath and rhythm changed, words kept.

Speech is split into a source and the resonances of mouth and throat (linear prediction, Makhoul
1975). The source is sung at another pitch, which leaves the resonances where they are; frames of it
are laid anew where their waves fit (WSOLA, Verhelst and Roelands 1993), which leaves the pitch
where it is when the rhythm changes. Resampling alone can only make one person larger or smaller.
"""

import random
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.train.corpus import RATE_HZ
from models.train.phonemes import FRAMES_PER_S

Audio = NDArray[np.float32]

_ORDER: Final = 12
_WINDOW: Final = 240  # 30 ms
_HOP: Final = 80
_FFT: Final = 512
_NARROWEST: Final = 0.995  # poles this far inside the unit circle: what a wave leaves dies away
_FINE: Final = 2  # the source is read between its samples
_LAID: Final = 160  # half of the frames that WSOLA lays
_SEARCH: Final = 64  # samples to each side in which the waves are made to fit
_KNOT_S: Final = 0.35  # rhythm changes from one such stretch to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How somebody speaks, against the speech at hand.

    pitch: float64, shape (n,), a factor for each sample. breath: the share of the source that is
    noise, 0 to 1. heard: float64, shape (m,), the sample that sounds at each sample of the result.
    """

    pitch: NDArray[np.float64]
    breath: float
    heard: NDArray[np.float64]


def drawn(length: int, rng: random.Random) -> Manner:
    """A manner for speech of so many samples."""
    seconds = np.arange(length) / RATE_HZ
    sung = rng.uniform(0.0, 0.22) * np.sin(
        2 * np.pi * (rng.uniform(0.2, 1.6) * seconds + rng.random())
    )
    falling = rng.uniform(-0.12, 0.08) * seconds
    pitch = np.exp(rng.uniform(-0.4, 0.65) + sung + falling)
    knots = max(2, round(length / RATE_HZ / _KNOT_S) + 1)
    slower = [rng.uniform(0.82, 1.25) for _ in range(knots)]
    pace = np.interp(np.linspace(0, knots - 1, length), range(knots), slower)
    at = np.cumsum(pace)
    heard = np.interp(np.arange(round(at[-1])), at, np.arange(length))
    breath = rng.uniform(0.1, 0.5) if rng.random() < 0.3 else 0.0
    return Manner(pitch=pitch.clip(0.5, 2.5), breath=breath, heard=heard)


def revoiced(
    audio: Audio, targets: NDArray[np.int16], manner: Manner, noise: np.random.Generator
) -> tuple[Audio, NDArray[np.int16]]:
    """The same words in that manner, and their targets.

    Args:
        audio: float32, shape (n,), 8 kHz. targets: int16, 50 a second; may be empty.
    """
    if len(audio) < 2 * _WINDOW:
        return audio, targets
    resonances = _resonances(audio)
    source = _filtered(audio, resonances)
    source = _breathed(source, manner.breath, noise)
    laid = _laid(source, manner)
    ends = np.minimum(np.arange(0, len(laid), _HOP), len(laid) - 1)
    frames = np.round(manner.heard[ends] / _HOP).astype(int)
    moved = resonances[np.minimum(frames, len(resonances) - 1)]
    spoken = _filtered(laid, 1.0 / moved)
    if not len(targets):
        return spoken, targets
    every = RATE_HZ // FRAMES_PER_S
    at = manner.heard[np.minimum(np.arange(0, len(laid), every), len(laid) - 1)] / every
    return spoken, targets[np.minimum(at.astype(int), len(targets) - 1)]


def _framed(audio: Audio, count: int) -> NDArray[np.float32]:
    """Hann-windowed frames, one centred on every hop; they add up to 1.5 times the audio."""
    edge = _WINDOW // 2
    wide = np.pad(audio, (edge, edge + _WINDOW))
    starts = np.arange(count)[:, None] * _HOP + np.arange(_WINDOW)[None, :]
    return wide[starts] * np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _resonances(audio: Audio) -> NDArray[np.complex128]:
    """The inverse filter of each hop, as its spectrum: shape (hops, _FFT / 2 + 1)."""
    frames = _framed(audio, len(audio) // _HOP + 1)
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2
    lags = np.fft.irfft(power)[:, : _ORDER + 1]
    lags[:, 0] = lags[:, 0] * 1.0001 + 1e-7
    rows = np.abs(np.arange(_ORDER)[:, None] - np.arange(_ORDER)[None, :])
    weights = np.linalg.solve(lags[:, rows], lags[:, 1:, None])[..., 0]
    inside = _NARROWEST ** np.arange(_ORDER + 1)
    inverse = np.concatenate([np.ones((len(weights), 1)), -weights], axis=1) * inside
    return np.fft.rfft(inverse, _FFT)


def _filtered(audio: Audio, spectra: NDArray[np.complex128]) -> Audio:
    """Each hop through its own filter; the pieces overlap."""
    frames = _framed(audio, len(spectra))
    pieces = np.fft.irfft(np.fft.rfft(frames, _FFT) * spectra, _FFT)
    whole = np.zeros(len(spectra) * _HOP + _FFT)
    for part in range(0, _FFT, _HOP):  # each piece lies over several hops
        long = min(_HOP, _FFT - part)
        rows = whole[part : part + len(spectra) * _HOP].reshape(-1, _HOP)
        rows[:, :long] += pieces[:, part : part + long]
    edge = _WINDOW // 2
    return (whole[edge : edge + len(audio)] / 1.5).astype(np.float32)


def _breathed(source: Audio, share: float, noise: np.random.Generator) -> Audio:
    if not share:
        return source
    loud = np.sqrt(np.convolve(np.square(source), np.full(_LAID, 1 / _LAID), mode="same"))
    breath = noise.standard_normal(len(source)) * loud
    return ((1 - share) * source + share * breath).astype(np.float32)


def _laid(source: Audio, manner: Manner) -> Audio:
    """The source at its new pitch and rhythm, frame by frame where the waves fit."""
    at = np.concatenate([[0.0], np.cumsum(1 / manner.pitch)])  # where each sample sounds then
    count = int(at[-1])
    read = np.interp(np.arange(count), at[:-1], np.arange(len(source)))
    fine = np.fft.irfft(np.fft.rfft(source), _FINE * len(source)) * _FINE
    sung = np.interp(read * _FINE, np.arange(len(fine)), fine)
    sung = np.pad(sung, (_LAID + _SEARCH, 3 * _LAID + 2 * _SEARCH))
    window = np.hanning(2 * _LAID + 1)[:-1]
    made = np.zeros(len(manner.heard) + 2 * _LAID)
    last = -1
    for begin in range(0, len(manner.heard), _LAID):
        wanted = int(at[int(manner.heard[begin])]) + _LAID + _SEARCH
        wanted = min(wanted, len(sung) - 2 * _LAID - _SEARCH)
        best = wanted
        if last >= 0:
            follows = sung[last + _LAID : last + 2 * _LAID]
            around = sung[wanted - _SEARCH : wanted + _SEARCH + _LAID]
            best += _fitting(around, follows) - _SEARCH
        made[begin : begin + 2 * _LAID] += sung[best : best + 2 * _LAID] * window
        last = min(best, len(sung) - 2 * _LAID)
    return made[: len(manner.heard)].astype(np.float32)


def _fitting(around: NDArray[np.float64], follows: NDArray[np.float64]) -> int:
    """Where in `around` the wave is most like `follows`."""
    alike = np.correlate(around, follows, mode="valid")
    sums = np.concatenate([[0.0], np.cumsum(np.square(around))])
    power = sums[len(follows) :] - sums[: -len(follows)]
    return int(np.argmax(alike / np.sqrt(np.maximum(power, 1e-9))))
