"""All desks of this process: server.handoff.ports.AgentLines, and the doors' way in."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from server.desk.desk_line import DeskLine, LineWorld
from server.desk.options import DeskOptions
from server.desk.ports import DeskActions, RingPhone
from server.desk.presence import AgentDirectory, AgentProfile, AgentState, Presence
from server.desk.protocol import PendingAction, QueueTold, TransferTarget
from server.desk.session import DeskSession, SessionWorld
from server.desk.timers import Timers
from server.handoff.ports import Offer

log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPorts:
    """Who the desk works with."""

    actions: DeskActions
    dial: RingPhone | None = None
    """None: there are no SIP phones."""


class Desk:
    """Make it on the event loop; `close` it before the loop ends."""

    def __init__(
        self,
        ports: DeskPorts,
        options: DeskOptions | None = None,
        *,
        timers: Timers | None = None,
        wall: Callable[[], datetime] = _now,
    ) -> None:
        loop = timers or asyncio.get_running_loop()
        self.directory = AgentDirectory(loop.time)
        self.directory.on_change = self._agent_changed
        self._timers = loop
        self.actions = ports.actions
        self.options = options or DeskOptions()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: dict[str, DeskSession] = {}
        self._world = SessionWorld(
            line=LineWorld(timers=loop, wall=wall, options=self.options),
            directory=self.directory,
            actions=ports.actions,
            spawn=self.spawn,
            dial=ports.dial,
        )

    def session(self, profile: AgentProfile) -> DeskSession:
        """The desk of a signed-in agent; the same for as long as this process lives."""
        self.directory.sign_in(profile)
        if profile.id not in self._sessions:
            self._sessions[profile.id] = DeskSession(profile.id, self._world)
        return self._sessions[profile.id]

    def open(self, offer: Offer) -> DeskLine:
        """A line to the agent of the offer, not yet ringing.

        Raises:
            LookupError: the agent is not signed in, not ready, or not there.
        """
        try:
            session = self._sessions[offer.agent_id]
        except KeyError:
            raise LookupError(f"agent {offer.agent_id!r} is not signed in") from None
        return session.open(offer)

    def _agent_changed(self, agent: AgentState) -> None:
        session = self._sessions.get(agent.profile.id)
        if session is not None:
            self._timers.call_soon(session.show_change)  # after whoever changes it has told of it

    def approvals(self, call_id: UUID, items: Sequence[PendingAction]) -> None:
        """What waits for a word in this call; shown on the desk that has the call."""
        for session in self._sessions.values():
            session.approvals(call_id, tuple(items))

    def queue_changed(self, waiting: int) -> None:
        """So many callers wait now; shown on every desk."""
        self._world.queue.waiting = waiting
        for session in self._sessions.values():
            session.tell(QueueTold(waiting=waiting))

    def targets(self, agent_id: str) -> Sequence[TransferTarget]:
        """To whom this agent can give a call: colleagues first, then queues and numbers."""
        colleagues = [
            TransferTarget(
                target=agent.profile.id,
                label=agent.profile.name,
                kind="agent",
                available=agent.presence is Presence.READY,
            )
            for agent in self.directory.agents()
            if agent.profile.id != agent_id and agent.presence is not Presence.OFFLINE
        ]
        return [*colleagues, *self.actions.targets(agent_id)]

    async def close(self) -> None:
        """Let what is under way end, for a moment, and leave nothing behind."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=2.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it behind; a failure is logged, and `close` waits a moment for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the desk's work failed", exc_info=error)
