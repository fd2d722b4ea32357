"""Voices: opening one by name, and keeping what was said before.

A contact center says the same few hundred sentences all day. `CachedVoice` renders each of them
once: in memory for the ones in use, and on disk for the static prompts of the flows, so that a
restart does not render them again.
"""

import hashlib
import json
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np

from models.espeak import EspeakVoice
from models.piper_voice import SENTENCE_PAUSE_S, sentences
from models.speech import Speech, Word, clean_text, joined, pause

CACHE_BYTES: Final = 16 * 2**20
"""About 17 minutes of speech in memory, shared by all calls of a process: a flow's own prompts are
some 3 MB, and what is said to one caller alone is wanted again within that call if at all."""

_FORMAT: Final = 1
"""Of the files on disk: raised when speech is finished differently; older files do not count."""


class Voice(Protocol):
    """A speech synthesiser, blocking and thread-safe."""

    @property
    def name(self) -> str:
        """Names the voice and every setting that changes how it sounds."""
        ...

    def render(self, text: str) -> Speech:
        """Speak `text`; empty for a text without anything to say.

        Raises:
            ValueError: the text is too long or not valid Unicode.
            EngineError: the engine failed.
        """
        ...

    def stream(self, text: str) -> Iterator[Speech]:
        """Speak `text` in parts, each as soon as it is ready; same errors as `render`."""
        ...


def open_voice(name: str, *, rate_wpm: int | None = None) -> Voice:
    """A voice by name, loaded and ready.

    Args:
        name: `espeak`, or `espeak:en-gb+f3` for another of its voices; a Piper voice of the
            catalogue, `en_GB-alba-medium`; or the path of a Piper `.onnx` file or its folder.
        rate_wpm: words per minute; the voice's own rate when None.

    Raises:
        ValueError: the rate is out of the voice's range.
        UnknownModelError, MissingModelError, EngineError: no such voice, not pulled, does not load.
    """
    engine, _, variant = name.partition(":")
    if engine == "espeak":
        voice = variant or "en-us"
        return EspeakVoice(voice) if rate_wpm is None else EspeakVoice(voice, rate_wpm=rate_wpm)
    from models import catalog
    from models.piper_voice import PIPER_WPM, PiperVoice

    speed = 1.0 if rate_wpm is None else rate_wpm / PIPER_WPM
    return PiperVoice(catalog.locate(name), speed=speed)


class CachedVoice:
    """A voice that renders each text once.

    Memory holds the most recently said texts up to `max_bytes`, least recently used out first. With
    `folder`, `prerender` also keeps its texts on disk; a damaged file there is rendered again. What
    callers are told about themselves never reaches the disk: only prerendered texts do.

    Two threads that miss on the same text at the same time render it once.
    """

    def __init__(
        self, voice: Voice, *, max_bytes: int = CACHE_BYTES, folder: Path | None = None
    ) -> None:
        self._voice = voice
        self._max_bytes = max_bytes
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Speech] = OrderedDict()
        self._kept_bytes = 0
        self._rendering: dict[str, threading.Event] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def name(self) -> str:
        return self._voice.name

    def cached(self, text: str) -> Speech | None:
        """The speech if it is in memory or prerendered on disk; never renders."""
        text = clean_text(text)
        return self._from_memory(text) or self._from_disk(text)

    def render(self, text: str) -> Speech:
        text = clean_text(text)
        while True:
            found = self.cached(text)
            if found is not None:
                return found
            with self._lock:
                busy = self._rendering.get(text)
                if busy is None:
                    self._rendering[text] = threading.Event()
                    break
            busy.wait()
        return self._render_alone(text)

    def stream(self, text: str) -> Iterator[Speech]:
        """The whole text at once where it is known, else in pieces.

        A sentence that is known, as those of a template around what is filled in are, is a piece of
        its own; what lies between such sentences comes in the voice's own parts, and is kept.
        """
        text = clean_text(text)
        found = self.cached(text)
        if found is not None:
            yield found
            return
        pieces = self._pieces(text)
        for index, piece in enumerate(pieces):
            if index:
                yield from pause(SENTENCE_PAUSE_S)
            yield from self._streamed(piece)

    def _streamed(self, text: str) -> Iterator[Speech]:
        found = self.cached(text)
        if found is not None:
            yield found
            return
        parts: list[Speech] = []
        for part in self._voice.stream(text):
            parts.append(part)
            yield part
        self._keep(text, joined(parts))

    def _pieces(self, text: str) -> list[str]:
        """Known sentences by themselves, and the stretches between them; in order."""
        pieces: list[str] = []
        grows = False  # the last piece is a stretch of unknown sentences
        for sentence in sentences(text):
            known = self.cached(sentence) is not None
            if grows and not known:
                pieces[-1] = f"{pieces[-1]} {sentence}"
            else:
                pieces.append(sentence)
            grows = not known
        return pieces

    def prerender(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Render the texts that are not on disk yet; `progress` is called with (done, of)."""
        for done, text in enumerate(texts, start=1):
            text = clean_text(text)
            if self._from_disk(text) is None:
                self._to_disk(text, self.render(text))
            if progress is not None:
                progress(done, len(texts))

    def _render_alone(self, text: str) -> Speech:
        try:
            speech = self._voice.render(text)
            self._keep(text, speech)
            return speech
        finally:
            with self._lock:
                self._rendering.pop(text).set()

    def _from_memory(self, text: str) -> Speech | None:
        with self._lock:
            speech = self._kept.get(text)
            if speech is not None:
                self._kept.move_to_end(text)
            return speech

    def _keep(self, text: str, speech: Speech) -> None:
        speech.pcm.flags.writeable = False  # shared by every call that says this
        if speech.pcm.nbytes > self._max_bytes:
            return
        with self._lock:
            if text in self._kept:
                return
            self._kept[text] = speech
            self._kept_bytes += speech.pcm.nbytes
            while self._kept_bytes > self._max_bytes:
                _, out = self._kept.popitem(last=False)
                self._kept_bytes -= out.pcm.nbytes

    def _path(self, text: str) -> Path | None:
        if self._folder is None:
            return None
        key = json.dumps([_FORMAT, self._voice.name, text]).encode()
        return self._folder / f"{hashlib.sha256(key).hexdigest()[:32]}.npz"

    def _from_disk(self, text: str) -> Speech | None:
        path = self._path(text)
        if path is None or not path.exists():
            return None
        try:
            speech = _read(path)
        except Exception:  # whatever a damaged file makes numpy, zipfile or json raise
            with suppress(OSError):
                path.unlink()
            return None
        self._keep(text, speech)
        return speech

    def _to_disk(self, text: str, speech: Speech) -> None:
        path = self._path(text)
        if path is not None:
            _write(path, speech)


def _read(path: Path) -> Speech:
    with np.load(path, allow_pickle=False) as stored:
        pcm = stored["pcm"]
        words = cast(list[Any], json.loads(str(stored["words"])))
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise ValueError("not int16 mono")
    return Speech(pcm=pcm, words=tuple(Word(str(w), float(a), float(b)) for w, a, b in words))


def _write(path: Path, speech: Speech) -> None:
    """Write beside and rename: readers see the old file or the new one, never half of it."""
    words = json.dumps([[w.text, w.start_s, w.end_s] for w in speech.words])
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, pcm=speech.pcm, words=np.array(words))
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
