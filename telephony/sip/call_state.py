"""The states of a call that came in, and what leads from one to the next."""

from enum import Enum
from types import MappingProxyType
from typing import Final


class CallState(Enum):
    OFFERED = "offered"  # the caller waits, perhaps hears ringing
    ACCEPTED = "accepted"  # 200 sent, ACK not seen
    CONFIRMED = "confirmed"  # up
    CLOSING = "closing"  # hung up by us, but BYE must wait for the ACK (§15)
    ENDING = "ending"  # our BYE is under way
    ENDED = "ended"


class CallEvent(Enum):
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
            _E.NO_ACK: _S.ENDING,  # of a re-INVITE
            _E.HANG_UP: _S.ENDING,
            _E.BYE: _S.ENDED,
        },
        _S.CLOSING: {_E.ACK: _S.ENDING, _E.NO_ACK: _S.ENDING, _E.BYE: _S.ENDED},
        _S.ENDING: {_E.SETTLE: _S.ENDED, _E.BYE: _S.ENDING},
        _S.ENDED: {},
    }
)
