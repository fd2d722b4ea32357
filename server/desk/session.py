"""One agent's desk: it outlives the page that shows it, with its call, notes and wrap-up.

Everything here runs on the event loop and answers at once; what takes time, the records and the
back end, is done behind it and told to the page when it is done.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from server.desk.case_file import CaseFile
from server.desk.desk_line import DeskLine, LineWorld
from server.desk.errors import RefusedError
from server.desk.phases import LineCommand
from server.desk.ports import Channel, DeskActions, RingPhone
from server.desk.presence import (
    WINDOW_CLOSED,
    AgentDirectory,
    AgentState,
    Engagement,
    Presence,
    Reach,
)
from server.desk.protocol import (
    AgentView,
    ApprovalsTold,
    Choice,
    Decide,
    ErrorTold,
    FromDesk,
    Hello,
    PendingAction,
    Pong,
    PresenceTold,
    Replaced,
    Saved,
    SetDisposition,
    SetNote,
    SetPresence,
    SetReach,
    SetSpokenBrief,
    WrapUpDone,
    WrapUpTold,
    WrapUpView,
)
from server.desk.timers import Timer
from server.handoff.ports import Offer
from telephony.leg import OutgoingLeg
from voice.ports import AudioLeg

log = logging.getLogger(__name__)

_AT_THE_BACK: Final = {"note": "the note", "disposition": "the disposition", "decide": "the answer"}


@dataclass(slots=True, kw_only=True)
class WrapUp:
    """A call that is over for the caller, and not yet for the agent."""

    case: CaseFile
    reason: str
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWorld:
    """What every agent's desk shares."""

    line: LineWorld
    directory: AgentDirectory
    actions: DeskActions
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    dial: RingPhone | None = None
    queue: "QueueLength" = field(default_factory=lambda: QueueLength())


@dataclass(slots=True)
class QueueLength:
    """How many callers wait, as the desk was told last."""

    waiting: int = 0


