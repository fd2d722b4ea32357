"""Whether a machine answered the telephone of somebody we called; pure.

A person says hello and waits. A machine talks on, over whatever it is told, and then beeps. So a
target is held to be a machine when

- it has talked for `greeting_s` without a pause to speak of, or
- it beeps (one steady pure tone) after it has talked for `before_beep_s`.

Our own voice that comes back from a loudspeaker is no talk: only what is about as loud as what we
send counts while we send it. Nothing here decides whom a caller is joined to: that takes a key. It
spares them the wait for a key that nobody will press.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from voice.frames import FRAME_S, FRAME_SAMPLES, Pcm

_WINDOW: Final = np.hanning(FRAME_SAMPLES)
_BIN_HZ: Final = 1.0 / FRAME_S
_LOWEST_BIN: Final = round(300 / _BIN_HZ)  # of a beep; hum and most voices' pitch lie below
_PURE: Final = 0.9  # of the energy in the peak: a vowel has harmonics
_FLOOR_DB: Final = -45.0  # of full scale: quieter is the line's own noise
_UNDER_OURS_DB: Final = 6.0  # below what we send: echo is quieter than that
_ECHO_FADES_DB: Final = 0.3  # each 20 ms: what comes back is up to 0.3 s late, and 12 dB quieter
_SILENT_DB: Final = -96.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringMachineOptions:
    """Seconds."""

    greeting_s: float = 7.0  # "Good morning, returns department, Kim speaking, …" takes up to six
    pause_s: float = 0.8  # a person waits longer for an answer; a greeting's pauses are shorter
    before_beep_s: float = 1.0  # of talk: other beeps come without any
    beep_s: float = 0.24  # they last 0.25 to 1 s; a key lasts as long and is two tones


class AnsweringMachine:
    """Hears one called party from the moment they answered."""

    def __init__(self, options: AnsweringMachineOptions | None = None) -> None:
        self._options = options or AnsweringMachineOptions()
        self._spurt_s = self._talked_s = self._quiet_s = self._tone_s = 0.0
        self._tone_bin = 0
        self._ours_db = _SILENT_DB  # what may still come back

    def receive(self, heard: Pcm, sent: Pcm) -> bool:
        """Take 20 ms; whether it is a machine, by all that was heard so far.

        Args:
            heard: of the called party, int16, shape (160,).
            sent: what they were sent meanwhile, likewise.
        """
        options = self._options
        if self._beeps(heard):
            return self._talked_s >= options.before_beep_s
        level = _level_db(heard)
        self._ours_db = max(_level_db(sent), self._ours_db - _ECHO_FADES_DB)
        if self._tone_s == 0.0 and level > max(_FLOOR_DB, self._ours_db - _UNDER_OURS_DB):
            goes_on = self._quiet_s <= options.pause_s
            self._talked_s += FRAME_S
            self._spurt_s = FRAME_S + (self._spurt_s + self._quiet_s if goes_on else 0.0)
            self._quiet_s = 0.0
        else:
            self._quiet_s += FRAME_S
        return self._spurt_s >= options.greeting_s

    def _beeps(self, heard: Pcm) -> bool:
        """Whether one tone has lasted for as long as a beep."""
        spectrum = np.abs(np.fft.rfft(heard * _WINDOW)) ** 2
        peak = int(spectrum.argmax())
        share = spectrum[max(0, peak - 2) : peak + 3].sum() / max(float(spectrum.sum()), 1.0)
        pure = share >= _PURE and peak >= _LOWEST_BIN and _level_db(heard) > _FLOOR_DB
        same = pure and (self._tone_s == 0.0 or abs(peak - self._tone_bin) <= 1)
        self._tone_s = self._tone_s + FRAME_S if same else FRAME_S if pure else 0.0
        if pure:
            self._tone_bin = peak
        return self._tone_s >= self._options.beep_s - FRAME_S / 2


def _level_db(pcm: Pcm) -> float:
    power = float(np.mean(np.square(pcm.astype(np.float32)))) / 32_768.0**2
    return 10.0 * float(np.log10(power)) if power > 0 else _SILENT_DB
