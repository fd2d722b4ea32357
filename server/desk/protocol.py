"""What the desk's page and the server say to each other over its WebSocket: JSON, one `type` each.

The server tells whole states rather than differences, so that a message that was lost with its
connection is made good by the next; `hello` holds all that a page needs after a reload.
"""

import json
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from server.desk.bounds import MAX_MESSAGE_CHARS
from server.desk.errors import ProtocolError
from server.handoff.context import HandOffContext
from telephony.transfer_events import TransferMode

Word = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f]+$")]
Target = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20]+$")]
Keys = Annotated[str, Field(pattern=r"^[0-9*#A-D]{1,32}$")]
NOTE_CHARS: Final = 5_000
Note = Annotated[str, Field(max_length=NOTE_CHARS)]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# --- parts ----------------------------------------------------------------------------------------


class Choice(Message):
    """Something to pick from a list: an away reason, a disposition, a step of the flow."""

    code: str
    label: str


class TransferTarget(Message):
    """Somebody or some queue a call can be given to."""

    target: str
    label: str
    kind: Literal["agent", "queue", "number"]
    available: bool = True  # now


class AgentView(Message):
    """The agent whose page it is."""

    id: str
    name: str
    presence: str
    away_reason: str | None
    ready_next: bool  # what they chose, which applies when they are free
    for_s: float  # in this presence
    reach: Literal["desk", "phone"]
    extension: str | None
    spoken_brief: bool  # they want the brief said, after they answered
    may_approve: bool


class PendingAction(Message):
    """Something frontdesk wants to do at a back end and may not without a person's word."""

    id: str
    name: str
    detail: str  # for people: what it will do


class TranscriptLine(Message):
    who: str  # caller, frontdesk, agent
    text: str
    at_s: float  # since the call was answered
    heard: str | None = None  # of what frontdesk said: the part heard, when cut short


CallPhase: TypeAlias = Literal["ringing", "connecting", "briefing", "joining", "talking", "held"]


class CallView(Message):
    """The call on this desk, as it stands."""

    call_id: UUID
    offer_id: UUID
    phase: CallPhase
    reconnecting: bool  # the agent's audio was lost, and is waited for
    muted: bool
    for_s: float  # in talk, or ringing while nobody talks
    rings_for_s: float  # left, while it rings


class WrapUpView(Message):
    """A call that is over, until its disposition is saved."""

    call_id: UUID
    reason: str  # why it ended
    for_s: float
    limit_s: float  # then it is overdue


# --- to the page ----------------------------------------------------------------------------------


class Hello(Message):
    """Everything; the first message of a connection."""

    type: Literal["hello"] = "hello"
    agent: AgentView
    away_reasons: tuple[Choice, ...]
    dispositions: tuple[Choice, ...]
    return_steps: tuple[Choice, ...]
    waiting: int  # callers
    call: CallView | None
    wrap_up: WrapUpView | None
    # Of the call, or the one being wrapped up:
    context: HandOffContext | None
    transcript: tuple[TranscriptLine, ...]
    note: str
    disposition: str | None
    approvals: tuple[PendingAction, ...]


class PresenceTold(Message):
    type: Literal["presence"] = "presence"
    agent: AgentView


class QueueTold(Message):
    """So many callers wait."""

    type: Literal["queue"] = "queue"
    waiting: int


class OfferTold(Message):
    """A caller is offered: show the context, connect the audio, ring."""

    type: Literal["offer"] = "offer"
    call: CallView
    context: HandOffContext
    transcript: tuple[TranscriptLine, ...]
    approvals: tuple[PendingAction, ...]


class OfferWithdrawn(Message):
    """It rings no more: somebody else took the call, the caller hung up, nobody answered."""

    type: Literal["offer_withdrawn"] = "offer_withdrawn"
    offer_id: UUID
    reason: str


class CallTold(Message):
    type: Literal["call"] = "call"
    call: CallView


class ContextTold(Message):
    """What is known of the call, anew: an action was settled, a better summary came."""

    type: Literal["context"] = "context"
    context: HandOffContext


class TranscriptTold(Message):
    type: Literal["transcript"] = "transcript"
    call_id: UUID
    line: TranscriptLine


class WrapUpTold(Message):
    """The call is over; None: it is wrapped up."""

    type: Literal["wrap_up"] = "wrap_up"
    wrap_up: WrapUpView | None


class ApprovalsTold(Message):
    """All that waits for this agent's word, in this call."""

    type: Literal["approvals"] = "approvals"
    call_id: UUID
    items: tuple[PendingAction, ...]


class Saved(Message):
    """A note or disposition is in the records."""

    type: Literal["saved"] = "saved"
    what: Literal["note", "disposition"]
    call_id: UUID


