"""When somebody speaks, from energy alone.

Theory of operation. The level of each 10 ms block is compared with a noise floor, the lowest level
of the last 1.5 s (speech always dips that often: stops and pauses), plus a margin. Three loud
blocks in a row start speech, at the first of them; `quiet_s` without a loud block stop it, at the
end of the last. The floor is held between limits, so that neither digital silence nor a long vowel
moves the threshold out of the range where speech lies.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from loadtest.pcm import RATE_HZ, Pcm

_BLOCK: Final = RATE_HZ // 100  # 10 ms
_TO_POWER: Final = 1 / (_BLOCK * 32_768.0**2)
_LEAST_POWER: Final = 2.5e-10  # of full scale: less is digital silence
_LEAST_DB: Final = 10 * math.log10(_LEAST_POWER)
_ONSET_BLOCKS: Final = 3  # 30 ms: longer than a click, shorter than the shortest vowel
_FLOOR_BLOCKS: Final = 150  # 1.5 s
_MARGIN_DB: Final = 12.0  # above the noise floor
_FLOOR_MIN_DB: Final = -70.0  # so that a soft consonant on a silent line is an onset
_SPEECH_POWER: Final = (32_768 * 10 ** (-45 / 20)) ** 2  # -45 dB: under speech, over line noise
_AUDIBLE_DB: Final = -50.0  # in a clean rendering, 30 dB under speech
_FLOOR_MAX_DB: Final = -38.0  # louder than this it is speech, not a room


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    at: int  # sample of the first sound


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    at: int  # sample after the last sound, `quiet_s` ago


ActivityEvent: TypeAlias = SpeechStarted | SpeechStopped


def levels_db(pcm: Pcm) -> list[float]:
    """The level of each whole 10 ms block in dB of full scale; -96 for digital silence."""
    blocks = pcm[: pcm.size - pcm.size % _BLOCK].reshape(-1, _BLOCK).astype(np.float32)
    # One pass without a temporary.
    power = np.einsum("ij,ij->i", blocks, blocks) * _TO_POWER
    return (10 * np.log10(np.maximum(power, _LEAST_POWER))).tolist()


def is_loud(frame: Pcm) -> bool:
    """Whether there is speech in a frame, by its level alone."""
    return bool(frame.any()) and float(np.dot(f := frame.astype(np.float32), f)) > (
        _SPEECH_POWER * frame.size
    )


def _level_db(block: NDArray[np.float64]) -> float:
    """As `levels_db`, of one block: small arrays cost their calls, and this is the fewest."""
    power = float(np.dot(block, block)) * _TO_POWER
    return 10 * math.log10(power) if power > _LEAST_POWER else _LEAST_DB


class _Floor:
    """The lowest of the last 1.5 s of levels, whatever their number at constant cost."""

    def __init__(self) -> None:
        self._lows: deque[tuple[int, float]] = deque()  # rising; each the lowest since it came
        self._count = 0

    def lowest(self, level: float) -> float:
        """Take in a level; the lowest that counts now."""
        lows = self._lows
        while lows and lows[-1][1] >= level:
            lows.pop()
        lows.append((self._count, level))
        if lows[0][0] <= self._count - _FLOOR_BLOCKS:
            lows.popleft()
        self._count += 1
        return lows[0][1]


class Activity:
    """Speech and quiet in one direction; feed it all samples from `origin` on, in order."""

    def __init__(self, *, quiet_s: float, origin: int = 0) -> None:
        self._quiet_blocks = max(1, round(quiet_s * 100))
        self._floor = _Floor()
        self._position = origin
        self._loud_run = 0
        self._last_loud_end = origin
        self.speaking = False

    @property
    def quiet_samples(self) -> int:
        """How long it has been quiet, in samples."""
        return self._position - self._last_loud_end

    def receive(self, pcm: Pcm) -> list[ActivityEvent]:
        """Listen on; `pcm` is a whole number of 10 ms blocks."""
        events: list[ActivityEvent] = []
        samples = pcm.astype(np.float64)
        for start in range(0, pcm.size - _BLOCK + 1, _BLOCK):
            event = self._block(_level_db(samples[start : start + _BLOCK]))
            if event is not None:
                events.append(event)
        return events

    def _block(self, level: float) -> ActivityEvent | None:
        floor = self._floor.lowest(level)
        loud = level > min(max(floor, _FLOOR_MIN_DB), _FLOOR_MAX_DB) + _MARGIN_DB
        self._position += _BLOCK
        self._loud_run = self._loud_run + 1 if loud else 0
        if loud and (self.speaking or self._loud_run >= _ONSET_BLOCKS):
            self._last_loud_end = self._position
        if not self.speaking and self._loud_run >= _ONSET_BLOCKS:
            self.speaking = True
            return SpeechStarted(at=self._position - _ONSET_BLOCKS * _BLOCK)
        if self.speaking and self.quiet_samples >= self._quiet_blocks * _BLOCK:
            self.speaking = False
            return SpeechStopped(at=self._last_loud_end)
        return None


def sounding_span(pcm: Pcm) -> tuple[int, int]:
    """First and last sample of the sound in one clean utterance; (0, 0) when there is none."""
    loud = np.flatnonzero(np.asarray(levels_db(pcm)) > _AUDIBLE_DB)
    if loud.size == 0:
        return 0, 0
    return int(loud[0]) * _BLOCK, (int(loud[-1]) + 1) * _BLOCK
