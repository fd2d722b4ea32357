"""A supervisor at the board: what they see each second, and the calls they are in."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from server.accounts.users import User
from server.desk.agent_leg import AgentLeg
from server.desk.board import (
    BoardAgent,
    BoardTold,
    DecideAnywhere,
    FromBoard,
    Listening,
    ListenTo,
    SignAgentOff,
    StopListening,
)
from server.desk.errors import RefusedError
from server.desk.options import DeskOptions
from server.desk.ports import Channel, Supervision
from server.desk.presence import SET_BY_SUPERVISOR, AgentDirectory, UnknownAgentError
from server.desk.protocol import ErrorTold, Pong
from server.desk.timers import Timer, Timers
from voice.ports import AudioLeg

log = logging.getLogger(__name__)

_REFRESH_S = 1.0  # durations are counted on by the page; a second is soon enough for the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardWorld:
    timers: Timers
    directory: AgentDirectory
    supervision: Supervision
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    audio_wait_s: float = 5.0
    options: DeskOptions = field(default_factory=DeskOptions)


class SupervisorSession:
    """One page of one supervisor; it ends with the page, and leaves the calls it was in."""

    def __init__(self, user_id: str, name: str, channel: Channel, world: BoardWorld) -> None:
        self._id, self._name, self._channel, self._world = user_id, name, channel, world
        self._leg = AgentLeg()
        self._leg.on_lost = self._stop
        self._audio_up = asyncio.Event()
        self._listening: Listening | None = None
        self._shown: dict[str, Any] = {}
        self._next: Timer | None = None
        self._closed = False

    def start(self) -> None:
        """Show the board, and keep it fresh until `close`."""
        if self._closed:
            return
        self._next = self._world.timers.call_later(_REFRESH_S, self.start)
        self._show()

    def close(self) -> None:
        """The page is gone."""
        self._closed = True
        if self._next is not None:
            self._next.cancel()
        self._stop()

    def attach_audio(self, leg: AudioLeg) -> None:
        before = self._leg.attach(leg)
        self._audio_up.set()
        if before is not None:
            self._world.spawn(before.hang_up("replaced"))

    def receive(self, message: FromBoard) -> None:
        match message:
            case Pong():
                pass
            case StopListening():
                self._stop()
            case ListenTo() | DecideAnywhere() | SignAgentOff():
                self._world.spawn(self._told_of_failure(message, self._serve(message)))

    async def _serve(self, message: ListenTo | DecideAnywhere | SignAgentOff) -> None:
        supervision = self._world.supervision
        match message:
            case ListenTo():
                await self._listen(message)
            case DecideAnywhere():
                await supervision.decide(
                    message.call_id, self._id, message.action_id, message.approved
                )
            case SignAgentOff():
                self._set_away(message.agent_id)
        self._show()

    async def _listen(self, message: ListenTo) -> None:
        await self._audio()
        if self._listening is not None and self._listening.call_id != message.call_id:
            await self._leave(self._listening.call_id)
        await self._world.supervision.listen(message.call_id, self._id, self._leg, message.mode)
        self._listening = Listening(call_id=message.call_id, mode=message.mode)
        if self._closed:  # the page went away meanwhile
            self._stop()

    async def _audio(self) -> None:
        """Wait for it: a browser knows that it is connected a moment before we do."""
        try:
            async with asyncio.timeout(self._world.audio_wait_s):
                await self._audio_up.wait()
        except TimeoutError:
            raise RefusedError("your audio is not connected", code="no_audio") from None

    def _set_away(self, agent_id: str) -> None:
        try:
            self._world.directory.choose_away(agent_id, SET_BY_SUPERVISOR)
        except UnknownAgentError as error:
            raise RefusedError("this agent is not signed in", code="gone") from error

    def _stop(self) -> None:
        self._audio_up.clear()
        listening, self._listening = self._listening, None
        if listening is not None:
            self._world.spawn(self._leave(listening.call_id))
        self._world.spawn(self._leg.hang_up("stopped_listening"))
        if not self._closed:
            self._show()

    async def _leave(self, call_id: UUID) -> None:
        await self._world.supervision.leave(call_id, self._id)

    async def _told_of_failure(self, message: FromBoard, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RefusedError as refused:
            self._channel.send(
                ErrorTold(code=refused.code, message=str(refused), answers=message.type)
            )
        except Exception:
            log.exception("what a supervisor asked for failed", extra={"asked": message.type})
            self._channel.send(
                ErrorTold(code="failed", message="that did not work", answers=message.type)
            )

    def _show(self) -> None:
        """Send the board, where it changed."""
        board = self._board()
        shown = board.model_dump()
        if shown != self._shown:
            self._shown = shown
            self._channel.send(board)

    def _board(self) -> BoardTold:
        supervision = self._world.supervision
        calls = tuple(supervision.calls())
        if self._listening is not None and self._listening.call_id not in _ids(calls):
            self._listening = None  # the call is over
        return BoardTold(
            supervisor=self._name,
            calls=calls,
            queue=supervision.queue(),
            queues=tuple(supervision.queues()),
            agents=tuple(self._agents()),
            approvals=tuple(supervision.approvals()),
            listening=self._listening,
        )

    def _agents(self) -> list[BoardAgent]:
        now_s = self._world.timers.time()
        labels = {each.code: each.label for each in self._world.options.away_reasons}
        return [
            BoardAgent(
                id=agent.profile.id,
                name=agent.profile.name,
                presence=agent.presence.value,
                away_reason=agent.away_reason,
                away_label=labels.get(agent.away_reason or ""),
                for_s=float(int(now_s - agent.since_s)),
                reach=agent.reach.value,
                skills=tuple(agent.profile.skills),
            )
            for agent in self._world.directory.agents()
        ]


def _ids(calls: tuple[BaseModel, ...]) -> set[Any]:
    return {getattr(call, "call_id", None) for call in calls}


class Boards:
    """The boards that are open; of one supervisor the audio goes to the one opened last."""

    def __init__(self, world: BoardWorld) -> None:
        self._world = world
        self._sessions: dict[str, SupervisorSession] = {}

    @contextmanager
    def opened(self, user: User, channel: Channel) -> Generator[SupervisorSession, None, None]:
        """A board for this page, until the page is gone."""
        session = SupervisorSession(user.key, user.name, channel, self._world)
        self._sessions[user.key] = session
        session.start()
        try:
            yield session
        finally:
            session.close()
            if self._sessions.get(user.key) is session:
                del self._sessions[user.key]

    def of(self, user_id: str) -> SupervisorSession:
        """
        Raises:
            RefusedError: no board of theirs is open.
        """
        try:
            return self._sessions[user_id]
        except KeyError:
            raise RefusedError("open the board first", code="gone") from None