class ErrorTold(Message):
    """What was asked for was not done; `answers` is the type of that message, where it had one."""

    type: Literal["error"] = "error"
    code: str
    message: str
    answers: str | None = None


class Replaced(Message):
    """The desk was opened in another window, which has the calls now; do not come back."""

    type: Literal["replaced"] = "replaced"


class Ping(Message):
    """Is the page there? To be answered with a pong; no ping for long: no server."""

    type: Literal["ping"] = "ping"


ToDesk: TypeAlias = (
    Hello
    | PresenceTold
    | QueueTold
    | OfferTold
    | OfferWithdrawn
    | CallTold
    | ContextTold
    | TranscriptTold
    | WrapUpTold
    | ApprovalsTold
    | Saved
    | ErrorTold
    | Replaced
    | Ping
)


# --- from the page --------------------------------------------------------------------------------


class SetPresence(Message):
    type: Literal["presence"]
    ready: bool
    away_reason: Word | None = None


class SetReach(Message):
    """Take calls in this browser, or on one's SIP phone."""

    type: Literal["reach"]
    reach: Literal["desk", "phone"]


class SetSpokenBrief(Message):
    type: Literal["spoken_brief"]
    wanted: bool


class Seen(Message):
    """The offer is on the screen, and it rings."""

    type: Literal["seen"]
    offer_id: UUID


class Answer(Message):
    """Pick up, without taking the caller yet."""

    type: Literal["answer"]
    offer_id: UUID


class Accept(Message):
    """Take the caller; picks up first where that was not done."""

    type: Literal["accept"]
    offer_id: UUID


class Decline(Message):
    type: Literal["decline"]
    offer_id: UUID
    reason: str = Field(default="", max_length=80)


class HangUp(Message):
    type: Literal["hang_up"]
    call_id: UUID


class Hold(Message):
    type: Literal["hold"]
    call_id: UUID


class Resume(Message):
    type: Literal["resume"]
    call_id: UUID


class Mute(Message):
    type: Literal["mute"]
    call_id: UUID
    muted: bool


class PressKeys(Message):
    type: Literal["keys"]
    call_id: UUID
    keys: Keys


class SetNote(Message):
    """The whole note, as it stands."""

    type: Literal["note"]
    call_id: UUID
    text: Note


class SetDisposition(Message):
    type: Literal["disposition"]
    call_id: UUID
    code: Word


class TransferOn(Message):
    type: Literal["transfer_on"]
    call_id: UUID
    target: Target
    mode: TransferMode = TransferMode.WARM


class ReturnToFrontdesk(Message):
    type: Literal["return_to_frontdesk"]
    call_id: UUID
    step: Word | None = None


class Conference(Message):
    type: Literal["conference"]
    call_id: UUID
    target: Target


class WrapUpDone(Message):
    type: Literal["wrap_up_done"]
    call_id: UUID


class Decide(Message):
    """Approve or refuse what frontdesk wants to do."""

    type: Literal["decide"]
    call_id: UUID
    action_id: Word
    approved: bool


class Pong(Message):
    """The page is there. It answers rather than asks: browsers slow a hidden page's timers."""

    type: Literal["pong"]


FromDesk: TypeAlias = (
    SetPresence
    | SetReach
    | SetSpokenBrief
    | Seen
    | Answer
    | Accept
    | Decline
    | HangUp
    | Hold
    | Resume
    | Mute
    | PressKeys
    | SetNote
    | SetDisposition
    | TransferOn
    | ReturnToFrontdesk
    | Conference
    | WrapUpDone
    | Decide
    | Pong
)

_FROM_DESK: TypeAdapter[FromDesk] = TypeAdapter(Annotated[FromDesk, Field(discriminator="type")])


def parse_from_desk(text: str) -> FromDesk:
    """One message of the desk's page.

    Raises:
        ProtocolError: too long, no JSON, of no known type, or with a field that is not as it must
            be. The message says which, and repeats nothing that was in it.
    """
    return parse(_FROM_DESK, text)


def parse(messages: TypeAdapter[Any], text: str) -> Any:
    """One message of a page, by the union of those it may send; raises as `parse_from_desk`."""
    if len(text) > MAX_MESSAGE_CHARS:
        raise ProtocolError("the message is too long", code="too_long")
    try:
        return messages.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the message"
        raise ProtocolError(f"{where}: {first['msg']}") from None


def type_of(text: str) -> str | None:
    """What kind of message a broken one wanted to be; for the error that answers it."""
    try:
        named = json.loads(text[:MAX_MESSAGE_CHARS])["type"]
    except (ValueError, TypeError, KeyError):
        return None
    return named[:80] if isinstance(named, str) else None
