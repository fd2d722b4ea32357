"""What the desk asks of those around it."""

from collections.abc import Awaitable, Sequence
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel

from server.desk.board import BoardApproval, BoardCall, ListenMode, QueueFigures, QueueInterval
from server.desk.http_messages import EarlierCall
from server.desk.protocol import Choice, TransferTarget
from telephony.leg import OutgoingLeg
from voice.ports import AudioLeg


class Channel(Protocol):
    """The way to one page; what is sent there comes in order, or the connection ends."""

    def send(self, message: BaseModel) -> None:
        """Never blocks, never raises; a page that does not keep up is cut off, and comes back."""
        ...

    def close(self) -> None:
        """Send what is waiting, then close."""
        ...


class RtcLeg(AudioLeg, Protocol):
    """A browser's audio, as telephony/webrtc.py makes it."""

    @property
    def answer_sdp(self) -> str: ...

    async def answer(self) -> None:
        """Wait until audio flows.

        Raises:
            LegGoneError: no way was found, or the browser went away.
        """
        ...


class OpenRtc(Protocol):
    """Makes WebRTC legs: telephony/webrtc.py behind the server's settings."""

    async def __call__(self, offer_sdp: str) -> RtcLeg:
        """A leg for this SDP offer, not connected yet.

        Raises:
            NoAudioError: the offer cannot be answered; the message is for the agent.
        """
        ...


class RingPhone(Protocol):
    """Rings an agent's extension."""

    def __call__(self, extension: str, handoff_id: UUID, /) -> Awaitable[OutgoingLeg]:
        """Call it; `handoff_id` is for the phone to show what it is called for."""
        ...


class DeskActions(Protocol):
    """What an agent does that is no part of the transfer: the records, and the back end.

    Each may raise RefusedError, whose message is for the agent.
    """

    async def save_note(self, call_id: UUID, agent_id: str, text: str) -> None:
        """Keep the note of a call; the whole text, each time."""
        ...

    async def set_disposition(self, call_id: UUID, agent_id: str, chosen: Choice) -> None:
        """Keep how the call ended for the caller; the last one counts."""
        ...

    async def decide(self, call_id: UUID, agent_id: str, action_id: str, approved: bool) -> None:
        """Let a pending action go on, or refuse it."""
        ...

    async def history(self, call_id: UUID) -> Sequence[EarlierCall]:
        """Earlier calls of this call's caller, latest first."""
        ...

    def targets(self, agent_id: str) -> Sequence[TransferTarget]:
        """Queues and numbers to give a call to; agents are added by the desk."""
        ...


class Supervision(Protocol):
    """Calls, queue and rooms, from above. What it returns may be asked for each second.

    `listen` and `decide` may raise RefusedError, whose message is for the supervisor.
    """

    def calls(self) -> Sequence[BoardCall]:
        """Live calls, the longest first, callers masked (server/desk/masking.py)."""
        ...

    def queue(self) -> QueueFigures: ...

    def queues(self) -> Sequence[QueueFigures]:
        """Each queue by itself; none where there is only one."""
        ...

    def intervals(self) -> Sequence[QueueInterval]:
        """What each queue did, by interval, oldest first; as far back as it is kept."""
        ...

    def approvals(self) -> Sequence[BoardApproval]:
        """What waits for a person's word, in any call."""
        ...

    async def listen(
        self, call_id: UUID, supervisor_id: str, leg: AudioLeg, mode: ListenMode
    ) -> None:
        """Put this leg into the call, or change how it is in it; the leg stays the caller's own."""
        ...

    async def leave(self, call_id: UUID, supervisor_id: str) -> None:
        """Take the supervisor's leg out; idempotent, also when the call is over."""
        ...

    async def decide(
        self, call_id: UUID, supervisor_id: str, action_id: str, approved: bool
    ) -> None: ...
