# ruff: noqa: SIM905 (a hundred words read better as a paragraph than as a list)
"""Speech from espeak-ng, with the time of every phoneme.

espeak-ng reports phonemes as events while it speaks, which gives exact targets for every frame.
Its state is global to the process, so that there is one `EspeakVoices` in each.
"""

import ctypes
import random
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from models.train import phonemes
from models.train.corpus import RATE_HZ

LANGUAGES: Final = (
    "en-us en-us en-us en-gb en-gb en-gb-x-rp en-gb-scotland en-029 en-us-nyc en-gb-x-gbclan "
    "en-gb-x-gbcwmd"
).split()
NAMED: Final = (
    "Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario "
    "Michael Mike Nguyen Reed RicishayMax RicishayMax2 Storm adam anika announcer antonio aunty "
    "belinda benjamin boris caleb croak david ed edward edward2 grandma grandpa gustave ian iven "
    "iven2 iven3 john kaukovalta klatt klatt2 klatt3 klatt4 klatt5 klatt6 linda marcelo max "
    "michel miguel norbert pablo paul pedro quincy rob robert robosoft2 robosoft5 sandro shelby "
    "steph steph2 travis victor zac"
).split()
"""Variants with names: other throats and breaths; klatt is another way to make the sound."""

TRAINING: Final = tuple(
    f"{language}{variant}"
    for language in LANGUAGES
    for variant in (
        "",
        *(f"+m{n}" for n in range(1, 8)),
        *(f"+f{n}" for n in range(1, 5)),
        *(f"+{name}" for name in NAMED),
    )
)
HELD_OUT: Final = tuple(
    f"{language}{variant}" for language in ("en-us", "en-gb") for variant in ("+m8", "+f5")
)
"""Variants that training never hears, in any of the languages."""

_AUDIO_OUTPUT_RETRIEVAL: Final = 1
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_PHONEME_EVENTS: Final = 1
_EVENT_END: Final = 0
_EVENT_PHONEME: Final = 7
_UTF8: Final = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms from the start
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakVoices:
    """espeak-ng as a source of training speech.

    Raises:
        OSError: the library does not load or does not start.
    """

    def __init__(self) -> None:
        import espeakng_loader

        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self._hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 500, data, _PHONEME_EVENTS
        )
        if self._hz <= 0:
            raise OSError(f"espeak-ng did not start with the data in {data!r}")
        self._audio: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _Callback(self._received)  # kept: C holds only a bare pointer to it

    def speak(
        self, text: str, voice: str, rng: random.Random
    ) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        """Audio at 8 kHz and its phoneme targets, with random rate, pitch and range."""
        self._audio.clear()
        self._events.clear()
        # The library has one callback for the process, and the server's voice one of its own.
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetVoiceByName(voice.encode())
        for parameter, low, high in ((_RATE, 115, 240), (_PITCH, 10, 90), (_RANGE, 15, 85)):
            self._library.espeak_SetParameter(parameter, rng.randint(low, high), 0)
        raw = text.encode()
        self._library.espeak_Synth(raw, len(raw) + 1, 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        if not self._audio:
            return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int16)
        wide = np.concatenate(self._audio).astype(np.float32) / 32768.0
        seconds = len(wide) / self._hz
        ends = [at / 1000 for at, _ in self._events[1:]] + [seconds]
        spans = (
            (phonemes.espeak(name), at / 1000, end_s)
            for (at, name), end_s in zip(self._events, ends, strict=False)
        )
        return soxr.resample(wide, self._hz, RATE_HZ), phonemes.frames(spans, seconds)

    def _received(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            self._audio.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type != _EVENT_END:
            if events[at].type == _EVENT_PHONEME:
                name = events[at].string.decode("utf-8", "ignore")
                self._events.append((events[at].audio_position, name))
            at += 1
        return 0