class DeskSession:
    """Also the desk_line.LineOwner of its line."""

    def __init__(self, agent_id: str, world: SessionWorld) -> None:
        self.agent_id = agent_id
        self.spoken_brief = False
        self.spawn = world.spawn
        self._world, self._directory = world, world.directory
        self._timers = world.line.timers
        self._options = world.line.options
        self._channel: Channel | None = None
        self._line: DeskLine | None = None
        self._shown: AgentState | None = None  # what the page was told last
        self._wrap_up: WrapUp | None = None
        self._overdue: Timer | None = None
        self._left: Timer | None = None
        self._saving = asyncio.Lock()  # notes reach the records in the order they were written

    # --- the page ---

    @property
    def connected(self) -> bool:
        return self._channel is not None

    def connect(self, channel: Channel) -> None:
        """A page shows this desk from now on; one that did before is told so and closed."""
        if self._left is not None:
            self._left.cancel()
        before, self._channel = self._channel, channel
        if before is not None:
            before.send(Replaced())
            before.close()
        self._directory.desk_connected(self.agent_id, True)
        self._shown = self._directory.get(self.agent_id)
        self.tell(self.hello())
        if self._line is not None:
            self._line.desk_back()

    def disconnect(self, channel: Channel) -> None:
        """That page is gone; of no account when another took its place."""
        if channel is not self._channel:
            return
        self._channel = None
        self._directory.desk_connected(self.agent_id, False)
        self._left = self._timers.call_later(self._options.stay_ready_s, self._gone_for_long)
        if self._line is not None:
            self._line.desk_left()

    def _gone_for_long(self) -> None:
        """Whoever opens their desk the next morning says themselves when they are ready."""
        if self._directory.get(self.agent_id).reach is Reach.DESK:
            self._directory.choose_away(self.agent_id, WINDOW_CLOSED)

    def tell(self, message: BaseModel) -> None:
        if self._channel is not None:
            self._channel.send(message)

    def tell_presence(self) -> None:
        self._shown = self._directory.get(self.agent_id)
        self.tell(PresenceTold(agent=self._agent_view()))

    def show_change(self) -> None:
        """Show what others changed about this agent: their phone, the queue, a supervisor."""
        if self._shown != self._directory.get(self.agent_id):
            self.tell_presence()

    def receive(self, message: FromDesk) -> None:
        """Do what the page asks, or tell it why not; never raises for what a page can send."""
        try:
            self._serve(message)
        except RefusedError as refused:
            self.tell(ErrorTold(code=refused.code, message=str(refused), answers=message.type))

    def _serve(self, message: FromDesk) -> None:
        match message:
            case Pong():
                pass
            case SetPresence() | SetReach() | SetSpokenBrief():
                self._set(message)
            case SetNote():
                case = self._case(message.call_id)
                case.note = message.text
                self._behind(message.type, self._save_note(case, message.text))
            case SetDisposition():
                self._dispose(message)
            case Decide():
                self._decide(message)
            case WrapUpDone():
                self._finish_wrap_up(message.call_id)
            case _:
                self._at_line(message)

    def _set(self, message: SetPresence | SetReach | SetSpokenBrief) -> None:
        match message:
            case SetPresence(ready=True):
                self._directory.choose_ready(self.agent_id)
            case SetPresence():
                self._check_reason(message.away_reason)
                self._directory.choose_away(self.agent_id, message.away_reason)
            case SetReach():
                self._choose_reach(Reach(message.reach))
            case SetSpokenBrief():
                self.spoken_brief = message.wanted
        self.tell_presence()

    def _check_reason(self, reason: str | None) -> None:
        if reason is not None and self._options.away_reason(reason) is None:
            raise RefusedError("there is no such reason to be away")

    def _choose_reach(self, reach: Reach) -> None:
        if reach is Reach.PHONE and self._world.dial is None:
            raise RefusedError("no phones are set up here: calls come to this browser")
        try:
            self._directory.choose_reach(self.agent_id, reach)
        except ValueError as error:
            raise RefusedError(str(error)) from error

    def _at_line(self, command: LineCommand) -> None:
        if self._line is None:
            raise RefusedError("this call is not on your desk any more", code="gone")
        self._line.receive(command)

    # --- calls ---

    def open(self, offer: Offer) -> DeskLine:
        """A line for this offer.

        Raises:
            LookupError: the agent is not free, or not there.
        """
        state = self._directory.get(self.agent_id)
        if self._line is not None or state.presence is not Presence.READY:
            raise LookupError(f"agent {self.agent_id!r} is {state.presence.value}")
        phone: Callable[[], Awaitable[OutgoingLeg]] | None = None
        dial, extension = self._world.dial, state.profile.extension
        if state.reach is Reach.PHONE and dial is not None and extension is not None:
            phone = lambda: dial(extension, offer.context.handoff_id)  # noqa: E731  bound to what was chosen at this moment
        world = self._world.line
        line = DeskLine(
            offer,
            self,
            LineWorld(timers=world.timers, wall=world.wall, options=world.options, phone=phone),
        )
        self._line = line
        return line

    def call_of(self, offer_id: UUID) -> UUID:
        """The call that came with this offer.

        Raises:
            RefusedError: it is not on this desk, or not any more.
        """
        return self._line_of(offer_id).offer.call_id

    def attach_audio(self, offer_id: UUID, leg: AudioLeg) -> None:
        """The browser's audio for the call of this offer.

        Raises:
            RefusedError: it is not on this desk, or not any more.
        """
        self._line_of(offer_id).attach(leg)

    def _line_of(self, offer_id: UUID) -> DeskLine:
        if self._line is None or self._line.offer.id != offer_id:
            raise RefusedError("this call is not on your desk any more", code="gone")
        return self._line

    def has_call(self, call_id: UUID) -> bool:
        """Whether the agent may know about this call: it rings, is talked, or is wrapped up."""
        case = self._open_case()
        return case is not None and case.call_id == call_id

    def approvals(self, call_id: UUID, items: tuple[PendingAction, ...]) -> None:
        """What waits for this agent's word, in the call they have; of another call: ignored."""
        case = self._open_case()
        if case is not None and case.call_id == call_id:
            case.approvals = items
            self.tell(ApprovalsTold(call_id=call_id, items=items))

    def engage(self, engaged: Engagement) -> None:
        self._directory.engage(self.agent_id, engaged)
        self.tell_presence()

    def ended(self, line: DeskLine, reason: str, *, taken: bool) -> None:
        if line is not self._line:
            return
        self._line = None
        if taken:
            self._begin_wrap_up(line.case, reason)
        else:
            self._directory.engage(self.agent_id, None)
            self.tell_presence()

    # --- wrap-up ---

    def _begin_wrap_up(self, case: CaseFile, reason: str) -> None:
        self._wrap_up = WrapUp(case=case, reason=reason, since_s=self._timers.time())
        self._overdue = self._timers.call_later(self._options.wrap_up_s, self._time_is_up)
        self._directory.engage(self.agent_id, Engagement.WRAP_UP)
        self.tell(WrapUpTold(wrap_up=self._wrap_up_view()))
        self.tell_presence()

    def _time_is_up(self) -> None:
        """Whoever has chosen how the call ended is done; the others are overdue, on their page."""
        if self._wrap_up is not None and self._wrap_up.case.disposition is not None:
            self._end_wrap_up()

    def _finish_wrap_up(self, call_id: UUID) -> None:
        if self._wrap_up is None or self._wrap_up.case.call_id != call_id:
            raise RefusedError("this call is wrapped up already", code="gone")
        if self._wrap_up.case.disposition is None:
            raise RefusedError("choose how the call ended first", code="disposition_needed")
        self._end_wrap_up()

    def _end_wrap_up(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._wrap_up = self._overdue = None
        self._directory.engage(self.agent_id, None)
        self.tell(WrapUpTold(wrap_up=None))
        self.tell_presence()

    # --- the records and the back end ---

    def _dispose(self, message: SetDisposition) -> None:
        case = self._case(message.call_id)
        chosen = self._options.disposition(message.code)
        if chosen is None:
            raise RefusedError("there is no such disposition")
        case.disposition = chosen.code
        self._behind(message.type, self._save_disposition(case, chosen))

    def _decide(self, message: Decide) -> None:
        case = self._case(message.call_id)
        if not self._directory.get(self.agent_id).profile.may_approve:
            raise RefusedError("a supervisor decides this", code="forbidden")
        if message.action_id not in {item.id for item in case.approvals}:
            raise RefusedError("somebody else has decided this", code="gone")
        left = tuple(item for item in case.approvals if item.id != message.action_id)
        self._behind(message.type, self._pass_decision(message))
        self.approvals(case.call_id, left)

    async def _save_note(self, case: CaseFile, text: str) -> None:
        async with self._saving:
            if text == case.note:  # else a newer one waits behind this
                await self._world.actions.save_note(case.call_id, self.agent_id, text)
                self.tell(Saved(what="note", call_id=case.call_id))

    async def _save_disposition(self, case: CaseFile, chosen: Choice) -> None:
        async with self._saving:
            await self._world.actions.set_disposition(case.call_id, self.agent_id, chosen)
            self.tell(Saved(what="disposition", call_id=case.call_id))

    async def _pass_decision(self, message: Decide) -> None:
        await self._world.actions.decide(
            message.call_id, self.agent_id, message.action_id, message.approved
        )

    def _behind(self, asked: str, work: Coroutine[Any, Any, None]) -> None:
        self.spawn(self._told_of_failure(asked, work))

    async def _told_of_failure(self, asked: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RefusedError as refused:
            self.tell(ErrorTold(code=refused.code, message=str(refused), answers=asked))
        except Exception:
            log.exception("what an agent entered was not kept", extra={"asked": asked})
            message = f"{_AT_THE_BACK[asked]} could not be saved; try again"
            self.tell(ErrorTold(code="not_saved", message=message, answers=asked))

    # --- what the page is shown ---

    def _open_case(self) -> CaseFile | None:
        if self._line is not None:
            return self._line.case
        return self._wrap_up.case if self._wrap_up is not None else None

    def _case(self, call_id: UUID) -> CaseFile:
        case = self._open_case()
        if case is None or case.call_id != call_id:
            raise RefusedError("this call is not on your desk any more", code="gone")
        return case

    def hello(self) -> Hello:
        """Everything a page needs to show this desk as it is."""
        call = self._line.view() if self._line is not None else None
        # A line that does not ring yet is nobody's business.
        case = self._open_case() if call is not None or self._wrap_up is not None else None
        return Hello(
            agent=self._agent_view(),
            away_reasons=self._options.away_reasons,
            dispositions=self._options.dispositions,
            return_steps=self._options.return_steps,
            waiting=self._world.queue.waiting,
            call=call,
            wrap_up=self._wrap_up_view(),
            context=case.context if case else None,
            transcript=tuple(case.transcript) if case else (),
            note=case.note if case else "",
            disposition=case.disposition if case else None,
            approvals=case.approvals if case else (),
        )

    def _wrap_up_view(self) -> WrapUpView | None:
        if self._wrap_up is None:
            return None
        return WrapUpView(
            call_id=self._wrap_up.case.call_id,
            reason=self._wrap_up.reason,
            for_s=round(self._timers.time() - self._wrap_up.since_s, 2),
            limit_s=self._options.wrap_up_s,
        )

    def _agent_view(self) -> AgentView:
        state = self._directory.get(self.agent_id)
        return AgentView(
            id=state.profile.id,
            name=state.profile.name,
            presence=state.presence.value,
            away_reason=state.away_reason,
            ready_next=state.ready,
            for_s=round(self._timers.time() - state.since_s, 2),
            reach=state.reach.value,
            extension=state.profile.extension if self._world.dial is not None else None,
            spoken_brief=self.spoken_brief,
            may_approve=state.profile.may_approve,
        )
