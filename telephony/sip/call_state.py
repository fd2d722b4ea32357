"""The states of a call, of either direction, and what leads from one to the next."""

from enum import Enum
from types import MappingProxyType
from typing import Final


class CallState(Enum):
    CALLING = "calling"  # our INVITE is under way, or the far end rings
    CANCELLING = "cancelling"  # hung up by us before anybody answered
    OFFERED = "offered"  # the caller waits, perhaps hears ringing
    ACCEPTED = "accepted"  # 200 sent, ACK not seen
    CONFIRMED = "confirmed"  # up
    CLOSING = "closing"  # hung up by us, but BYE must wait for the ACK (§15)
    ENDING = "ending"  # our BYE is under way
    ENDED = "ended"


class CallEvent(Enum):
    ANSWERED = "2xx received"
    REFUSED = "refusal received, or nothing in time"
    ANSWER = "answer"
    REFUSE = "refuse"
    HANG_UP = "hang up"
    CANCEL = "CANCEL received"
    ACK = "ACK received"
    NO_ACK = "no ACK in time"
    BYE = "BYE received"
    SETTLE = "our BYE answered, or given up"


_S = CallState
_E = CallEvent

TRANSITIONS: Final[MappingProxyType[CallState, dict[CallEvent, CallState]]] = MappingProxyType(
    {
        _S.CALLING: {
            _E.ANSWERED: _S.CONFIRMED,
            _E.REFUSED: _S.ENDED,
            _E.HANG_UP: _S.CANCELLING,
        },
        _S.CANCELLING: {_E.ANSWERED: _S.ENDING, _E.REFUSED: _S.ENDED},  # the answer was faster
        _S.OFFERED: {
            _E.ANSWER: _S.ACCEPTED,
            _E.REFUSE: _S.ENDED,
            _E.CANCEL: _S.ENDED,
            _E.BYE: _S.ENDED,
        },
        _S.ACCEPTED: {
            _E.ACK: _S.CONFIRMED,
            _E.NO_ACK: _S.ENDING,
            _E.HANG_UP: _S.CLOSING,
            _E.BYE: _S.ENDED,
        },
        _S.CONFIRMED: {
            _E.NO_ACK: _S.ENDING,  # of a re-INVITE of theirs, or no answer to one of ours
            _E.HANG_UP: _S.ENDING,
            _E.BYE: _S.ENDED,
        },
        _S.CLOSING: {_E.ACK: _S.ENDING, _E.NO_ACK: _S.ENDING, _E.BYE: _S.ENDED},
        _S.ENDING: {_E.SETTLE: _S.ENDED, _E.BYE: _S.ENDING},
        _S.ENDED: {},
    }
)
