"""A desk with everything real but the people: scripted callers, a remembered records room."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from server.accounts.rights import Role
from server.accounts.users import User
from server.desk.board import BoardApproval, BoardCall, ListenMode, QueueFigures, QueueInterval
from server.desk.desk import Desk, DeskPorts
from server.desk.desk_line import DeskLine
from server.desk.errors import NoAudioError
from server.desk.http import DeskDoors, desk_router
from server.desk.http_messages import EarlierCall
from server.desk.options import DeskOptions
from server.desk.ports import OpenRtc, RtcLeg
from server.desk.protocol import Choice, TransferTarget
from server.handoff.context import HandOffContext
from server.handoff.ports import HoldChanged, LineEvent, Offer
from server.pages import mount_assets
from server.web import serving
from telephony.leg import CallerInfo
from telephony.transfer_events import CallReturned, TargetAccepted, TargetAnswered, TargetGone
from telephony.webrtc import BadOfferError, WebRtcOptions, WebRtcPeers
from tests.fakes.handoff_contexts import handoff_context
from voice.frames import FRAME_S, silence
from voice.ports import AudioLeg

AGENT = User(
    id=UUID(int=7),
    login="dana",
    name="Dana Reyes",
    role=Role.SUPERVISOR,
    skills={"orders": 3},
    languages=("en",),
    extension="201",
)
OPTIONS = DeskOptions(return_steps=(Choice(code="take_payment", label="Take the payment"),))
COLLEAGUE = User(id=UUID(int=8), login="kim", name="Kim Osei", role=Role.AGENT)


@dataclass(kw_only=True)
class Failing:
    """`failing` makes the next act fail."""

    failing: Exception | None = None

    def _fail(self) -> None:
        failing, self.failing = self.failing, None
        if failing is not None:
            raise failing


@dataclass
class RecordedActions(Failing):
    """DeskActions that remembers."""

    notes: list[str] = field(default_factory=list[str])
    dispositions: list[str] = field(default_factory=list[str])
    decisions: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    earlier: Sequence[EarlierCall] = ()

    async def save_note(self, call_id: UUID, agent_id: str, text: str) -> None:
        self._fail()
        self.notes.append(text)

    async def set_disposition(self, call_id: UUID, agent_id: str, chosen: Choice) -> None:
        self._fail()
        self.dispositions.append(chosen.code)

    async def decide(self, call_id: UUID, agent_id: str, action_id: str, approved: bool) -> None:
        self._fail()
        self.decisions.append((action_id, approved))

    async def history(self, call_id: UUID) -> Sequence[EarlierCall]:
        return self.earlier

    def targets(self, agent_id: str) -> Sequence[TransferTarget]:
        return [TransferTarget(target="queue:returns", label="Returns team", kind="queue")]


@dataclass
class ScriptedFloor(Failing):
    """Supervision of calls that are only said to be."""

    live: Sequence[BoardCall] = ()
    figures: QueueFigures = field(default_factory=QueueFigures)
    teams: Sequence[QueueFigures] = ()
    pending: Sequence[BoardApproval] = ()
    joined: list[tuple[UUID, ListenMode]] = field(default_factory=list[tuple[UUID, ListenMode]])
    left: list[UUID] = field(default_factory=list[UUID])
    decisions: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    _decided: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_decided(self) -> None:
        async with asyncio.timeout(15):
            await self._decided.wait()

    def calls(self) -> Sequence[BoardCall]:
        return self.live

    def queue(self) -> QueueFigures:
        return self.figures

    def queues(self) -> Sequence[QueueFigures]:
        return self.teams

    def intervals(self) -> Sequence[QueueInterval]:
        return ()

    def approvals(self) -> Sequence[BoardApproval]:
        return self.pending

    async def listen(
        self, call_id: UUID, supervisor_id: str, leg: AudioLeg, mode: ListenMode
    ) -> None:
        self._fail()
        self.joined.append((call_id, mode))

    async def leave(self, call_id: UUID, supervisor_id: str) -> None:
        self.left.append(call_id)

    async def decide(
        self, call_id: UUID, supervisor_id: str, action_id: str, approved: bool
    ) -> None:
        self._fail()
        self.decisions.append((action_id, approved))
        self._decided.set()


@dataclass
class ScriptedCoordinator:
    """Does with a line what the transfer machine would, for one caller at a time."""

    desk: Desk
    events: list[LineEvent] = field(default_factory=list[LineEvent])
    line: DeskLine | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, context: HandOffContext, *, rings_for_s: float = 20.0) -> DeskLine:
        offer = Offer(
            id=uuid4(),
            call_id=context.call_id,
            agent_id=AGENT.key,
            context=context,
            rings_for_s=rings_for_s,
        )
        line = self.line = self.desk.open(offer)
        line.on_event = self._heard
        line.ring()
        return line

    async def until(self, kind: type[Any], count: int = 1) -> None:
        """Until the line has reported so many of these."""
        async with asyncio.timeout(15):
            while sum(isinstance(event, kind) for event in self.events) < count:
                self._news.clear()
                await self._news.wait()

    def _heard(self, event: LineEvent) -> None:
        assert self.line is not None
        self.events.append(event)
        self._news.set()
        accepted = any(isinstance(before, TargetAccepted) for before in self.events)
        match event:
            case TargetAccepted() | HoldChanged(held=False):
                self.line.joined()
            case TargetAnswered() if accepted:
                self.line.joined()
            case CallReturned():
                self.line.release("returned")
            case TargetGone(reason="connection_lost"):
                self.line.release("connection_lost")
            case _:
                pass


def recent_context(**changes: Any) -> HandOffContext:
    """A hand-off asked for a moment ago."""
    now = datetime.now(UTC)
    times = {"started_at": now - timedelta(seconds=95), "requested_at": now - timedelta(seconds=4)}
    return handoff_context(call_id=uuid4(), **{**times, **changes})


@dataclass
class DeskWorld:
    """What a test holds in its hands."""

    url: str
    desk: Desk
    coordinator: ScriptedCoordinator
    actions: RecordedActions
    floor: ScriptedFloor
    signed_in: dict[str, User | None]


@asynccontextmanager
async def desk_world(
    options: DeskOptions = OPTIONS, *, port: int = 0, ice_servers: Sequence[dict[str, Any]] = ()
) -> AsyncGenerator[DeskWorld, None]:
    """A served desk, with WebRTC over the loopback interface."""
    actions, floor = RecordedActions(), ScriptedFloor()
    desk = Desk(DeskPorts(actions=actions), options)
    signed_in: dict[str, User | None] = {"user": AGENT}

    async def visitor(connection: HTTPConnection) -> User | None:
        return signed_in["user"]

    app = FastAPI()
    mount_assets(app)
    doors = DeskDoors(
        desk=desk,
        supervision=floor,
        open_rtc=loopback_rtc(),
        visitor=visitor,
        ice_servers=lambda: ice_servers,
    )
    app.include_router(desk_router(doors))
    coordinator = ScriptedCoordinator(desk)
    async with serving(app, "127.0.0.1", port) as url:
        clock = asyncio.create_task(_media(coordinator))
        yield DeskWorld(url, desk, coordinator, actions, floor, signed_in)
        clock.cancel()
        await desk.close()


async def _media(coordinator: ScriptedCoordinator) -> None:
    """The room's part: 20 ms to the agent, 20 ms from them."""
    while True:
        leg = coordinator.line.leg if coordinator.line is not None else None
        if leg is not None:
            leg.receive_frame()
            leg.send_frame(silence())
        await asyncio.sleep(FRAME_S)


def loopback_rtc() -> OpenRtc:
    """ports.OpenRtc with real WebRTC legs that offer 127.0.0.1."""
    peers = WebRtcPeers(WebRtcOptions(host_addresses=("127.0.0.1",)))
    info = CallerInfo(
        call_id="desk", caller="desk", callee="desk", transport="webrtc", peer="127.0.0.1"
    )

    async def open_rtc(offer_sdp: str) -> RtcLeg:
        try:
            return await peers.accept(offer_sdp, info)
        except BadOfferError as error:
            raise NoAudioError(str(error)) from error

    return open_rtc
