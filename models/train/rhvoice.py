"""Speech from RHVoice: voices of people, as statistics of their recordings.

Its library is not in every distribution (https://github.com/RHVoice/RHVoice has its sources, and
each voice in a repository of its own); where the loader finds none, training does without. It does
not tell when phonemes sound. slt, one more of its voices, is held out with those of flite and
Festival, which are the same woman.
"""

import ctypes
import ctypes.util
import random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

VOICES: Final = ("Alan", "Bdl", "Clb", "Ksp")
"""Those whose licence allows training: their speakers recorded them for free use, or they come
under RHVoice's own licence. Those of the RHVoice Lab do not."""

_TEXT: Final = 0  # RHVoice_message_text
_GO_ON: Final = 1

_SetRate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_Play = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_uint, ctypes.c_void_p
)


class _Callbacks(ctypes.Structure):
    _fields_ = (
        ("set_sample_rate", _SetRate),
        ("play_speech", _Play),
        ("unused", ctypes.c_void_p * 7),
    )


class _InitParams(ctypes.Structure):
    _fields_ = (
        ("data_path", ctypes.c_char_p),
        ("config_path", ctypes.c_char_p),
        ("resource_paths", ctypes.c_void_p),
        ("callbacks", _Callbacks),
        ("options", ctypes.c_uint),
    )


class _SynthParams(ctypes.Structure):
    _fields_ = (
        ("voice_profile", ctypes.c_char_p),
        ("absolute_rate", ctypes.c_double),
        ("absolute_pitch", ctypes.c_double),
        ("absolute_volume", ctypes.c_double),
        ("relative_rate", ctypes.c_double),
        ("relative_pitch", ctypes.c_double),
        ("relative_volume", ctypes.c_double),
        ("punctuation_mode", ctypes.c_int),
        ("punctuation_list", ctypes.c_char_p),
        ("capitals_mode", ctypes.c_int),
        ("flags", ctypes.c_int),
    )


def library() -> str | None:
    """RHVoice's shared library, None where it is not installed."""
    return ctypes.util.find_library("RHVoice")


class RhVoices:
    """RHVoice as a source of training speech.

    Raises:
        OSError: the library is missing, does not load, or finds no voice.
    """

    def __init__(self) -> None:
        name = library()
        if name is None:
            raise OSError("RHVoice is not installed")
        self._library: Any = ctypes.CDLL(name)
        self._library.RHVoice_new_tts_engine.restype = ctypes.c_void_p
        self._library.RHVoice_new_message.restype = ctypes.c_void_p
        self._library.RHVoice_speak.argtypes = (ctypes.c_void_p,)
        self._library.RHVoice_delete_message.argtypes = (ctypes.c_void_p,)
        self._hz = 0
        self._audio: list[NDArray[np.int16]] = []
        # Kept: C holds only a bare pointer to it.
        self._callbacks = _Callbacks(_SetRate(self._rate_is), _Play(self._received))
        wanted = _InitParams(None, None, None, self._callbacks, 0)
        engine = self._library.RHVoice_new_tts_engine(ctypes.byref(wanted))
        if not engine:
            raise OSError("RHVoice finds no voice")
        self._engine = ctypes.c_void_p(engine)

    def speak(
        self, text: str, voice: str, rng: random.Random
    ) -> tuple[NDArray[np.float32], int] | None:
        """Audio and its rate, with random speed and pitch; None when it cannot say it."""
        self._audio.clear()
        raw = text.encode()
        rate, pitch = rng.uniform(0.75, 1.4), rng.uniform(0.85, 1.18)
        wanted = _SynthParams(voice.encode(), 0, 0, 0, rate, pitch, 1, 0, None, 0, 0)
        message = self._library.RHVoice_new_message(
            self._engine, raw, len(raw), _TEXT, ctypes.byref(wanted), None
        )
        if not message:
            return None
        self._library.RHVoice_speak(message)
        self._library.RHVoice_delete_message(message)
        if not self._audio:
            return None
        return np.concatenate(self._audio).astype(np.float32) / 32768.0, self._hz

    def _rate_is(self, hz: int, _: Any) -> int:
        self._hz = hz
        return _GO_ON

    def _received(self, samples: Any, count: int, _: Any) -> int:
        self._audio.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return _GO_ON
