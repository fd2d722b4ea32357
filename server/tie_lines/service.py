"""The desk's side: callers of other processes are given to people here, as those of this one are.

Each process that has callers keeps one connection. When it breaks, its callers are gone with their
process, and whoever had them sees them leave.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias
from uuid import UUID

from server.approvals import Approvals, Pending
from server.handoff.in_hand import CallInHand, HandOffDesk, serve_safely
from server.handoff.story import CallStory, Told
from server.listening import unix_listener
from server.live_calls import LiveCall, LiveCalls
from server.observability import session_id
from server.recording import NoRecorder
from server.records.calls import CallStart
from server.tie_lines.connection import Connection
from server.tie_lines.far_calls import LISTENING, FarCalls
from server.tie_lines.messages import (
    Audio,
    Awaited,
    Awaiting,
    Brought,
    Decide,
    Ended,
    Happened,
    Message,
    Over,
    Referred,
    Replaced,
    Reported,
    Seen,
)
from server.tie_lines.tied_leg import TiedLeg
from voice.events import HandOff
from voice.frames import Pcm
from voice.plane import MediaPlane

log = logging.getLogger(__name__)

_Told: TypeAlias = Reported | Happened | Replaced | Referred | Ended

_PROCESS_GONE = "network_error"  # of a caller whose process is: see voice.events.LegEnded


class StartedCalls(Protocol):
    """Where calls are kept; writing never blocks."""

    def call_started(self, call: CallStart) -> None: ...


class Host(Protocol):
    """Sees that what goes on ends in order when the server stops: server.calls.Calls."""

    def host(self, work: Coroutine[None, None, None], end: Callable[[str], None]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What callers of other processes meet.

    happened: told that something of this call was settled.
    approvals: those of this process, which show what waits in the others too.
    far: what supervisors see and hear of the others' calls.
    """

    handoffs: HandOffDesk
    live: LiveCalls
    plane: MediaPlane
    records: StartedCalls
    host: Host
    happened: Callable[[UUID], None]
    approvals: Approvals
    far: FarCalls


@asynccontextmanager
async def answering(path: Path, world: Reception) -> AsyncGenerator[None, None]:
    """Take callers of other processes meanwhile, on a Unix socket at `path`."""

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = _Visit(Connection(reader, writer), world)
        world.host.host(visit.last(), visit.end)

    with unix_listener(path) as listener:
        server = await asyncio.start_unix_server(attend, sock=listener)
        try:
            yield
        finally:
            server.close()


class _Caller:
    """One caller who is here."""

    def __init__(self, brought: Brought, connection: Connection, world: Reception) -> None:
        self.leg = TiedLeg(
            brought.number, brought.info, connection, reports_keys=brought.reports_keys
        )
        self.call = CallInHand(
            call_id=brought.call_id,
            leg=self.leg,
            info=brought.info,
            plane=world.plane,
            recorder=NoRecorder(),  # home records the caller, and is where supervisors listen
            story=CallStory.without_dialog(brought.told),
            standing=lambda: brought.standing,
            started_at=brought.started_at,
            answered_at_s=brought.answered_at_s,
        )


