"""One agent reached for one caller: the desk shows and decides, a browser or a phone carries audio.

A page or its audio that is lost is waited for: while it rings, the page may be reloaded; in the
conversation the loss is reported after a moment (the caller is not left in silence), and the return
too, as long as nobody has released the line.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel

from server.desk.agent_leg import AgentLeg
from server.desk.case_file import CaseFile
from server.desk.errors import RefusedError
from server.desk.options import DeskOptions
from server.desk.phases import (
    ALLOWED,
    ANSWERED,
    BEFORE_TAKING,
    IN_TALK,
    TAKEN,
    UP,
    LineCommand,
    Phase,
    asked,
)
from server.desk.presence import Engagement
from server.desk.protocol import (
    Accept,
    Answer,
    CallTold,
    CallView,
    ContextTold,
    Decline,
    ErrorTold,
    HangUp,
    Hold,
    Mute,
    OfferTold,
    OfferWithdrawn,
    Resume,
    Seen,
    TranscriptTold,
)
from server.desk.timers import Timers, Waits
from server.handoff.called_back_leg import NOT_REACHED
from server.handoff.context import HandOffContext
from server.handoff.leg_abilities import follow_hold
from server.handoff.phone_line import refusal
from server.handoff.phone_transfer import take_transfers
from server.handoff.ports import (
    HoldChanged,
    LineEvent,
    LinePressedKey,
    LineRequest,
    MuteChanged,
    Offer,
)
from telephony.leg import LegGoneError, LegRefusedError, OutgoingLeg
from telephony.transfer_events import (
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetRinging,
)
from voice.events import KeyPressed, LegEvent
from voice.ports import AudioLeg


class LineOwner(Protocol):
    """The desk of the line's agent."""

    @property
    def connected(self) -> bool:
        """Whether the page is there."""
        ...

    @property
    def spoken_brief(self) -> bool:
        """Whether this agent wants the brief said to them."""
        ...

    def tell(self, message: BaseModel) -> None:
        """Show it, if the page is there; what it missed it learns when it comes back."""
        ...

    def engage(self, engaged: Engagement) -> None: ...

    def ended(self, line: "DeskLine", reason: str, *, taken: bool) -> None:
        """Nothing more comes of this line; `taken`: the agent had the caller."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWorld:
    """What a line needs besides its offer and its agent."""

    timers: Timers
    wall: Callable[[], datetime]
    options: DeskOptions
    phone: Callable[[], Awaitable[OutgoingLeg]] | None = None
    """Rings the agent's phone; None: they take the call in the browser."""


