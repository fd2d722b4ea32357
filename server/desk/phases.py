"""Where a call on a desk stands, and what its agent may do there: pure.

    offered → ringing → connecting → briefing → joining → talking ⇄ held → ended

*connecting* is passed at once when the audio is up already, which the page sees to while the agent
reads; *briefing* when the agent takes the caller without a spoken brief.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from server.desk.protocol import (
    Accept,
    Answer,
    Conference,
    Decline,
    HangUp,
    Hold,
    Mute,
    PressKeys,
    Resume,
    ReturnToFrontdesk,
    Seen,
    TransferOn,
)
from server.handoff.ports import ColleagueInvited, KeysSent, LineRequest
from telephony.transfer_events import AgentTransferredOn, CallReturned

LineCommand: TypeAlias = (
    Seen
    | Answer
    | Accept
    | Decline
    | HangUp
    | Hold
    | Resume
    | Mute
    | PressKeys
    | TransferOn
    | ReturnToFrontdesk
    | Conference
)


class Phase(StrEnum):
    OFFERED = "offered"  # known here, shown to nobody
    RINGING = "ringing"  # on the screen, or at the phone
    CONNECTING = "connecting"  # the agent answered, their audio is not up yet
    BRIEFING = "briefing"  # they are told who waits, and have not taken them
    JOINING = "joining"  # they took the caller
    TALKING = "talking"
    HELD = "held"  # the caller is on hold
    ENDED = "ended"


BEFORE_TAKING: Final = frozenset({Phase.RINGING, Phase.CONNECTING, Phase.BRIEFING})
UP: Final = frozenset({Phase.BRIEFING, Phase.JOINING, Phase.TALKING, Phase.HELD})
TAKEN: Final = frozenset({Phase.JOINING, Phase.TALKING, Phase.HELD})
IN_TALK: Final = frozenset({Phase.TALKING, Phase.HELD})

# In which phases the agent may do what; a table, so that the page's buttons can be held to it.
ALLOWED: Final[Mapping[type[LineCommand], frozenset[Phase]]] = {
    Seen: frozenset({Phase.RINGING}),
    Answer: frozenset({Phase.RINGING}),
    Accept: BEFORE_TAKING,
    Decline: BEFORE_TAKING,
    HangUp: TAKEN,
    Hold: frozenset({Phase.TALKING}),
    Resume: frozenset({Phase.HELD}),
    Mute: UP,
    PressKeys: frozenset({Phase.TALKING}),
    TransferOn: IN_TALK,
    ReturnToFrontdesk: IN_TALK,
    Conference: frozenset({Phase.TALKING}),
}


# Which message of the page it was that asked for this.
ANSWERED: Final[Mapping[type[LineRequest], str]] = {
    KeysSent: "keys",
    AgentTransferredOn: "transfer_on",
    CallReturned: "return_to_frontdesk",
    ColleagueInvited: "conference",
}


def asked(command: PressKeys | TransferOn | ReturnToFrontdesk | Conference) -> LineRequest:
    """What goes to the coordinator as it is."""
    match command:
        case PressKeys():
            return KeysSent(keys=command.keys)
        case TransferOn():
            return AgentTransferredOn(mode=command.mode, target=command.target)
        case ReturnToFrontdesk():
            return CallReturned(step=command.step)
        case Conference():
            return ColleagueInvited(target=command.target)
