"""The side of a hand-off where those are whom the agent's telephone asked itself.

The phone called somebody, in a call of its own, and asks by REFER with Replaces that the caller
take its place there (RFC 5589 §7). frontdesk stays between them: it calls that somebody with the
Replaces it was given (RFC 3891), and whoever answers has the caller from then on, at once, since
the agent told them why. A consultation that the phone made through frontdesk is joined with the
caller's call in here: with whoever has it, with the queue it waits in, or with our own dialog.

The phone is told how it goes by NOTIFY. What fails leaves the call as it was; an agent who has hung
up meanwhile, as many phones do at once, leaves the caller with music, and then to the queue.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from server.handoff.attempts import Attempts
from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand
from server.handoff.phone_line import PhoneLine
from server.handoff.phone_transfer import as_dialled
from server.handoff.ports import AgentLine, LineEvent
from server.handoff.run_world import Consultations
from server.handoff.stage import GUEST, Stage
from server.handoff.target_side import TargetSide, ignore
from telephony.sip.errors import DialogError
from telephony.sip.referral import ReferRequest
from telephony.transfer import TransferState
from telephony.transfer_events import (
    CallReturned,
    TargetAnswered,
    TargetFailed,
    TargetRinging,
    TransferEvent,
)
from voice.ports import AudioLeg

log = logging.getLogger(__name__)

_TRIED, _REACHED = 180, 200
_NO_SUCH_CALL, _TIMEOUT, _GIVEN_UP, _DECLINED = 481, 408, 487, 603


class ConsultingRun(Protocol):
    """The hand-off of the caller who is given away."""

    call: CallInHand
    id: UUID

    @property
    def state(self) -> TransferState: ...

    def tell(self, event: TransferEvent) -> None: ...

    def requeue(self, skill: str | None) -> None:
        """Give the caller to whoever the queue of this skill picks."""
        ...

    def context(self) -> HandOffContext: ...

    def has_guest(self) -> bool:
        """Whether a second person is in the call, or on the way there."""
        ...


class ConsultedSide:
    """One hand-off's; at most one consultation is being joined at a time.

    Args:
        patience_s: how long whom we call may ring; they talk to the agent's phone already.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        run: ConsultingRun,
        stage: Stage,
        target: TargetSide,
        attempts: Attempts,
        *,
        consultations: Consultations,
        patience_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._run, self._stage, self._target, self._attempts = run, stage, target, attempts
        self._consultations, self._patience_s, self._clock = consultations, patience_s, clock
        self._request: ReferRequest | None = None
        self._line: PhoneLine | None = None
        self._until_s, self._rang_at = 0.0, datetime.now(UTC)
        self._agent_left = False

    def take(self, request: ReferRequest) -> None:
        """The agent's telephone gives the caller away so."""
        busy = self._request is not None or self._run.has_guest()
        if busy or self._run.state is not TransferState.JOINED or request.replaces is None:
            request.decline()
            return
        try:
            own = self._consultations.own(request.replaces)
        except DialogError as error:
            if error.status == _NO_SUCH_CALL:
                self._call(request)
            else:
                request.decline(error.status)
        else:
            self._join_own(request, own)

    def host_left(self) -> bool:
        """The agent is gone; whether the caller waits for whom they consulted."""
        if self._request is None:
            return False
        self._agent_left = True
        self._stage.hold()
        return True

    def tick(self) -> None:
        """Whoever does not answer in time is not there."""
        if self._request is not None and self._clock() >= self._until_s:
            self._give_up("no_answer", _TIMEOUT)

    def end(self, reason: str) -> None:
        """The conversation is over, or the caller with somebody else; idempotent."""
        request, line = self._forget()
        if request is not None:
            request.report(_GIVEN_UP)
        _let_go(line, reason)

    # --- somebody elsewhere ---

    def _call(self, request: ReferRequest) -> None:
        request.accept()
        self._request, self._until_s = request, self._clock() + self._patience_s
        self._rang_at = datetime.now(UTC)
        line = self._line = self._consultations.line(request, self._run.id)
        line.on_event = self._line_event
        line.ring()

    def _line_event(self, event: LineEvent) -> None:
        request, line = self._request, self._line
        if request is None or line is None:
            return
        match event:
            case TargetRinging():
                request.report(_TRIED)
            case TargetAnswered():
                self._answered(request, line)
            case TargetFailed(reason=reason):
                self._give_up(reason, line.status)
            case _:
                self._give_up("gone", _GIVEN_UP)

    def _answered(self, request: ReferRequest, line: PhoneLine) -> None:
        if line.leg is None:
            self._give_up("gone", _GIVEN_UP)
            return
        self._forget()
        name = as_dialled(request.target)
        self._attempts.joined_in(name, self._rang_at)
        self._succeed(request, name, line, line.leg)

    def _give_up(self, reason: str, status: int) -> None:
        agent_left = self._agent_left
        request, line = self._forget()
        _let_go(line, reason)
        if request is not None:
            log.info("whom an agent consulted was not reached", extra={"status": status})
            request.report(status)
        if agent_left:
            self._run.requeue(None)

    # --- a consultation through frontdesk ---

    def _join_own(self, request: ReferRequest, own: CallInHand) -> None:
        other = self._consultations.run_of(own)
        is_callers = own.call_id == self._run.call.call_id
        if is_callers or (other is None and not self._run.call.has_dialog):
            request.decline(_DECLINED)
            return
        request.accept()
        if other is None:  # frontdesk itself is whom they talk to
            request.report(_REACHED)
            self._run.tell(CallReturned())
            self._consultations.hang_up(own)
            return
        given = other.surrender()
        if given is None:
            request.report(_REACHED)
            self._run.requeue(other.skill)
        else:
            name, line, leg = given
            self._attempts.joined_in(name, datetime.now(UTC))
            self._succeed(request, name, line, leg)
            line.learned(self._run.context())
        other.over("consulted")

    # --- both ---

    def _succeed(self, request: ReferRequest, name: str, line: AgentLine, leg: AudioLeg) -> None:
        self._stage.comes(GUEST, leg)
        self._attempts.took_over(name)
        request.report(_REACHED)  # before the agent's leg is released, with its dialog
        self._target.succeed(name, line)
        line.joined()

    def _forget(self) -> tuple[ReferRequest | None, PhoneLine | None]:
        request, line = self._request, self._line
        self._request = self._line = None
        self._agent_left = False
        return request, line


def _let_go(line: PhoneLine | None, reason: str) -> None:
    if line is not None:
        line.on_event = ignore
        line.release(reason)
