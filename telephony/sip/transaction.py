"""The four transaction machines (RFC 3261 §17, with RFC 6026's Accepted state).

A transaction is one request and its responses. Its machine repeats what the network may have
lost, absorbs what the network delivered twice, and dies when nothing belonging to it can be under
way any more. `TRANSITIONS` says for each kind and state what a trigger leads to; a trigger that is
not there raises and changes nothing. `TIMERS` says which timers run in a state: entering a state
stops those that are not listed, starts those that are new, and leaves alone those that run already.

The machine knows nothing of keys, sockets and messages: transaction_layer.py carries its actions
out.
"""

from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from telephony.sip.errors import LocalProtocolError

T1_S: Final = 0.5  # estimate of the round trip
T2_S: Final = 4.0  # longest pause between repetitions
T4_S: Final = 5.0  # longest a message stays in the network
TIMEOUT_S: Final = 64 * T1_S  # timers B, F, H, J, L, M
TIMER_D_S: Final = 32.0  # at least as long as the peer's timer H


class Kind(Enum):
    INVITE_SERVER = "INVITE server"  # §17.2.1
    SERVER = "server"  # §17.2.2
    INVITE_CLIENT = "INVITE client"  # §17.1.1
    CLIENT = "client"  # §17.1.2


class State(Enum):
    CALLING = "calling"  # INVITE sent, nothing heard
    TRYING = "trying"  # other request under way, nothing said
    PROCEEDING = "proceeding"  # a provisional response was given
    COMPLETED = "completed"  # a final response was given; repetitions may come
    CONFIRMED = "confirmed"  # ACK came for a refusal; repetitions of it may come
    ACCEPTED = "accepted"  # a 2xx was given; the user repeats it until ACK
    TERMINATED = "terminated"  # to be forgotten


class Event(Enum):
    REQUEST = "request"  # the same request again
    ACK = "ACK"  # from the network
    RECEIVE_1XX = "receive 1xx"
    RECEIVE_2XX = "receive 2xx"
    RECEIVE_REFUSAL = "receive 300-699"
    SEND_1XX = "send 1xx"  # from the user
    SEND_2XX = "send 2xx"
    SEND_REFUSAL = "send 300-699"


class Timer(Enum):
    A = "A"  # repeats INVITE
    B = "B"  # gives up INVITE
    D = "D"  # waits for repeated refusals
    E = "E"  # repeats a request
    F = "F"  # gives up a request
    G = "G"  # repeats a refusal of INVITE
    H = "H"  # gives up waiting for ACK
    I = "I"  # waits for repeated ACKs  # noqa: E741
    J = "J"  # waits for repeated requests
    K = "K"  # waits for repeated responses
    L = "L"  # waits for repeated INVITEs after 2xx
    M = "M"  # waits for repeated 2xx


class Action(Enum):
    SEND = "send"  # the response the user gave
    REPEAT = "repeat"  # the last message sent
    ACKNOWLEDGE = "acknowledge"  # send ACK for a refusal (§17.1.1.3)
    DELIVER = "deliver"  # give the message to the user
    TIME_OUT = "time out"  # tell the user that nothing came


Trigger: TypeAlias = Event | Timer
Transition: TypeAlias = tuple[State, tuple[Action, ...]]

_S = State
_E = Event
_T = Timer
_A = Action

