"""The desk's side: callers of other processes are given to people here, as those of this one are.

Each process that has callers keeps one connection. When it breaks, its callers are gone with their
process, and whoever had them sees them leave.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from uuid import UUID

from server.handoff.in_hand import CallInHand, HandOffDesk, serve_safely
from server.handoff.story import CallStory, Told
from server.listening import unix_listener
from server.live_calls import LiveCall, LiveCalls, TappedRecorder
from server.observability import session_id
from server.recording import NoRecorder
from server.records.calls import CallStart
from server.tie_lines.connection import Connection
from server.tie_lines.messages import (
    Audio,
    Brought,
    Ended,
    Happened,
    Message,
    Over,
    Referred,
    Replaced,
    Reported,
)
from server.tie_lines.tied_leg import TiedLeg
from voice.events import HandOff
from voice.plane import MediaPlane

_PROCESS_GONE = "network_error"  # of a caller whose process is: see voice.events.LegEnded


class StartedCalls(Protocol):
    """Where calls are kept; writing never blocks."""

    def call_started(self, call: CallStart) -> None: ...


class Host(Protocol):
    """Sees that what goes on ends in order when the server stops: server.calls.Calls."""

    def host(self, work: Coroutine[None, None, None], end: Callable[[str], None]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskWorld:
    """What callers of other processes meet.

    happened: told that something of this call was settled.
    """

    handoffs: HandOffDesk
    live: LiveCalls
    plane: MediaPlane
    records: StartedCalls
    host: Host
    happened: Callable[[UUID], None]


@asynccontextmanager
async def answering(path: Path, world: DeskWorld) -> AsyncGenerator[None, None]:
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

    def __init__(self, brought: Brought, connection: Connection, world: DeskWorld) -> None:
        self.leg = TiedLeg(
            brought.number, brought.info, connection, reports_keys=brought.reports_keys
        )
        # The caller is recorded at home; supervisors listen here.
        self.tapped = TappedRecorder(NoRecorder())
        self.call = CallInHand(
            call_id=brought.call_id,
            leg=self.leg,
            info=brought.info,
            plane=world.plane,
            recorder=self.tapped,
            story=CallStory.without_dialog(brought.told),
            standing=lambda: brought.standing,
            started_at=brought.started_at,
            answered_at_s=brought.answered_at_s,
        )


class _Visit:
    """One connection, from the first caller to the last."""

    def __init__(self, connection: Connection, world: DeskWorld) -> None:
        self._connection, self._world = connection, world
        self._callers: dict[int, _Caller] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def last(self) -> None:
        """Listen until the other process goes, and see its callers off."""
        try:
            async for message in self._connection.messages():
                self._take(message)
        finally:
            self._connection.close()
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
                    if (caller := self._callers.get(number)) is not None:
                        caller.leg.heard(pcm)
            case Brought():
                self._welcome(message)
            case Reported() | Happened() | Replaced() | Referred() | Ended():
                caller = self._callers.get(message.number)
                if caller is not None:  # else they are on their way home already
                    self._tell(caller, message)
            case _:
                raise TypeError(f"{type(message).__name__} is not for the desk")

    def _tell(
        self, caller: _Caller, message: Reported | Happened | Replaced | Referred | Ended
    ) -> None:
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
        info = brought.info
        # Home writes this too, in its own time: what is written here refers to the call.
        self._world.records.call_started(
            CallStart(
                id=brought.call_id,
                network_call_id=info.call_id,
                caller=info.caller,
                callee=info.callee,
                transport=info.transport,
                started_at=brought.started_at,
            )
        )
        self._world.live.add(LiveCall(in_hand=caller.call, tapped=caller.tapped))
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
