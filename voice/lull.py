"""When the caller's last sound was, by its level.

A voice detector looks at 32 ms of sound and remembers what came before, so it goes on hearing a
voice for 100 to 300 ms after the last sound. The level knows at once: what has fallen far below the
voice, or back to the noise of the line, is no part of a word, however sure the detector still is.

Two questions are answered so. Since when is it quiet? There the caller's wait begins, and the time
of a turn is counted from there. And: may the detector be overruled? At once where the noise lies
far below the voice. In a louder room soft consonants drown, and single frames of the noise stray;
there 100 ms must be as loud as the noise on average. Where the room is nearly as loud as the voice
the detector, which knows voices from noise, has the last word.
"""

from collections import deque
from typing import Final

from voice.frames import FRAME_S

_BELOW_VOICE: Final = 10 ** (-33 / 10)
"""Of the voice's loudest frame: consonants are up to 25 dB below their vowels."""

_ABOVE_NOISE: Final = 10 ** (5 / 10)  # what steady noise exceeds its own minimum by, hardly ever
_AT_NOISE: Final = 10 ** (3 / 10)  # of three frames in a row, mostly; soft sounds exceed it
_FAR: Final = 10 ** (22 / 10)  # of the voice over the noise, for the level to overrule the detector
_ABOVE_ROOM: Final = 10 ** (14 / 10)  # the same for the mean level: voice and noise can be told
_AT_ROOM: Final = 10 ** (2 / 10)  # the mean of steady noise over its minimum
_ROOM_FRAMES: Final = 5  # 100 ms: their mean strays by half a decibel, a single frame by one
_FRAMES: Final = 3  # 60 ms in a row: the closures inside words, before a "t" for one, are shorter
_VOICE_DECAY: Final = 0.98  # per frame, 4 dB a second: a voice is as loud as its latest vowels
_GROWTH: Final = 1.06  # per frame, 13 dB a second: the noise is the softest frame of late
_GROWTH_IN_VOICE: Final = 1.01  # 2 dB a second: the noise is the softest dip of the voice
_SILENCE: Final = 32_768.0**2 * 10 ** (-57 / 10)  # power below which detectors do not even listen


class Lull:
    """One call's; pure. Give it every frame in which there may be a voice."""

    def __init__(self) -> None:
        self._voice = self._noise = _SILENCE
        self._quiet_frames = self._low_frames = 0
        self._latest: deque[float] = deque(maxlen=_ROOM_FRAMES)  # powers

    @property
    def quiet_s(self) -> float:
        """How long ago the last sound was, in whole frames."""
        return self._quiet_frames * FRAME_S

    def pass_silence(self) -> None:
        """Take a frame of which the detector knows that it is silent."""
        self._quiet_frames += 1
        self._low_frames = 0
        self._latest.clear()

    def receive(self, power: float, *, voiced: bool) -> bool:
        """Take a frame.

        Args:
            power: of its samples, the mean of int16 squared.
            voiced: whether the detector finds a voice in it.

        Returns:
            Whether the detector is wrong: there was a voice, and it has fallen silent.
        """
        power = max(power, 1.0)
        growth = _GROWTH_IN_VOICE if voiced else _GROWTH
        noise = self._noise = min(self._noise * growth, power)
        voice = self._voice = max(self._voice * _VOICE_DECAY, power)
        far_below = voice * _BELOW_VOICE
        quiet = power < max(far_below, noise * _ABOVE_NOISE)
        self._quiet_frames = self._quiet_frames + 1 if quiet else 0
        self._latest.append(power)
        if not voiced or voice <= noise * _FAR:
            self._low_frames = 0
            return voiced and voice > noise * _ABOVE_ROOM and self._is_room(noise)
        fallen = power < max(far_below, noise * _AT_NOISE)
        self._low_frames = self._low_frames + 1 if fallen else 0
        return self._low_frames >= _FRAMES

    def _is_room(self, noise: float) -> bool:
        """Whether the latest 100 ms were no louder than the noise is, on average."""
        latest = self._latest
        return len(latest) == _ROOM_FRAMES and sum(latest) < _ROOM_FRAMES * noise * _AT_ROOM
