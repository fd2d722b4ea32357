"""The built-in voice: espeak-ng, in process.

espeak-ng is one C library with one global state: one voice, one rate, one callback. So one lock
guards it, every rendering sets all parameters, and the callback is registered once. Rendering a
sentence takes a few milliseconds: waiting for the lock is cheaper than a process per voice.

Text goes in as plain UTF-8: neither SSML nor [[phonemes]] in it are interpreted, so that a name
from a back end cannot change how the rest is spoken.
"""

import ctypes
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.errors import EngineError
from models.piper_voice import clauses, pause_after
from models.speech import SILENT, Samples, Speech, Timing, clean_text, finish, pause, speakable

# speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2  # audio comes to the callback before espeak_Synth returns
_INITIALIZE_DONT_EXIT: Final = 0x8000  # a missing data folder is an error code, not exit(1)
_CHARS_UTF8: Final = 1
_POS_CHARACTER: Final = 1
_EE_OK: Final = 0
_RATE, _VOLUME, _PITCH = 1, 2, 3
_EVENT_LIST_TERMINATED, _EVENT_WORD, _EVENT_END = 0, 1, 5
_BUFFER_MS: Final = 200  # per callback; only the number of callbacks depends on it

RATE_WPM_MIN: Final = 80  # espeakRATE_MINIMUM
RATE_WPM_MAX: Final = 450  # espeakRATE_MAXIMUM


_AT_ONCE_WORDS: Final = 12  # rendered in well under 60 ms whatever else the machine does

_VOICE_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?(\+[A-Za-z0-9_-]+)?")
"""Voices are looked up as files under the data folder: nothing that leads out of it."""


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, counted from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


