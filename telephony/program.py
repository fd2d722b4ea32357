"""What frontdesk itself plays into a room: music and speech, for chosen listeners. Pure.

Speech to one listener is played one after the other, in the order it came; speech to several starts
when it is the turn of all of them. Under speech a listener's music is lowered, and comes back after
it. Music is one piece a listener: a new one replaces it.
"""

import logging
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, Pcm

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

_DUCKED: Final = 0.16  # -16 dB: music stays there as a carpet, and takes no word away
_DUCK_STEP: Final = (1 - _DUCKED) / 6  # per frame: down in 120 ms, before the second syllable
_RISE_STEP: Final = (1 - _DUCKED) / 30  # back in 600 ms, softly
_FADE_SAMPLES: Final = 80  # 10 ms: a hard cut of music clicks

_RAMP: Final = np.arange(1, FRAME_SAMPLES + 1, dtype=np.float32) / FRAME_SAMPLES
_FADE_OUT: Final = np.concatenate(
    (
        np.linspace(1, 0, _FADE_SAMPLES, dtype=np.float32),
        np.zeros(FRAME_SAMPLES - _FADE_SAMPLES, dtype=np.float32),
    )
)


def checked(frame: Pcm) -> Pcm:
    """The frame itself.

    Raises:
        ValueError: it is not int16 of shape (160,).
    """
    if frame.shape != (FRAME_SAMPLES,) or frame.dtype != np.int16:
        raise ValueError(f"a frame is int16 of shape (160,), not {frame.dtype} {frame.shape}")
    return frame


class PlayerSource(Protocol):
    """Audio to be played; `voice.playout.Reply` is one, and grows while it plays."""

    @property
    def drained(self) -> bool:
        """Whether all of it was popped, and nothing more will come."""
        ...

    def pop(self) -> Pcm | None:
        """The next 20 ms, shape (160,), zero-filled at the end; None: nothing is there now."""
        ...


class Clip:
    """PCM of any length, int16, shape (n,), played once."""

    def __init__(self, pcm: Pcm) -> None:
        self._pcm, self._position = pcm, 0

    @property
    def drained(self) -> bool:
        return self._position >= len(self._pcm)

    def pop(self) -> Pcm | None:
        """See PlayerSource."""
        if self.drained:
            return None
        frame = self._pcm[self._position : self._position + FRAME_SAMPLES]
        self._position += FRAME_SAMPLES
        return np.pad(frame, (0, FRAME_SAMPLES - len(frame)))


class Loop:
    """PCM of any length, int16, shape (n,), played from sample `start` on, round and round.

    Raises:
        ValueError: there is nothing to play.
    """

    def __init__(self, pcm: Pcm, *, start: int = 0) -> None:
        if not len(pcm):
            raise ValueError("a loop needs at least one sample")
        self._pcm, self._position = pcm, start % len(pcm)

    @property
    def drained(self) -> bool:
        return False

    def pop(self) -> Pcm:
        """See PlayerSource."""
        end = self._position + FRAME_SAMPLES
        if end <= len(self._pcm):
            frame = self._pcm[self._position : end]
        else:
            frame = self._pcm.take(np.arange(self._position, end), mode="wrap")
        self._position = end % len(self._pcm)
        return frame


class Layer(Enum):
    SPEECH = auto()  # one after the other, in full voice
    MUSIC = auto()  # one at a time, under speech


class Playing:
    """One thing being played or waiting for its turn; `stop` it at any time.

    `finished` becomes true once it was played to its end, or its source raised: what follows is not
    to wait for ever. Not when it was stopped or replaced, or all its listeners left.
    """

    def __init__(
        self,
        listeners: Iterable[str],
        source: PlayerSource,
        layer: Layer,
        on_finished: Callable[[], None] | None,
    ) -> None:
        self.listeners, self.layer = set(listeners), layer
        self.finished = False
        self._source, self._on_finished = source, on_finished
        self._stopping = False
        self._begun = False

    def stop(self) -> None:
        """Fall silent within 10 ms; idempotent."""
        self._stopping = True

    @property
    def over(self) -> bool:
        return self.finished or not self.listeners

    def pop(self) -> Floats | None:
        """The next 20 ms, float32, shape (160,); None: nothing is there now."""
        if self._stopping and not self._begun:
            self.listeners.clear()
            return None
        self._begun = True
        frame = self._popped()
        if self._stopping:
            self.listeners.clear()
            return None if frame is None else frame * _FADE_OUT
        return frame

    def _popped(self) -> Floats | None:
        try:
            frame = self._source.pop()
            self.finished = not self._stopping and self._source.drained
            return None if frame is None else checked(frame).astype(np.float32)
        except Exception:
            log.exception("what was played into a room failed, and counts as finished")
            self.finished = not self._stopping
            return None

    def tell_finished(self) -> None:
        if self._on_finished is not None:
            self._on_finished()


class Program:
    """Everything that is played into one room."""

    def __init__(self) -> None:
        self._speech: list[Playing] = []
        self._music: list[Playing] = []
        self._levels: dict[str, float] = {}  # of each listener's music, where it is not 1

    def play(self, playing: Playing) -> None:
        if playing.layer is Layer.SPEECH:
            self._speech.append(playing)
            return
        for earlier in self._music:
            earlier.listeners -= playing.listeners
        self._music.append(playing)

    def forget(self, listener: str) -> None:
        """They left: nothing is played to them any more."""
        for playing in (*self._speech, *self._music):
            playing.listeners.discard(listener)
        self._levels.pop(listener, None)

    def clear(self) -> None:
        """Nothing is played to anybody any more."""
        self._speech.clear()
        self._music.clear()
        self._levels.clear()

    def pop(self) -> tuple[dict[str, Floats], list[Playing]]:
        """The next 20 ms of each listener who is played something, and what ended with them."""
        if not self._speech and not self._music:
            return {}, []
        frames: dict[str, Floats] = {}
        spoken_to = self._pop_speech(frames)
        self._pop_music(frames, spoken_to)
        finished = [one for one in (*self._speech, *self._music) if one.finished]
        self._speech = [one for one in self._speech if not one.over]
        self._music = [one for one in self._music if not one.over]
        return frames, finished

    def _pop_speech(self, frames: dict[str, Floats]) -> set[str]:
        spoken_to: set[str] = set()
        for playing in self._speech:
            listeners = frozenset(playing.listeners)  # as it begins: what ends has none
            has_turn = listeners and spoken_to.isdisjoint(listeners)
            if has_turn and (frame := playing.pop()) is not None:
                frames.update(dict.fromkeys(listeners, frame))
            spoken_to |= listeners
        return spoken_to

    def _pop_music(self, frames: dict[str, Floats], spoken_to: set[str]) -> None:
        for playing in self._music:
            listeners = frozenset(playing.listeners)
            frame = playing.pop() if listeners else None
            for listener in listeners:
                gain = self._level(listener, ducked=listener in spoken_to)
                if frame is not None:
                    music = frame * gain
                    speech = frames.get(listener)
                    frames[listener] = music if speech is None else music + speech

    def _level(self, listener: str, *, ducked: bool) -> float | Floats:
        """The music's gain over this frame, gliding to where it belongs."""
        before = self._levels.get(listener, 1.0)
        after = max(_DUCKED, before - _DUCK_STEP) if ducked else min(1.0, before + _RISE_STEP)
        self._levels[listener] = after
        if before == after:
            return before
        return (before + (after - before) * _RAMP).astype(np.float32, copy=False)