TRANSITIONS: Final[MappingProxyType[tuple[Kind, State], dict[Trigger, Transition]]] = (
    MappingProxyType(
        {
            (Kind.INVITE_SERVER, _S.PROCEEDING): {
                _E.REQUEST: (_S.PROCEEDING, (_A.REPEAT,)),
                _E.ACK: (_S.PROCEEDING, ()),
                _E.SEND_1XX: (_S.PROCEEDING, (_A.SEND,)),
                _E.SEND_2XX: (_S.ACCEPTED, (_A.SEND,)),
                _E.SEND_REFUSAL: (_S.COMPLETED, (_A.SEND,)),
            },
            (Kind.INVITE_SERVER, _S.COMPLETED): {
                _E.REQUEST: (_S.COMPLETED, (_A.REPEAT,)),
                _E.ACK: (_S.CONFIRMED, ()),
                _T.G: (_S.COMPLETED, (_A.REPEAT,)),
                _T.H: (_S.TERMINATED, (_A.TIME_OUT,)),
            },
            (Kind.INVITE_SERVER, _S.CONFIRMED): {
                _E.REQUEST: (_S.CONFIRMED, ()),
                _E.ACK: (_S.CONFIRMED, ()),
                _T.I: (_S.TERMINATED, ()),
            },
            (Kind.INVITE_SERVER, _S.ACCEPTED): {
                _E.REQUEST: (_S.ACCEPTED, ()),
                _E.ACK: (_S.ACCEPTED, (_A.DELIVER,)),
                _E.SEND_2XX: (_S.ACCEPTED, (_A.SEND,)),
                _T.L: (_S.TERMINATED, ()),
            },
            (Kind.SERVER, _S.TRYING): {
                _E.REQUEST: (_S.TRYING, ()),
                _E.SEND_1XX: (_S.PROCEEDING, (_A.SEND,)),
                _E.SEND_2XX: (_S.COMPLETED, (_A.SEND,)),
                _E.SEND_REFUSAL: (_S.COMPLETED, (_A.SEND,)),
            },
            (Kind.SERVER, _S.PROCEEDING): {
                _E.REQUEST: (_S.PROCEEDING, (_A.REPEAT,)),
                _E.SEND_1XX: (_S.PROCEEDING, (_A.SEND,)),
                _E.SEND_2XX: (_S.COMPLETED, (_A.SEND,)),
                _E.SEND_REFUSAL: (_S.COMPLETED, (_A.SEND,)),
            },
            (Kind.SERVER, _S.COMPLETED): {
                _E.REQUEST: (_S.COMPLETED, (_A.REPEAT,)),
                _T.J: (_S.TERMINATED, ()),
            },
            (Kind.INVITE_CLIENT, _S.CALLING): {
                _E.RECEIVE_1XX: (_S.PROCEEDING, (_A.DELIVER,)),
                _E.RECEIVE_2XX: (_S.ACCEPTED, (_A.DELIVER,)),
                _E.RECEIVE_REFUSAL: (_S.COMPLETED, (_A.ACKNOWLEDGE, _A.DELIVER)),
                _T.A: (_S.CALLING, (_A.REPEAT,)),
                _T.B: (_S.TERMINATED, (_A.TIME_OUT,)),
            },
            (Kind.INVITE_CLIENT, _S.PROCEEDING): {
                _E.RECEIVE_1XX: (_S.PROCEEDING, (_A.DELIVER,)),
                _E.RECEIVE_2XX: (_S.ACCEPTED, (_A.DELIVER,)),
                _E.RECEIVE_REFUSAL: (_S.COMPLETED, (_A.ACKNOWLEDGE, _A.DELIVER)),
            },
            (Kind.INVITE_CLIENT, _S.COMPLETED): {
                _E.RECEIVE_1XX: (_S.COMPLETED, ()),
                _E.RECEIVE_2XX: (_S.COMPLETED, ()),
                _E.RECEIVE_REFUSAL: (_S.COMPLETED, (_A.ACKNOWLEDGE,)),
                _T.D: (_S.TERMINATED, ()),
            },
            (Kind.INVITE_CLIENT, _S.ACCEPTED): {
                _E.RECEIVE_1XX: (_S.ACCEPTED, ()),
                _E.RECEIVE_2XX: (_S.ACCEPTED, (_A.DELIVER,)),
                _E.RECEIVE_REFUSAL: (_S.ACCEPTED, ()),
                _T.M: (_S.TERMINATED, ()),
            },
            (Kind.CLIENT, _S.TRYING): {
                _E.RECEIVE_1XX: (_S.PROCEEDING, (_A.DELIVER,)),
                _E.RECEIVE_2XX: (_S.COMPLETED, (_A.DELIVER,)),
                _E.RECEIVE_REFUSAL: (_S.COMPLETED, (_A.DELIVER,)),
                _T.E: (_S.TRYING, (_A.REPEAT,)),
                _T.F: (_S.TERMINATED, (_A.TIME_OUT,)),
            },
            (Kind.CLIENT, _S.PROCEEDING): {
                _E.RECEIVE_1XX: (_S.PROCEEDING, (_A.DELIVER,)),
                _E.RECEIVE_2XX: (_S.COMPLETED, (_A.DELIVER,)),
                _E.RECEIVE_REFUSAL: (_S.COMPLETED, (_A.DELIVER,)),
                _T.E: (_S.PROCEEDING, (_A.REPEAT,)),
                _T.F: (_S.TERMINATED, (_A.TIME_OUT,)),
            },
            (Kind.CLIENT, _S.COMPLETED): {
                _E.RECEIVE_1XX: (_S.COMPLETED, ()),
                _E.RECEIVE_2XX: (_S.COMPLETED, ()),
                _E.RECEIVE_REFUSAL: (_S.COMPLETED, ()),
                _T.K: (_S.TERMINATED, ()),
            },
        }
    )
)