class _Visit:
    """One connection, from the first caller to the last."""

    def __init__(self, connection: Connection, world: Reception) -> None:
        self._connection, self._world = connection, world
        self._callers: dict[int, _Caller] = {}
        self._awaited: set[str] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def last(self) -> None:
        """Listen until the other process goes, and see its callers off."""
        try:
            async for message in self._connection.messages():
                self._take(message)
        finally:
            self._connection.close()
            self._world.far.gone(self._connection)
            self._await(())
            for caller in self._callers.values():
                caller.leg.gone(_PROCESS_GONE)
            if self._serving:
                await asyncio.wait(self._serving)

    def end(self, reason: str) -> None:
        """End every hand-off of these callers, and then the connection."""
        for caller in tuple(self._callers.values()):
            self._world.handoffs.end(caller.call.call_id, reason)
        if not self._serving:
            self._connection.close()
        for task in self._serving:
            task.add_done_callback(self._close_after_last)

    def _take(self, message: Message) -> None:
        match message:
            case Audio(frames=frames):
                for number, pcm in frames:
                    self._hear(number, pcm)
            case Seen(calls=calls):
                self._world.far.show(self._connection, calls)
            case Awaiting(actions=actions):
                self._await(actions)
            case Brought():
                self._welcome(message)
            case Reported() | Happened() | Replaced() | Referred() | Ended():
                caller = self._callers.get(message.number)
                if caller is not None:  # else they are on their way home already
                    self._tell_safely(caller, message)
            case _:
                raise TypeError(f"{type(message).__name__} is not for the desk")

    def _hear(self, number: int, pcm: Pcm) -> None:
        if number >= LISTENING:
            self._world.far.heard(number, pcm)
        elif (caller := self._callers.get(number)) is not None:
            caller.leg.heard(pcm)

    def _await(self, actions: tuple[Awaited, ...]) -> None:
        """These, and no others, wait in that process for a person's word."""
        approvals, known = self._world.approvals, self._awaited
        self._awaited = {each.id for each in actions}
        for action_id in known - self._awaited:
            approvals.withdraw(action_id)
        for each in actions:
            if each.id not in known:
                decision: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
                decision.add_done_callback(partial(self._decided, each))
                approvals.mirror(
                    Pending(
                        id=each.id,
                        call_id=each.call_id,
                        action=each.action,
                        detail=each.detail,
                        since_s=each.since_s,
                        decision=decision,
                    )
                )

    def _decided(self, awaited: Awaited, decision: asyncio.Future[bool]) -> None:
        if not decision.cancelled():
            self._connection.say(
                Decide(call_id=awaited.call_id, action_id=awaited.id, approved=decision.result())
            )

    def _tell_safely(self, caller: _Caller, message: _Told) -> None:
        """A defect in one hand-off is not the others' business."""
        try:
            self._tell(caller, message)
        except Exception:
            log.exception("what became of a caller could not be told")

    def _tell(self, caller: _Caller, message: _Told) -> None:
        match message:
            case Reported(event=event):
                caller.leg.reported(event)
            case Happened(deed=deed):
                caller.call.story.happened(deed)
                self._world.happened(caller.call.call_id)
            case Replaced(uri=uri):
                caller.leg.replaced(uri)
            case Referred(status=status):
                caller.leg.referred(status)
            case Ended(reason=reason):
                self._world.handoffs.end(caller.call.call_id, reason)

    def _welcome(self, brought: Brought) -> None:
        caller = self._callers[brought.number] = _Caller(brought, self._connection, self._world)
        # Home writes this too, in its own time: what is written here refers to the call.
        self._world.records.call_started(
            CallStart.of(brought.call_id, brought.info, brought.started_at)
        )
        tapped = self._world.far.tap(brought.call_id, self._connection)
        self._world.live.add(LiveCall(in_hand=caller.call, tapped=tapped))
        task = asyncio.create_task(self._serve(brought.number, caller, brought.handoff))
        self._serving.add(task)
        task.add_done_callback(partial(self._served, brought.number, caller))

    async def _serve(self, number: int, caller: _Caller, handoff: HandOff) -> None:
        session_id.set(str(caller.call.call_id))
        outcome = await serve_safely(self._world.handoffs, caller.call, handoff)
        told = caller.call.story.told
        kept = Told(lines=told.lines, colleague=told.colleague)
        self._connection.say(Over(number=number, outcome=outcome, told=kept))

    def _served(self, number: int, caller: _Caller, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        self._world.live.remove(caller.call.call_id)
        del self._callers[number]

    def _close_after_last(self, task: asyncio.Task[None]) -> None:
        if not self._serving:
            self._connection.close()
