"""Keys heard as tones in the audio: in-band DTMF, ITU-T Q.23 and Q.24.

A key is two tones, one of a low and one of a high group, and nothing else: no harmonics, no drift.
Speech has all of these, which is how the two are told apart. Every 10 ms a window of 20 ms is
measured at the eight frequencies, each also a little to either side, and at their doubles
(Goertzel's sums, all of them as one matrix product). A window shows a key when

- both tones are loud enough, and neither is much louder than the other (twist);
- the two hold most of the window's energy;
- neither has a second harmonic to speak of, as a voice would;
- their phases went on from the window before as the key's own frequencies do.

Three windows in a row that show the same key are a press; three that do not are its end.

Which source of keys to trust. Most networks carry keys out of band, as RFC 4733 events or SIP INFO,
and many of them leave the tone, or its beginning, in the audio as well. So a call has one source of
keys: this detector is asked only while the leg has neither negotiated `telephone-event` nor ever
reported a key itself. A leg that negotiated it and reports none is still not second-guessed: the
far end promised events, and what sounds like a key there is most likely one that is on its way. On
the first key from the leg, call `reset` and stop feeding the detector for the rest of the call.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

_LOW_HZ: Final = (697.0, 770.0, 852.0, 941.0)
_HIGH_HZ: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")  # by low, then high frequency

_WINDOW: Final = FRAME_SAMPLES
_HOP: Final = _WINDOW // 2
_HOP_S: Final = _HOP / RATE_HZ
_DETUNING: Final = np.array([-0.012, 0.0, 0.012])
"""Where around each frequency the tone is looked for: keys may be off by ±1.5 % (Q.24)."""

_MIN_DBFS: Final = -36.0  # each tone; -30 must be heard also where it fills half of a window
_MAX_FORWARD_TWIST: Final = 10 ** (6 / 10)  # high over low; Q.24 asks for 4 dB, noise adds to it
_MAX_REVERSE_TWIST: Final = 10 ** (10 / 10)  # low over high; Q.24 asks for 8 dB
_MIN_SHARE: Final = 0.62  # of the energy in the two tones; at 8 dB SNR they hold 0.86 on average
_MIN_SHARE_HELD: Final = 0.35  # while the key is down: a click in a long press does not split it
_MAX_HARMONIC: Final = 0.12  # power at twice a tone's frequency; noise at 8 dB SNR gives 0.01
_MAX_OFF: Final = 0.025  # deviation of frequency; Q.24 refuses 3.5 %
_PRESS_WINDOWS: Final = 3  # 40 ms, with the first and the last at least two thirds full
_RELEASE_WINDOWS: Final = 3  # keys follow each other after 40 ms; a gap of 10 ms is a drop-out

_FLOOR: Final = 1.0  # power of a sample's rounding: keeps quotients finite


def _detuned() -> NDArray[np.float64]:
    """The frequencies measured, shape (8, 3): low then high group, each around its nominal."""
    return np.array(_LOW_HZ + _HIGH_HZ)[:, None] * (1 + _DETUNING)


def _basis() -> NDArray[np.complex64]:
    """One column per sum, scaled so that |sum|² is a tone's mean power; shape (160, 24 + 8)."""
    hertz = np.concatenate((_detuned().ravel(), 2 * np.array(_LOW_HZ + _HIGH_HZ)))
    time_s = np.arange(_WINDOW) / RATE_HZ
    sums = np.exp(-2j * np.pi * time_s[:, None] * hertz) * (np.sqrt(2) / _WINDOW)
    return sums.astype(np.complex64)


_BASIS: Final = np.ascontiguousarray(_basis().view(np.float32))
"""Real and imaginary parts as neighbouring columns: one real matrix product does all sums."""

_TONES: Final = _detuned()
_CROWDED: Final = [[abs(2 * low - high) < 100.0 for high in _HIGH_HZ] for low in _LOW_HZ]
"""Where the low tone's double cannot be told from the high tone: two windows' width apart."""
_MIN_POWER: Final = 32768**2 * 10 ** (_MIN_DBFS / 10)


