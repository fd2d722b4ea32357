"""The vocabulary of the queue: what agents and callers do, and what is asked for.

Events are named in the past tense, commands in the imperative; telephony/queue.py is the machine
between them. Agents and callers are named by opaque ids of the server's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from telephony.transfer_events import Recovery, TimePassed

MAIN_QUEUE: Final = "main"


class AgentState(StrEnum):
    """What an agent is doing."""

    SIGNED_OUT = "signed_out"
    READY = "ready"  # waits for a caller
    AWAY = "away"  # signed in, not to be rung; the reason says why
    OFFERED = "offered"  # is being rung
    TALKING = "talking"
    WRAP_UP = "wrap_up"  # finishes the notes of the last call


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in line that can be kept: written down, and taken again after a restart."""

    queue: str
    joined_at_s: float  # Unix time
    priority: int
    first: bool = False


# --- what agents did ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSignedIn:
    """The agent is there, and away until they say that they are ready.

    Of an agent who is signed in already: what they can do has changed.

    skills: how well they do each, more is better.
    languages: BCP 47 tags, of which the first part counts; none: any caller's.
    wrap_up_s: theirs instead of the queue's.
    """

    agent: str
    skills: Mapping[str, int]
    languages: frozenset[str] = frozenset()
    wrap_up_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSignedOut:
    """The agent leaves; a call they are in goes on, and is their last."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReady:
    """The agent takes calls; while talking: right after it, without wrapping up first."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAway:
    """The agent takes no calls; while rung or talking: after it, and after the notes on it."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEngaged:
    """The agent is rung past the queue, for a caller who named them: as if it were an offer."""

    agent: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted:
    agent: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDeclined:
    """The agent stays ready for others; the caller is offered to somebody else."""

    agent: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMissed:
    """Nobody answered, or nothing could be reached: the agent is not at their place."""

    agent: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkEnded:
    """The conversation is over for this agent; `held_s` of it the caller was on hold."""

    agent: str
    held_s: float = 0.0


# --- what callers did -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerJoined:
    """A caller waits for an agent.

    Of a caller who is here already: they wait again, in their old place, and `excluded` adds up; an
    offer of them that stands is repeated, for whoever asks again has not heard of it.

    skill: None: the queue's.
    language: BCP 47 tag; None: any agent.
    priority: more is earlier.
    sticky_agent: whom they know: preferred, and waited for a little when busy.
    excluded: agents who must not be offered this caller.
    first: before everybody else: they had their turn, and were turned away.
    place: kept from an earlier wait.
    """

    caller: str
    queue: str = MAIN_QUEUE
    skill: str | None = None
    language: str | None = None
    priority: int = 0
    sticky_agent: str | None = None
    excluded: frozenset[str] = frozenset()
    first: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerLeft:
    """Waits no longer: `caller_hangup`, or what they chose instead.

    Anyone may be said to have left at any time; who is not here is not missed.
    """

    caller: str
    reason: str = "caller_hangup"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackChosen:
    """The caller hangs up, and is rung when it is their turn: the place in line stays theirs."""

    caller: str


AgentEvent: TypeAlias = (
    AgentSignedIn
    | AgentSignedOut
    | AgentReady
    | AgentAway
    | AgentEngaged
    | OfferAccepted
    | OfferDeclined
    | OfferMissed
    | TalkEnded
)
QueueEvent: TypeAlias = AgentEvent | CallerJoined | CallerLeft | CallbackChosen | TimePassed


# --- what is asked for ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Ring the agent for the caller; `callback`: the caller is to be rung as well."""

    caller: str
    agent: str
    callback: bool = False


class GiveUpReason(StrEnum):
    """Why nobody will come."""

    CLOSED = "closed"
    FULL = "full"
    WAITED_TOO_LONG = "waited_too_long"
    NOBODY_SIGNED_IN = "nobody_signed_in"  # nobody, that is, who may take this caller


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The caller is in the queue no more."""

    caller: str
    reason: GiveUpReason
    recovery: Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncePosition:
    """Tell the caller: position 1 is next; None: nobody is there to estimate a wait by."""

    caller: str
    position: int
    estimated_wait_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCallback:
    """Tell the caller that they can be called back and keep their place."""

    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowAgentState:
    """The agent's state changed; `reason` says why they are away, if it is known."""

    agent: str
    state: AgentState
    reason: str | None = None


QueueCommand: TypeAlias = Offer | GiveUp | AnnouncePosition | OfferCallback | ShowAgentState
