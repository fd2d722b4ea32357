"""What one call hears: the caller's latest 20 ms, and whether it is the caller who speaks in it.

Four things sound like a caller and are none: our own voice coming back (voice/echo.py), somebody
behind the caller while we speak (voice/loudness.py), what is too brief (voice/activity.py), and the
quiet after the caller's last sound, in which the detector still hears them (voice/lull.py).
"""

import numpy as np

from voice.activity import ActivityGate, ActivityThresholds
from voice.echo import ECHO_SHARE, EchoGuard, EchoGuards, suppressed
from voice.frames import FRAME_SAMPLES, Pcm, silence
from voice.loudness import CallerLevel
from voice.lull import Lull
from voice.ports import AudioLeg, Buffered, VoiceActivity
from voice.tones import ToneDetector
from voice.turn_events import VoiceStarted, VoiceStopped

_VOICED = ActivityThresholds().stop  # what the detector takes for a voice that has begun


class Ears:
    """One call's. On each tick: `listen`, then the batched detectors, then `voice` and `sent`.

    Args:
        guards: the echo guards of all calls; None: this call's is on its own.
    """

    def __init__(
        self, leg: AudioLeg, activity: VoiceActivity, guards: EchoGuards | None = None
    ) -> None:
        self._leg, self._activity = leg, activity
        self._buffer = leg if isinstance(leg, Buffered) else None
        self._slip = 0 if self._buffer is None else self._buffer.slip
        self.frame: Pcm = silence()
        """The caller's latest 20 ms, shape (160,)."""
        self._gate = ActivityGate()
        self._echo = EchoGuard(guards)
        self._level = CallerLevel()
        self._lull = Lull()
        self._tones = ToneDetector()

    def listen(self) -> str | None:
        """Take 20 ms from the caller; the key they press in it, where keys come as tones."""
        self.frame = self._leg.receive_frame()
        self._activity.push(self.frame)
        self._level.hear(self.frame)
        if self._leg.reports_keys or self._echo.explained >= ECHO_SHARE:
            return None  # the network's word counts, and a tone of ours that came back is no key
        return self._tones.receive(self.frame)

    def voice(self, *, over_us: bool) -> VoiceStarted | VoiceStopped | None:
        """What the detector's latest probability changes.

        Args:
            over_us: we are speaking: then somebody behind the caller begins no interruption. A
                voice that has begun is the caller's to its end, however softly they trail off.
        """
        probability = self._activity.probability
        if not probability:  # as in most of a call
            self._lull.pass_silence()
            return self._gate.receive(0.0)
        heard = suppressed(probability, self._echo.explained)
        if self._fell_silent(heard):
            heard = 0.0
        if heard and over_us and not self._gate.active and self._level.is_behind:
            heard = 0.0
        change = self._gate.receive(heard)
        if isinstance(change, VoiceStarted):
            self._echo.begin()
        return change

    @property
    def was_echo(self) -> bool:
        """Whether the voice that was found last is known by now to have been our own."""
        return self._echo.was_echo

    @property
    def hears_us(self) -> bool:
        """Whether our own voice comes back on this line, and not too softly to matter."""
        return self._echo.is_loud

    @property
    def quiet_s(self) -> float:
        """How long ago the caller's last sound was, whenever the detector noticed."""
        return self._lull.quiet_s

    def _fell_silent(self, heard: float) -> bool:
        """Whether what the detector still hears is over."""
        samples = self.frame.astype(np.float32)
        power = float(samples @ samples) / FRAME_SAMPLES
        return self._lull.receive(power, voiced=heard >= _VOICED)

    def sent(self, ours: Pcm, *, at_rest: bool = False) -> None:
        """Take what we sent on this tick, shape (160,): it may come back.

        Args:
            at_rest: it is no more than the noise of voice.echo.AT_REST_DBFS.
        """
        if self._buffer is not None and self._buffer.slip != self._slip:
            before, self._slip = self._slip, self._buffer.slip
            self._echo.slip(self._slip - before)
        take = self._echo.rest if at_rest else self._echo.receive
        take(self.frame, ours)

    def learn(self, words: Pcm) -> None:
        """Take an utterance of the caller's that had words in it, shape (n,)."""
        self._level.learn(words)
