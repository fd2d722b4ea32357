"""What a supervisor sees, and what they may do: the messages of the board's WebSocket."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, TypeAdapter

from server.desk.protocol import (
    ErrorTold,
    Message,
    PendingAction,
    Ping,
    Pong,
    Word,
    parse,
)

ListenMode: TypeAlias = Literal["listen", "coach", "barge"]
"""listen: hears everyone, heard by nobody; coach: heard by the agent alone, who is whispered to;
barge: heard by everyone."""


class BoardCall(Message):
    """One live call."""

    call_id: UUID
    state: Literal["frontdesk", "waiting", "ringing", "agent", "held"]
    caller: str  # masked
    for_s: float
    task: str | None = None  # what the caller is at
    agent: str | None = None  # the name of who has the call, or is rung
    sentiment: str = "calm"  # calm, impatient, upset


class QueueFigures(Message):
    """Today's figures, as workforce managers count them; a day begins at midnight UTC."""

    name: str = ""  # of the queue; "": all of them together
    waiting: int = 0  # on the line
    callbacks: int = 0  # who kept their place and are to be called back
    longest_wait_s: float = 0.0  # of those on the line
    service_level: float | None = None  # share answered within `service_s`, of all; None: no calls
    service_s: float = 20.0
    average_answer_s: float | None = None  # ASA: the mean wait of those who were answered
    answered: int = 0
    abandoned: int = 0


class QueueInterval(Message):
    """What one queue did in one interval, for workforce tools; times in seconds.

    A call belongs to the interval in which it reached the queue (telephony/queue_statistics.py).
    """

    queue: str
    starts_at: datetime
    interval_s: int
    offered: int
    answered: int
    answered_in_time: int  # within `service_s`
    service_s: float
    service_level: float | None  # 0 to 1; None: no call was owed an answer
    abandoned: int
    abandoned_short: int  # among them: so soon that no staffing could have helped
    abandon_rate: float | None
    redirected: int  # chose a call back or a message
    overflowed: int
    given_up: dict[str, int]  # by why: closed, full, waited_too_long, nobody_signed_in
    average_answer_s: float | None
    longest_wait_s: float
    handled: int
    average_handling_s: float | None  # talk, hold and wrap-up


class BoardAgent(Message):
    id: str
    name: str
    presence: str
    away_reason: str | None
    away_label: str | None = None  # as the agents choose it; None: nobody chose it
    for_s: float
    reach: str
    skills: tuple[str, ...]


class BoardApproval(PendingAction):
    """A pending action of any call."""

    call_id: UUID
    for_s: float


class Listening(Message):
    """How this supervisor is in a call."""

    call_id: UUID
    mode: ListenMode


class BoardTold(Message):
    """The whole board; sent when it changes, and each second while calls go on."""

    type: Literal["board"] = "board"
    supervisor: str  # the name of who is signed in
    calls: tuple[BoardCall, ...]
    queue: QueueFigures
    queues: tuple[QueueFigures, ...]  # each of them, where there is more than one
    agents: tuple[BoardAgent, ...]
    approvals: tuple[BoardApproval, ...]
    listening: Listening | None


class ListenTo(Message):
    """Be in this call; the audio is connected first, over POST /v1/supervisor/rtc."""

    type: Literal["listen"]
    call_id: UUID
    mode: ListenMode


class StopListening(Message):
    type: Literal["stop"]


class DecideAnywhere(Message):
    """Approve or refuse what frontdesk wants to do."""

    type: Literal["decide"]
    call_id: UUID
    action_id: Word
    approved: bool


class SignAgentOff(Message):
    """Set an agent to away, who forgot to."""

    type: Literal["set_away"]
    agent_id: Word


ToBoard: TypeAlias = BoardTold | ErrorTold | Ping
FromBoard: TypeAlias = ListenTo | StopListening | DecideAnywhere | SignAgentOff | Pong

_FROM_BOARD: TypeAdapter[FromBoard] = TypeAdapter(Annotated[FromBoard, Field(discriminator="type")])


def parse_from_board(text: str) -> FromBoard:
    """One message of the supervisor's page; raises as protocol.parse_from_desk."""
    message: FromBoard = parse(_FROM_BOARD, text)
    return message


class BoardRtcOffer(Message):
    """The supervisor's browser offers its audio, to be in calls with."""

    type: Literal["offer"]
    sdp: str = Field(min_length=1, max_length=64_000)


class BoardRtcAnswer(Message):
    type: Literal["answer"] = "answer"
    sdp: str
