"""Hold music: a soft piece of our own, free of anybody's rights, or a WAV file of the operator's.

The piece is computed once. Twelve chords of four seconds, each a pad that swells under an arpeggio
of struck notes, are laid on a ring: what rings on after the end rings on at the beginning, so that
the loop has no seam. Its band is the telephone's, and notes below it are left to their overtones,
from which the ear makes up the note.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from voice.frames import RATE_HZ, Pcm
from voice.resample import resample

Floats = NDArray[np.float64]

LEVEL_DBFS: Final = -24.0
"""RMS. Below a voice, which is at -20, so that nobody takes the handset from the ear."""

MAX_FILE_S: Final = 600.0
"""10 minutes are 10 MB in memory; nobody should wait longer than that."""

_MIN_FILE_S: Final = 1.0  # less is a buzz
_LOW_HZ, _HIGH_HZ = 300.0, 3400.0  # what the telephone passes
_EDGE_HZ: Final = 60.0  # over which the band ends: a steep edge rings
_PEAK: Final = 0.7 * 32767  # 3 dB for announcements above it
_SEAM_S: Final = 0.05  # of a file, its end over its beginning

_CHORD_S: Final = 4.0
_NOTES_A_CHORD: Final = 8
_RING_S: Final = 4.0  # until a struck note is 60 dB down and is let go
_CHORDS: Final = (
    (62, 66, 69, 73),  # D major seventh
    (59, 62, 66, 69),  # B minor seventh
    (55, 62, 66, 71),  # G major seventh
    (57, 64, 67, 71),  # A dominant ninth
    (62, 66, 69, 76),  # D with its ninth
    (54, 61, 64, 69),  # F sharp minor seventh
    (59, 62, 66, 73),  # B minor with its ninth
    (52, 59, 62, 67),  # E minor seventh
    (55, 59, 66, 69),  # G major seventh with its ninth
    (54, 57, 61, 64),  # F sharp minor seventh, low
    (52, 59, 67, 74),  # E minor seventh, open
    (57, 62, 64, 67),  # A suspended
)
"""Notes as MIDI numbers, 69 is the A of 440 Hz; the last chord leads back to the first."""
_ORDER: Final = (0, 2, 1, 3, 2, 1, 3, 2)  # in which a chord's notes are struck
_ACCENTS: Final = (1.0, 0.62, 0.75, 0.58, 0.84, 0.6, 0.72, 0.55)
_OVERTONES: Final = ((1, 1.0), (2, 0.5), (3, 0.22), (4, 0.1))


class MusicFileError(ValueError):
    """A file cannot be used as hold music; the message names the file, and says why."""


@lru_cache(maxsize=1)
def hold_music() -> Pcm:
    """48 s of music that loop without a seam: int16, shape (384000,), read-only; always the same.

    It takes half a second to compute, once a process: ask for it before the first call.
    """
    ring = np.zeros(round(len(_CHORDS) * _CHORD_S * RATE_HZ))
    for number, chord in enumerate(_CHORDS):
        begins_s = number * _CHORD_S
        for note in chord:
            _add(ring, begins_s - 1.0, _pad(_hertz(note + 12)))
        for step, (which, accent) in enumerate(zip(_ORDER, _ACCENTS, strict=True)):
            struck = accent * _struck(_hertz(chord[which] + 12))
            _add(ring, begins_s + step * _CHORD_S / _NOTES_A_CHORD, struck)
    return _at_level(_in_band(ring))


def load_music(path: Path) -> Pcm:
    """A WAV file of any rate, sample format and number of channels, as music that loops.

    Mixed to mono, at LEVEL_DBFS, its end faded over its beginning: int16, shape (n,), read-only.
    Files are read once; one that has changed since is read again.

    Raises:
        MusicFileError: no such file, not a WAV, damaged, silent, or not 1 s to MAX_FILE_S long.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise MusicFileError(f"{path}: {error.strerror or error}") from error
    return _loaded(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _loaded(path: Path, _changed_ns: int, _size: int) -> Pcm:
    rate_hz, samples = _read(path)
    seconds = len(samples) / rate_hz
    if not _MIN_FILE_S <= seconds <= MAX_FILE_S:
        raise MusicFileError(
            f"{path}: is {seconds:.1f} s long; hold music is {_MIN_FILE_S:.0f} to "
            f"{MAX_FILE_S:.0f} s"
        )
    mono = samples.astype(np.float64).reshape(len(samples), -1).mean(axis=1)
    mono -= mono.mean()
    loudest = float(np.abs(mono).max())
    if not np.isfinite(loudest) or loudest == 0:
        raise MusicFileError(f"{path}: is silent or has samples that are no numbers")
    pcm = np.rint(mono * (_PEAK / loudest)).astype(np.int16)
    return _at_level(_closed_up(resample(pcm, rate_hz, RATE_HZ).astype(np.float64)))


def _read(path: Path) -> tuple[int, NDArray[Any]]:
    """The rate in Hz, and the samples, shape (n,) or (n, channels)."""
    from scipy.io import wavfile  # on first use: most installations play the piece of our own

    try:
        rate_hz, samples = cast(Any, wavfile).read(path)
    except OSError as error:
        raise MusicFileError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # a damaged header fails in as many ways as there are fields
        raise MusicFileError(f"{path}: not a WAV file that can be read ({error})") from error
    if rate_hz <= 0:
        raise MusicFileError(f"{path}: has a sample rate of {rate_hz} Hz")
    if samples.dtype == np.uint8:  # 8 bits are unsigned in WAV, all else is signed
        samples = samples.astype(np.int16) - 128
    return int(rate_hz), samples


def _hertz(note: int) -> float:
    return 440.0 * 2 ** ((note - 69) / 12)


def _struck(hertz: float) -> Floats:
    """A soft electric piano: overtones that die the sooner the higher they are."""
    time_s = np.arange(round(_RING_S * RATE_HZ)) / RATE_HZ
    attack = np.minimum(time_s / 0.012, 1.0)  # softer than a hammer
    release = np.minimum((_RING_S - time_s) / 0.2, 1.0)
    sound = np.zeros(len(time_s))
    for order, strength in _OVERTONES:
        decay = np.exp(-time_s * (1.6 + 0.5 * order))
        sound += strength * decay * np.sin(2 * np.pi * order * hertz * time_s)
    return 0.5 * attack * release * sound


def _pad(hertz: float) -> Floats:
    """Swells for a second before its chord and fades for a second after it; two strings beat."""
    time_s = np.arange(round((_CHORD_S + 2.0) * RATE_HZ)) / RATE_HZ
    ends_s = _CHORD_S + 2.0 - time_s
    swell = np.sin(np.pi / 2 * np.clip(np.minimum(time_s, ends_s) / 2.0, 0.0, 1.0)) ** 2
    strings = (np.sin(2 * np.pi * hertz * cents * time_s) for cents in (0.9988, 1.0012))
    return 0.09 * swell * np.sum(list(strings), axis=0)


def _add(ring: Floats, begins_s: float, sound: Floats) -> None:
    """Lay a sound on the ring, round its end if need be."""
    begin = round(begins_s * RATE_HZ)
    ring[np.arange(begin, begin + len(sound)) % len(ring)] += sound


def _in_band(ring: Floats) -> Floats:
    """Only the telephone's band; a filter over the whole ring leaves no seam."""
    hertz = np.fft.rfftfreq(len(ring), 1 / RATE_HZ)
    above = np.clip((hertz - _LOW_HZ) / _EDGE_HZ, 0.0, 1.0)
    below = np.clip((_HIGH_HZ - hertz) / _EDGE_HZ, 0.0, 1.0)
    spectrum = np.fft.rfft(ring) * np.sin(np.pi / 2 * above) ** 2 * np.sin(np.pi / 2 * below) ** 2
    return np.fft.irfft(spectrum, len(ring))


def _closed_up(pcm: Floats) -> Floats:
    """A loop of what was not one: shorter by the seam, over which the end becomes the beginning."""
    seam = round(_SEAM_S * RATE_HZ)
    up = np.sin(np.pi / 2 * (np.arange(seam) + 0.5) / seam) ** 2
    closed = pcm[seam:].copy()
    closed[-seam:] = closed[-seam:] * (1 - up) + pcm[:seam] * up
    return closed


def _at_level(sound: Floats) -> Pcm:
    """At LEVEL_DBFS, or softer where its peaks would not fit; int16, read-only."""
    rms, peak = float(np.sqrt(np.mean(sound**2))), float(np.abs(sound).max())
    gain = min(32768 * 10 ** (LEVEL_DBFS / 20) / rms, _PEAK / peak)
    pcm = np.rint(sound * gain).astype(np.int16)
    pcm.flags.writeable = False
    return pcm