class DeskLine:
    """server.handoff.ports.AgentLine of an agent who has the desk open."""

    def __init__(self, offer: Offer, owner: LineOwner, world: LineWorld) -> None:
        self.on_event: Callable[[LineEvent], None] = lambda _event: None
        self.case = CaseFile.of(offer)
        self.offer = offer
        self._owner, self._timers, self._world = owner, world.timers, world
        self._audio = AgentLeg()
        self._audio.on_lost = self._audio_lost
        self._audio.on_event = self._key_pressed
        self._phase = Phase.OFFERED
        self._phase_since_s = self._talk_since_s = self._timers.time()
        self._dialled: OutgoingLeg | None = None
        self._taking = False  # Accept came before the audio did
        self._lost = False  # the coordinator was told so
        self._waits = Waits(world.timers)
        self._released = False

    # --- AgentLine ---

    @property
    def on_telephone(self) -> bool:
        return self._world.phone is not None

    @property
    def leg(self) -> AudioLeg | None:
        """The agent's audio once they answered, the same through every reload."""
        return self._audio if self._phase in UP else None

    def ring(self) -> None:
        """Show the offer and ring; once."""
        if self._phase is not Phase.OFFERED:
            raise RuntimeError("a line rings once")
        self._enter(Phase.RINGING)
        self._owner.engage(Engagement.RINGING)
        self._owner.tell(self.offer_told())
        if self._world.phone is not None:
            self._owner.spawn(self._ring_phone(self._world.phone))
        else:
            self._check_whole()

    def joined(self) -> None:
        if self._phase in (Phase.BRIEFING, Phase.JOINING):  # briefing: accepted by a phone's key
            self._talk_since_s = self._timers.time()
        if self._phase in UP:
            self._enter(Phase.TALKING)

    def said(self, who: str, text: str) -> None:
        line = self.case.said(who, text, self._world.wall)
        if self._phase is not Phase.ENDED:
            self._owner.tell(TranscriptTold(call_id=self.offer.call_id, line=line))

    def learned(self, context: HandOffContext) -> None:
        # Given another caller in the middle of a call, the agent files both under the first.
        context = self.case.context = replace(context, call_id=self.offer.call_id)
        if self.view() is not None:
            self._owner.tell(ContextTold(context=context))

    def refused(self, asked: LineRequest, why: str) -> None:
        self._owner.tell(ErrorTold(code="refused", message=why, answers=ANSWERED[type(asked)]))

    def release(self, reason: str) -> None:
        self._released = True
        self._end(reason)

    # --- the agent ---

    def receive(self, command: LineCommand) -> None:
        """
        Raises:
            RefusedError: not in this phase, or not for this call.
        """
        self._check(command)
        match command:
            case Seen():
                self._report(TargetRinging())
            case Answer():
                self._pick_up(taking=False)
            case Accept():
                self._take()
            case Decline():
                self._close(TargetDeclined(reason=command.reason), "declined")
            case HangUp():
                self._close(TargetGone(reason="agent_hangup"), "agent_hangup")
            case Mute():
                self._audio.muted = command.muted
                self._report(MuteChanged(muted=command.muted))
                self._show()
            case Hold() | Resume():
                self._hold(isinstance(command, Hold))
            case _:
                self._report(asked(command))

    def _check(self, command: LineCommand) -> None:
        about = command.model_dump().get("call_id", self.offer.call_id)
        offer_id = command.model_dump().get("offer_id", self.offer.id)
        if about != self.offer.call_id or offer_id != self.offer.id:
            raise RefusedError("this call is not on your desk any more", code="gone")
        if self._phase not in ALLOWED[type(command)]:
            raise RefusedError("that is not possible at this point of the call", code="not_now")

    # --- audio ---

    def attach(self, leg: AudioLeg) -> None:
        """The agent's browser connected its audio, for the first time or again.

        Raises:
            RefusedError: the call is over, or its audio is at the agent's phone.
        """
        if self._phase in (Phase.OFFERED, Phase.ENDED):
            raise RefusedError("this call is not on your desk any more", code="gone")
        if self._world.phone is not None:
            raise RefusedError("you take calls on your phone", code="not_now")
        self._connected(leg)

    def _connected(self, leg: AudioLeg) -> None:
        before = self._audio.attach(leg)
        if before is not None:
            self._owner.spawn(before.hang_up("replaced"))
        self._waits.stop("audio")
        if self._phase is Phase.CONNECTING:
            self._up()
        self._check_whole()
        self._show()

    def _audio_lost(self) -> None:
        if self._world.phone is not None:
            self._close(TargetGone(reason="agent_hangup"), "agent_hangup")
        else:
            self._check_whole()
            self._show()

    async def _ring_phone(self, dial: Callable[[], Awaitable[OutgoingLeg]]) -> None:
        try:
            leg = self._dialled = await dial()
            leg.on_ringing = lambda: self._report(TargetRinging())
            if self._phase is Phase.ENDED:  # released while the phone was being dialled
                await leg.hang_up("released")
            await leg.answered()
        except LegRefusedError as refused:
            reason = refusal(refused.status)
            self._close(TargetFailed(reason=reason), reason)
        except LegGoneError:
            self._close(TargetFailed(reason="unreachable"), "unreachable")
        else:
            self._phone_answered(leg)

    def _phone_answered(self, leg: OutgoingLeg) -> None:
        if self._phase is Phase.ENDED:
            return  # hung up with the line
        take_transfers(leg, self._report, has_caller=lambda: self._phase in IN_TALK)
        follow_hold(leg, self._hold)
        self._connected(leg)
        if self._phase is Phase.RINGING:
            self._pick_up(taking=False)

    def _hold(self, held: bool) -> None:
        """At the desk or with a key of the phone, which also holds the line to ask somebody."""
        if self._phase in IN_TALK and held != (self._phase is Phase.HELD):
            self._enter(Phase.HELD if held else Phase.TALKING)
            self._report(HoldChanged(held=held))

    def _key_pressed(self, event: LegEvent) -> None:
        if isinstance(event, KeyPressed):
            self._report(LinePressedKey(key=event.key))

    # --- the page ---

    def desk_left(self) -> None:
        """The page is gone: reloading, or for good."""
        self._check_whole()

    def desk_back(self) -> None:
        """The page is there again; it is told everything in its `hello`."""
        self._check_whole()

    def _whole(self) -> bool:
        if self._world.phone is not None:
            return True  # the page only shows; its audio's end is a hang-up
        return self._owner.connected and (self._audio.connected or self._phase not in UP)

    def _check_whole(self) -> None:
        if self._phase is Phase.ENDED:
            return
        if not self._whole():
            if "loss" not in self._waits:
                options = self._world.options
                delay_s = (
                    options.lost_after_s if self._phase in IN_TALK else options.ringing_reconnect_s
                )
                self._waits.begin("loss", delay_s, self._lose)
            return
        self._waits.stop("loss")
        if self._lost:
            self._lost = False
            self._report(TargetAnswered(sees_context=True))

    def _lose(self) -> None:
        reason = "network_error" if self._owner.connected else "browser_closed"
        if self._phase in (Phase.RINGING, Phase.CONNECTING):
            self._close(TargetFailed(reason="unreachable"), reason)
        elif self._phase in IN_TALK:
            self._lost = True
            self._report(TargetGone(reason=reason))
            options = self._world.options
            self._waits.begin("loss", options.reconnect_s - options.lost_after_s, self._give_up)
        else:
            self._close(TargetGone(reason=reason), reason)

    def _give_up(self) -> None:
        self._close(TargetGone(reason="connection_lost"), "connection_lost")

    def view(self) -> CallView | None:
        """How the call stands; None: it does not ring yet, or is over."""
        if self._phase in (Phase.OFFERED, Phase.ENDED):
            return None
        now_s = self._timers.time()
        since_s = self._talk_since_s if self._phase in IN_TALK else self._phase_since_s
        left_s = self.offer.rings_for_s - (now_s - self._phase_since_s)
        return CallView(
            call_id=self.offer.call_id,
            offer_id=self.offer.id,
            phase=self._phase.value,
            reconnecting=self._phase in UP and not self._audio.connected,
            muted=self._audio.muted,
            for_s=round(now_s - since_s, 2),
            rings_for_s=max(0.0, left_s) if self._phase is Phase.RINGING else 0.0,
        )

    def offer_told(self) -> OfferTold:
        view = self.view()
        assert view is not None, "only what rings is shown"
        case, lines = self.case, tuple(self.case.transcript)
        return OfferTold(
            call=view, context=case.context, transcript=lines, approvals=case.approvals
        )

    # --- inside ---

    def _take(self) -> None:
        if self._phase is Phase.BRIEFING:
            self._accept()
        else:
            self._pick_up(taking=True)

    def _pick_up(self, *, taking: bool) -> None:
        self._taking = taking
        if self._audio.connected:
            self._up()
        elif self._phase is Phase.RINGING:
            self._enter(Phase.CONNECTING)
            if self._world.phone is None:
                wait_s = self._world.options.audio_wait_s
                self._waits.begin("audio", wait_s, self._give_up_connecting)

    def _give_up_connecting(self) -> None:
        self._close(TargetFailed(reason="no_audio"), "no_audio")

    def _up(self) -> None:
        silent = self._taking or (self._owner.connected and not self._owner.spoken_brief)
        self._owner.engage(Engagement.TALKING)
        self._enter(Phase.BRIEFING)
        self._report(TargetAnswered(sees_context=silent))
        if self._taking:
            self._accept()

    def _accept(self) -> None:
        self._enter(Phase.JOINING)
        self._report(TargetAccepted())

    def _enter(self, phase: Phase) -> None:
        self._phase, self._phase_since_s = phase, self._timers.time()
        if phase is not Phase.RINGING:
            self._show()

    def _show(self) -> None:
        view = self.view()
        if view is not None:
            self._owner.tell(CallTold(call=view))

    def _report(self, event: LineEvent) -> None:
        # Soon, not now: whoever rings, joins or releases must not be called from within.
        self._timers.call_soon(self._deliver, event)

    def _deliver(self, event: LineEvent) -> None:
        if not self._released:
            self.on_event(event)

    def _close(self, event: LineEvent, reason: str) -> None:
        """End the line from this side."""
        if self._phase is not Phase.ENDED:
            self._end(reason)
            self._report(event)

    def _end(self, reason: str) -> None:
        if self._phase is Phase.ENDED:
            return
        was, self._phase = self._phase, Phase.ENDED
        self._waits.stop_all()
        self._owner.spawn(self._audio.hang_up(reason))
        if self._dialled is not None:
            self._owner.spawn(self._dialled.hang_up(reason))
        if was in BEFORE_TAKING or reason == NOT_REACHED:
            self._owner.tell(OfferWithdrawn(offer_id=self.offer.id, reason=reason))
        talked = was in TAKEN and reason != NOT_REACHED
        self._owner.ended(self, reason, taken=talked)