TIMERS: Final[MappingProxyType[tuple[Kind, State], tuple[Timer, ...]]] = MappingProxyType(
    {
        (Kind.INVITE_SERVER, _S.COMPLETED): (_T.G, _T.H),
        (Kind.INVITE_SERVER, _S.CONFIRMED): (_T.I,),
        (Kind.INVITE_SERVER, _S.ACCEPTED): (_T.L,),
        (Kind.SERVER, _S.COMPLETED): (_T.J,),
        (Kind.INVITE_CLIENT, _S.CALLING): (_T.A, _T.B),
        (Kind.INVITE_CLIENT, _S.COMPLETED): (_T.D,),
        (Kind.INVITE_CLIENT, _S.ACCEPTED): (_T.M,),
        (Kind.CLIENT, _S.TRYING): (_T.E, _T.F),
        (Kind.CLIENT, _S.PROCEEDING): (_T.E, _T.F),
        (Kind.CLIENT, _S.COMPLETED): (_T.K,),
    }
)

INITIAL: Final = MappingProxyType(
    {
        Kind.INVITE_SERVER: _S.PROCEEDING,
        Kind.SERVER: _S.TRYING,
        Kind.INVITE_CLIENT: _S.CALLING,
        Kind.CLIENT: _S.TRYING,
    }
)

_FIRST_S: Final = MappingProxyType(
    {
        **dict.fromkeys((_T.A, _T.E, _T.G), T1_S),
        **dict.fromkeys((_T.B, _T.F, _T.H, _T.J, _T.L, _T.M), TIMEOUT_S),
        **dict.fromkeys((_T.I, _T.K), T4_S),
        _T.D: TIMER_D_S,
    }
)
_REPEATING: Final = (_T.A, _T.E, _T.G)  # never run over a reliable transport
_LINGERING: Final = (_T.D, _T.I, _T.J, _T.K)  # fire at once over a reliable transport


class Transaction:
    """One machine and its clock.

    Attributes:
        kind: which of the four machines.
        state: where it is.
    """

    __slots__ = ("_deadlines", "_interval_s", "_reliable", "kind", "state")

    def __init__(self, kind: Kind, *, now_s: float, reliable: bool = False) -> None:
        """
        Args:
            now_s: monotonic seconds.
            reliable: the transport repeats by itself (TCP, TLS).
        """
        self.kind = kind
        self._reliable = reliable
        self._deadlines: dict[Timer, float] = {}
        self._interval_s = T1_S
        self.state = INITIAL[kind]
        self._arm(now_s)

    def step(self, trigger: Trigger, now_s: float) -> tuple[Action, ...]:
        """Take one transition.

        Returns:
            what to do now, in order.

        Raises:
            LocalProtocolError: the trigger is illegal in this state; nothing changed.
        """
        transition = TRANSITIONS.get((self.kind, self.state), {}).get(trigger)
        if transition is None:
            raise LocalProtocolError(f"{trigger} in state {self.state} of {self.kind}")
        state, actions = transition
        if trigger in _REPEATING:
            self._repeat(trigger, now_s)
        if state is not self.state:
            self.state = state
            self._arm(now_s)
        return actions

    def next_deadline_s(self) -> float | None:
        """When the next timer fires."""
        return min(self._deadlines.values(), default=None)

    def due(self, now_s: float) -> Timer | None:
        """The earliest timer that should have fired by now; pass it to `step`."""
        if not self._deadlines:
            return None
        timer = min(self._deadlines, key=self._deadlines.__getitem__)
        return timer if self._deadlines[timer] <= now_s else None

    def _arm(self, now_s: float) -> None:
        wanted = TIMERS.get((self.kind, self.state), ())
        self._deadlines = {
            timer: self._deadlines.get(timer, now_s + self._first_s(timer))
            for timer in wanted
            if not (self._reliable and timer in _REPEATING)
        }

    def _first_s(self, timer: Timer) -> float:
        return 0.0 if self._reliable and timer in _LINGERING else _FIRST_S[timer]

    def _repeat(self, timer: Timer, now_s: float) -> None:
        self._interval_s *= 2
        if timer is Timer.E and self.state is State.PROCEEDING:
            self._interval_s = T2_S  # §17.1.2.2: the server is at work, there is no hurry
        elif timer is not Timer.A:  # A has no ceiling: B stops it
            self._interval_s = min(self._interval_s, T2_S)
        self._deadlines[timer] = now_s + self._interval_s