class _VoiceEntry(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Library:
    """The loaded library; every use of it under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._audio: list[bytes] = []
        self._marks: list[tuple[int, int, int]] = []  # event type, text position, sample
        self._lib = _loaded()
        self._callback = _CALLBACK(self._on_audio)  # kept: C holds the only other reference
        self.rate_hz = self._initialised()
        self._languages = self._listed_languages()
        self._variants = _variants()

    def _initialised(self) -> int:
        import espeakng_loader

        data_path: str = espeakng_loader.get_data_path()
        rate_hz: int = self._lib.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS, data_path.encode(), _INITIALIZE_DONT_EXIT
        )
        if rate_hz <= 0:
            raise EngineError(f"espeak-ng does not start: no usable data in {data_path}")
        return rate_hz

    def _on_audio(self, wav: Any, count: int, events: Any) -> int:
        if wav and count > 0:
            self._audio.append(ctypes.string_at(wav, count * 2))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type in (_EVENT_WORD, _EVENT_END):
                self._marks.append((event.type, event.text_position, event.sample))
            index += 1
        return 0

    def resolve(self, name: str) -> str | None:
        """The library's own name for a voice or a language, with its variant; None if unknown.

        The library ignores a variant it does not have, and knows some languages only by the voices
        that speak them: `en-gb` is the voice gmw/en.
        """
        if not _VOICE_NAME.fullmatch(name):
            return None
        base, plus, variant = name.partition("+")
        if plus and variant not in self._variants:
            return None
        with self.lock:
            if self._lib.espeak_SetVoiceByName(base.encode()) == _EE_OK:
                return name
            speakers = self._languages.get(base.lower())
            return None if speakers is None else f"{speakers}{plus}{variant}"

    def _listed_languages(self) -> dict[str, str]:
        """The best voice for each language; the lowest priority number is the best."""
        best: dict[str, tuple[int, str]] = {}
        voices = self._lib.espeak_ListVoices(None)
        index = 0
        while voices[index]:
            voice = voices[index].contents
            for priority, language in _languages_of(voice.languages):
                ranked = (priority, voice.identifier.decode())
                best[language] = min(best.get(language, ranked), ranked)
            index += 1
        return {language: identifier for language, (_, identifier) in best.items()}

    def synthesise(
        self, text: str, voice: "EspeakVoice"
    ) -> tuple[Samples, list[tuple[int, int, int]]]:
        """Audio at `rate_hz`, and (event type, text position from 1, sample) in time order."""
        raw = text.encode() + b"\0"
        with self.lock:
            self._audio, self._marks = [], []
            # The library has one callback for the process, and training has one of its own.
            self._lib.espeak_SetSynthCallback(self._callback)
            if self._lib.espeak_SetVoiceByName(voice.resolved.encode()) != _EE_OK:
                raise EngineError(f"espeak-ng lost its voice {voice.voice!r}")
            self._lib.espeak_SetParameter(_RATE, voice.rate_wpm, 0)
            self._lib.espeak_SetParameter(_PITCH, voice.pitch, 0)
            self._lib.espeak_SetParameter(_VOLUME, 100, 0)
            status = self._lib.espeak_Synth(
                raw, len(raw), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            if status != _EE_OK:
                raise EngineError(f"espeak-ng failed with status {status}")
            audio, marks = b"".join(self._audio), self._marks
        return np.frombuffer(audio, dtype=np.int16).astype(np.float32) / 32768.0, marks


def _languages_of(address: int) -> Iterator[tuple[int, str]]:
    """Entries of a voice's list: a priority byte, the name, a NUL; a zero byte ends the list."""
    while (priority := ctypes.string_at(address, 1)[0]) != 0:
        name = ctypes.string_at(address + 1)
        yield priority, name.decode().lower()
        address += len(name) + 2


def _variants() -> frozenset[str]:
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


def _loaded() -> Any:
    import espeakng_loader

    path: str = espeakng_loader.get_library_path()
    try:
        lib: Any = ctypes.CDLL(path)
    except OSError as error:
        raise EngineError(f"espeak-ng cannot be loaded: {error}") from error
    lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    lib.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    lib.espeak_SetSynthCallback.restype = None
    lib.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    lib.espeak_ListVoices.argtypes = [ctypes.c_void_p]
    lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
    lib.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    lib.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return lib


_load_lock: Final = threading.Lock()


@cache
def _library_once() -> _Library:
    return _Library()


def _library() -> _Library:
    with _load_lock:  # functools.cache alone lets two first callers initialise twice
        return _library_once()


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """One espeak-ng voice with its settings; thread-safe, cheap to make.

    Args:
        voice: a language or voice of espeak-ng, `en-us`, or with a variant, `en-gb+f3`.
        rate_wpm: words per minute, 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.

    Raises:
        ValueError: rate or pitch out of range.
        EngineError: the library does not load, or has no such voice.
    """

    voice: str = "en-us"
    rate_wpm: int = 165
    pitch: int = 50
    resolved: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not RATE_WPM_MIN <= self.rate_wpm <= RATE_WPM_MAX:
            raise ValueError(f"rate_wpm is {self.rate_wpm}, not {RATE_WPM_MIN} to {RATE_WPM_MAX}")
        if not 0 <= self.pitch <= 99:
            raise ValueError(f"pitch is {self.pitch}, not 0 to 99")
        resolved = _library().resolve(self.voice)
        if resolved is None:
            raise EngineError(f"espeak-ng has no voice {self.voice!r}")
        object.__setattr__(self, "resolved", resolved)

    @property
    def name(self) -> str:
        return f"espeak:{self.voice} {self.rate_wpm} wpm pitch {self.pitch}"

    def render(self, text: str) -> Speech:
        """Speak `text`; empty for a text without anything to say.

        Raises:
            ValueError: the text is too long or not valid Unicode.
            EngineError: the library failed.
        """
        text = clean_text(text)
        if not speakable(text):
            return SILENT
        library = _library()
        samples, marks = library.synthesise(text, self)
        timings = _word_timings(text, marks, len(samples), library.rate_hz)
        return finish(samples, library.rate_hz, timings)

    def stream(self, text: str) -> Iterator[Speech]:
        """Speak `text`, a long one clause by clause; same errors as `render`.

        Rendering takes a millisecond a word, more on a busy machine, and a reply must not wait for
        the last word of it. A short text is one part: its melody is that of the whole.
        """
        text = clean_text(text)
        parts = clauses(text) if len(text.split(" ")) > _AT_ONCE_WORDS else [text]
        for index, part in enumerate(parts):
            speech = self.render(part)
            if len(speech.pcm):
                yield speech
                yield from pause(pause_after(part) if index + 1 < len(parts) else 0.0)


def _word_timings(
    text: str, marks: list[tuple[int, int, int]], total: int, rate_hz: int
) -> list[Timing]:
    """One entry for each white-space separated token of `text`.

    espeak-ng reports words as it says them: "$5" or "3:30" make several, a dash none. A token
    starts with the first word in it and ends where the next word begins, or the next clause. A
    token that is not said has no duration and stands where the one before it ends.
    """
    tokens = text.split(" ")
    token_of: list[int] = []  # the token of each character
    for index, token in enumerate(tokens):
        token_of += [index] * (len(token) + 1)
    begins: dict[int, int] = {}
    ends: dict[int, int] = {}
    current: int | None = None
    for kind, position, sample in marks:
        if current is not None:
            ends.setdefault(current, sample)
        if kind == _EVENT_END:
            current = None
            continue
        token = token_of[min(max(position - 1, 0), len(token_of) - 1)]
        if token == current or token in begins:
            ends.pop(token, None)
        begins.setdefault(token, sample)
        current = token
    if current is not None:
        ends.setdefault(current, total)
    timings: list[Timing] = []
    at = 0
    for index, token in enumerate(tokens):
        start = begins.get(index, at)
        at = max(start, ends.get(index, start))
        timings.append((token, start / rate_hz, at / rate_hz))
    return timings
