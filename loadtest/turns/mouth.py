"""What the caller's telephone sends: words, the room around them, the line's echo."""

from collections import deque
from typing import Final

import numpy as np

from loadtest.activity import levels_db
from loadtest.media import Sent
from loadtest.pcm import FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm, frames_of
from loadtest.recorder import Track
from loadtest.turns.cases import Surroundings
from loadtest.turns.sounds import SPEECH_DB, room

_DROWNED_DB: Final = 3.0  # over the room: softer is not heard in it
_ROOM_S = 10.0  # of noise, repeated


class Mouth:
    """Mixes one frame after the other; `said` keeps the words alone, the truth of the scoring."""

    def __init__(self, surroundings: Surroundings, heard: Track, seed: int) -> None:
        self.said = Track()
        self._heard = heard
        self._queue: deque[Pcm] = deque()
        self._echo_delay = round(surroundings.echo_delay_s * RATE_HZ)
        self._echo_gain = 0.0
        if surroundings.echo_db is not None:
            self._echo_gain = 10 ** (surroundings.echo_db / 20)
        self._room: Pcm | None = None
        self._room_db: float | None = None
        if surroundings.snr_db is not None:
            self._room_db = SPEECH_DB - surroundings.snr_db
            self._room = room(seed, _ROOM_S, surroundings.snr_db)

    def say(self, pcm: Pcm, now: int) -> Sent:
        """Begin to say `pcm` with the frame that lies at sample `now`; nothing else is being said.

        Returns where its sound lies.
        """
        self._queue.extend(frames_of(pcm))
        return Sent(start=now, end=now + pcm.size)

    def audible(self, pcm: Pcm) -> int:
        """How many samples of `pcm` lie before the last sound that the room does not drown."""
        if self._room_db is None:
            return pcm.size
        levels = np.asarray(levels_db(pcm))
        loud = np.flatnonzero(levels > self._room_db + _DROWNED_DB)
        return pcm.size if loud.size == 0 else (int(loud[-1]) + 1) * (RATE_HZ // 100)

    def frame(self, now: int) -> Pcm:
        """The 20 ms that lie at sample `now`, shape (160,)."""
        spoken = self._queue.popleft() if self._queue else SILENCE
        self.said.write(now, spoken)
        if self._room is None and not self._echo_gain:
            return spoken
        mixed = spoken.astype(np.float32)
        if self._room is not None:
            at = now % self._room.size
            mixed += self._room[at : at + FRAME_SAMPLES]
        if self._echo_gain:
            start = now - self._echo_delay
            mixed += self._echo_gain * self._heard.read(start, start + FRAME_SAMPLES)
        return np.clip(mixed, -32_768, 32_767).astype(np.int16)
