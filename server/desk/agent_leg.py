"""The agent's audio for one call, through reloads: the connection beneath may be replaced.

A page that is reloaded comes back with a new WebRTC connection. The room keeps this one leg; while
nothing is connected the agent hears nothing and silence is heard from them.
"""

from collections.abc import Callable

from voice.events import KeyPressed, LegEnded, LegEvent
from voice.frames import Pcm, silence
from voice.ports import AudioLeg


def _nobody(event: LegEvent) -> None:
    pass


class AgentLeg:
    """voice.ports.AudioLeg over whichever connection the agent has now."""

    def __init__(self) -> None:
        self.on_event: Callable[[LegEvent], None] = _nobody
        self.on_lost: Callable[[], None] = lambda: None
        """The connection ended by itself; another may be attached."""
        self.muted = False
        self._leg: AudioLeg | None = None

    @property
    def connected(self) -> bool:
        return self._leg is not None

    @property
    def reports_keys(self) -> bool:
        return True  # a browser has no tones to listen for

    def attach(self, leg: AudioLeg) -> AudioLeg | None:
        """Use `leg` from now on; returns the one before it, for the caller to hang up."""
        before, self._leg = self._leg, leg
        leg.on_event = lambda event: self._report(leg, event)
        return before

    def detach(self) -> AudioLeg | None:
        """Be without a connection; returns the one there was, for the caller to hang up."""
        before, self._leg = self._leg, None
        return before

    def receive_frame(self) -> Pcm:
        """The next 20 ms from the agent; silence while they are muted or not connected."""
        if self._leg is None:
            return silence()
        heard = self._leg.receive_frame()  # taken also when muted: nothing may pile up
        return silence() if self.muted else heard

    def send_frame(self, pcm: Pcm) -> None:
        if self._leg is not None:
            self._leg.send_frame(pcm)

    async def hang_up(self, reason: str) -> None:
        leg = self.detach()
        if leg is not None:
            await leg.hang_up(reason)

    def _report(self, leg: AudioLeg, event: LegEvent) -> None:
        if leg is not self._leg:
            return  # replaced: what happens to it concerns nobody
        match event:
            case KeyPressed():
                self.on_event(event)
            case LegEnded():
                self._leg = None
                self.on_lost()