class ToneDetector:
    """Finds key presses in one call's incoming audio; give it every frame, in order."""

    def __init__(self) -> None:
        self._samples = np.zeros(_HOP + FRAME_SAMPLES, dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._samples[:] = 0.0
        self._seen: str | None = None  # the key in the latest window
        self._hits = 0  # windows in a row that showed it
        self._phases = (0.0, 0.0)  # of its two tones, at their nominal frequencies
        self._held: str | None = None  # reported and not yet released
        self._misses = 0  # windows in a row without the held key

    def receive(self, pcm: Pcm) -> str | None:
        """Take 20 ms, shape (160,); the key whose press is confirmed in it, once per press."""
        samples = self._samples
        samples[:_HOP] = samples[FRAME_SAMPLES:]
        samples[_HOP:] = pcm
        if self._idle and float(samples @ samples) < _MIN_POWER * _WINDOW:
            return None  # neither window can reach the level of one tone, let alone two
        windows = np.stack((samples[:_WINDOW], samples[_HOP:]))
        sums = (windows @ _BASIS).view(np.complex64)
        totals = np.einsum("ij,ij->i", windows, windows) / _WINDOW + _FLOOR
        first = self._advance(self._key_in(sums[0], float(totals[0])))
        return self._advance(self._key_in(sums[1], float(totals[1]))) or first

    @property
    def _idle(self) -> bool:
        return self._hits == 0 and self._held is None

    def _advance(self, key: str | None) -> str | None:
        """Count one window; the key if it completes a press."""
        self._hits = self._hits + 1 if key is not None and key == self._seen else int(bool(key))
        self._seen = key
        if self._held is not None:
            self._misses = 0 if key == self._held else self._misses + 1
            if self._misses >= _RELEASE_WINDOWS:
                self._held = None
        if self._hits >= _PRESS_WINDOWS and self._held != key:
            self._held, self._misses = key, 0
            return key
        return None

    def _key_in(self, sums: NDArray[np.complex64], total: float) -> str | None:
        """The key that one window shows; `sums` has shape (32,), `total` is its mean power."""
        tones = sums[:24].reshape(8, 3)
        powers = np.square(tones.real) + np.square(tones.imag)
        best = powers.max(axis=1)
        low, high = int(best[:4].argmax()), int(best[4:].argmax())
        low_power, high_power = float(best[low]), float(best[4 + high])
        key = _KEYS[low][high]
        share = (low_power + high_power) / total
        if key == self._held:
            return key if share >= _MIN_SHARE_HELD else None
        if share < _MIN_SHARE or not _levels_fit(low_power, high_power):
            return None
        if not _CROWDED[low][high] and _harmonic(sums[24 + low]) > _MAX_HARMONIC * low_power:
            return None
        if _harmonic(sums[28 + high]) > _MAX_HARMONIC * high_power:
            return None
        return key if self._goes_on(key, low, 4 + high, tones) else None

    def _goes_on(self, key: str, low: int, high: int, tones: NDArray[np.complex64]) -> bool:
        """Whether both tones run on from the window before at about their nominal frequencies."""
        before = self._phases if key == self._seen else None
        self._phases = float(np.angle(tones[low, 1])), float(np.angle(tones[high, 1]))
        if before is None:
            return True
        return all(
            _deviation(_TONES[tone, 1], now - then) <= _MAX_OFF
            for tone, now, then in zip((low, high), self._phases, before, strict=True)
        )


def _levels_fit(low_power: float, high_power: float) -> bool:
    if min(low_power, high_power) < _MIN_POWER:
        return False
    return high_power <= _MAX_FORWARD_TWIST * low_power and (
        low_power <= _MAX_REVERSE_TWIST * high_power
    )


def _harmonic(value: np.complex64) -> float:
    return float(value.real**2 + value.imag**2)


def _deviation(hertz: float, advance: float) -> float:
    """How far, relative to `hertz`, a tone is off whose phase advanced so many radians in a hop."""
    cycles = advance / (2 * np.pi) - hertz * _HOP_S
    return float(abs(cycles - round(cycles)) / _HOP_S / hertz)
