"""A call that frontdesk holds alone, made audible in a room: a supervisor listens without a trace.

The call keeps its leg and its session. What passes between them is written here, as to a recorder,
and comes out of two legs that can be heard and not spoken to. Pure.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from voice.events import LegEvent
from voice.frames import Pcm, silence

_HELD_FRAMES: Final = 3  # 60 ms: the order of serving within a tick, and a tick that was skipped


class FedLeg:
    """An AudioLeg whose far end is whoever feeds it; what it is sent is heard by nobody."""

    reports_keys = True  # a tone in what is overheard is no key for us

    def __init__(self) -> None:
        self.on_event: Callable[[LegEvent], None] = lambda event: None
        self._frames: deque[Pcm] = deque(maxlen=_HELD_FRAMES)  # full: the oldest goes

    def feed(self, frame: Pcm) -> None:
        """20 ms, shape (160,), kept by reference: do not change it afterwards."""
        self._frames.append(frame)

    def receive_frame(self) -> Pcm:
        """See AudioLeg; silence while nothing was fed."""
        return self._frames.popleft() if self._frames else silence()

    def send_frame(self, pcm: Pcm) -> None:
        """Nobody hears it."""

    async def hang_up(self, reason: str) -> None:
        """Nothing to end: the call has a leg of its own."""


class Monitor:
    """Both sides of a call as members for a room, `caller` and `frontdesk`; a voice.ports.Recorder.

    Nothing of the room reaches the call. Its audio is one tick late at most.
    """

    def __init__(self) -> None:
        self.caller, self.frontdesk = FedLeg(), FedLeg()

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """20 ms of both sides, each of shape (160,); never blocks."""
        self.caller.feed(caller)
        self.frontdesk.feed(ours)
