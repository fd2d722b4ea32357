"""The doors of the desk and the board: pages, WebSockets, audio, and what is looked up.

GET  /desk, /supervisor             the pages; who is not signed in is sent to sign in first
WS   /desk/ws, /supervisor/ws       server/desk/protocol.py, server/desk/board.py
POST /v1/desk/rtc                   SDP offer of the agent's browser → SDP answer
POST /v1/supervisor/rtc             the same for a supervisor who listens
GET  /v1/desk/history/{call_id}     earlier calls of this caller; for who has the call
GET  /v1/desk/targets               to whom a call can be given
GET  /v1/queues/intervals           what the queues did, for workforce tools; for supervisors
GET  /v1/desk/settings              what the softphone of either page needs to know
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Response, WebSocket
from fastapi.responses import JSONResponse, RedirectResponse

from server.accounts.access import FORBIDDEN, UNAUTHORISED
from server.accounts.rights import Right
from server.accounts.users import User
from server.desk.board import BoardRtcAnswer, BoardRtcOffer, QueueInterval, parse_from_board
from server.desk.channel import WebSocketChannel
from server.desk.desk import Desk
from server.desk.errors import NoAudioError, RefusedError
from server.desk.http_messages import EarlierCall, RtcAnswer, RtcOffer
from server.desk.ports import OpenRtc, RtcLeg, Supervision
from server.desk.presence import AgentProfile
from server.desk.protocol import TransferTarget, parse_from_desk
from server.desk.supervisor import Boards, BoardWorld
from server.pages import page
from server.records.errors import RecordsUnavailableError
from telephony.leg import LegGoneError

log = logging.getLogger(__name__)

Visitor: TypeAlias = Callable[..., Awaitable[User | None]]
"""A FastAPI dependency, also callable on a connection: accounts.access.Access.visitor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDoors:
    """What the router needs."""

    desk: Desk
    supervision: Supervision
    open_rtc: OpenRtc
    visitor: Visitor
    ice_servers: Callable[[], Sequence[dict[str, Any]]] = tuple
    """RTCIceServers for a browser that asks now."""
    sign_in_path: str = "/sign-in"


def desk_router(doors: DeskDoors) -> APIRouter:
    """Everything of this module's docstring."""
    router = APIRouter()
    router.include_router(_pages(doors))
    router.include_router(_agent_doors(doors))
    router.include_router(_supervisor_doors(doors))
    router.include_router(_settings_door(doors))
    return router


def _pages(doors: DeskDoors) -> APIRouter:
    router = APIRouter()

    def door(path: str, file: str, right: Right) -> None:
        @router.get(path, include_in_schema=False)
        async def show(  # pyright: ignore[reportUnusedFunction]
            visitor: Annotated[User | None, Depends(doors.visitor)],
        ) -> Response:
            if visitor is None:
                return RedirectResponse(f"{doors.sign_in_path}?next={quote(path)}", 303)
            if not visitor.may(right):
                raise HTTPException(403, "your role does not open this page")
            return page(file)

    door("/desk", "desk.html", Right.TAKE_CALLS)
    door("/supervisor", "supervisor.html", Right.SUPERVISE)
    return router


def _agent_doors(doors: DeskDoors) -> APIRouter:
    router, desk = APIRouter(), doors.desk
    agent = _admitted(doors, Right.TAKE_CALLS)

    @router.websocket("/desk/ws")
    async def desk_socket(  # pyright: ignore[reportUnusedFunction]
        socket: WebSocket, visitor: Annotated[User | None, Depends(doors.visitor)]
    ) -> None:
        agent = await _welcome(socket, visitor, Right.TAKE_CALLS)
        if agent is None:
            return
        channel, session = WebSocketChannel(socket), desk.session(profile_of(agent))
        session.connect(channel)
        log.info("desk opened", extra={"agent": agent.key})
        try:
            await channel.run(
                lambda text: session.receive(parse_from_desk(text)),
                lambda: _still_welcome(doors, socket, Right.TAKE_CALLS),
            )
        finally:
            session.disconnect(channel)
            log.info("desk closed", extra={"agent": agent.key})

    @router.post("/v1/desk/rtc")
    async def rtc(  # pyright: ignore[reportUnusedFunction]
        offer: RtcOffer, visitor: Annotated[User, Depends(agent)]
    ) -> RtcAnswer:
        session = desk.session(profile_of(visitor))
        with _as_http():
            call_id = session.call_of(offer.offer_id)
            leg = await doors.open_rtc(offer.sdp)
        desk.spawn(_attach(leg, lambda: session.attach_audio(offer.offer_id, leg)))
        return RtcAnswer(sdp=leg.answer_sdp, call_id=call_id)

    @router.get("/v1/desk/history/{call_id}")
    async def history(  # pyright: ignore[reportUnusedFunction]
        call_id: UUID, visitor: Annotated[User, Depends(agent)]
    ) -> Sequence[EarlierCall]:
        if not desk.session(profile_of(visitor)).has_call(call_id):
            raise HTTPException(403, "this call is not on your desk")
        with _as_http():
            return await desk.actions.history(call_id)

    @router.get("/v1/desk/targets")
    async def targets(  # pyright: ignore[reportUnusedFunction]
        visitor: Annotated[User, Depends(agent)],
    ) -> Sequence[TransferTarget]:
        return desk.targets(visitor.key)

    return router


def _settings_door(doors: DeskDoors) -> APIRouter:
    router = APIRouter()
    whoever_talks = _admitted(doors, Right.TAKE_CALLS, Right.SUPERVISE)

    @router.get("/v1/desk/settings", dependencies=[Depends(whoever_talks)])
    async def settings() -> Response:  # pyright: ignore[reportUnusedFunction]
        # Credentials of a relay are in it.
        servers = {"ice_servers": doors.ice_servers()}
        return JSONResponse(servers, headers={"Cache-Control": "no-store"})

    return router


def _supervisor_doors(doors: DeskDoors) -> APIRouter:
    router = APIRouter()
    boards = Boards(
        BoardWorld(
            timers=asyncio.get_running_loop(),
            directory=doors.desk.directory,
            supervision=doors.supervision,
            spawn=doors.desk.spawn,
            options=doors.desk.options,
        )
    )
    supervisor = _admitted(doors, Right.SUPERVISE)

    @router.websocket("/supervisor/ws")
    async def board_socket(  # pyright: ignore[reportUnusedFunction]
        socket: WebSocket, visitor: Annotated[User | None, Depends(doors.visitor)]
    ) -> None:
        viewer = await _welcome(socket, visitor, Right.SUPERVISE)
        if viewer is None:
            return
        channel = WebSocketChannel(socket)
        with boards.opened(viewer, channel) as session:
            await channel.run(
                lambda text: session.receive(parse_from_board(text)),
                lambda: _still_welcome(doors, socket, Right.SUPERVISE),
            )

    @router.get("/v1/queues/intervals", dependencies=[Depends(supervisor)])
    async def intervals() -> Sequence[QueueInterval]:  # pyright: ignore[reportUnusedFunction]
        return doors.supervision.intervals()

    @router.post("/v1/supervisor/rtc")
    async def rtc(  # pyright: ignore[reportUnusedFunction]
        offer: BoardRtcOffer, visitor: Annotated[User, Depends(supervisor)]
    ) -> BoardRtcAnswer:
        with _as_http():
            session = boards.of(visitor.key)
            leg = await doors.open_rtc(offer.sdp)
        doors.desk.spawn(_attach(leg, lambda: session.attach_audio(leg)))
        return BoardRtcAnswer(sdp=leg.answer_sdp)

    return router


async def _attach(leg: RtcLeg, attach: Callable[[], None]) -> None:
    """Give the leg to whom it was made for, once audio flows; a leg that nobody wants is freed."""
    try:
        await leg.answer()
        attach()
    except LegGoneError:
        log.info("a desk's audio found no way")
    except RefusedError:
        await leg.hang_up("not_wanted")


def _admitted(doors: DeskDoors, *rights: Right) -> Callable[..., User]:
    """A dependency for requests: 401 for nobody, 403 with none of the rights."""

    def admit(visitor: Annotated[User | None, Depends(doors.visitor)]) -> User:
        if visitor is None:
            raise HTTPException(401, "sign in first")
        if not visitor.may(*rights):
            raise HTTPException(403, "your role does not open this door")
        return visitor

    return admit


def profile_of(user: User) -> AgentProfile:
    """What the desk knows of an account."""
    return AgentProfile(
        id=user.key,
        name=user.name,
        skills=user.skills,
        languages=user.languages,
        extension=user.extension,
        may_approve=user.may(Right.APPROVE),
    )


async def _still_welcome(doors: DeskDoors, socket: WebSocket, right: Right) -> bool:
    """Whether who opened this may stay: a session ends, an account is closed."""
    try:
        user = await doors.visitor(socket)
    except RecordsUnavailableError:
        return True  # nobody is thrown out of a call because a database restarts
    return user is not None and user.may(right)


async def _welcome(socket: WebSocket, visitor: User | None, right: Right) -> User | None:
    """Accept the socket; None when it is closed again, with a code that the page is told."""
    await socket.accept()  # before it may be closed: browsers hide the code of a refused one
    if visitor is None:
        await socket.close(UNAUTHORISED, "sign in")
    elif not visitor.may(right):
        await socket.close(FORBIDDEN, "your role does not open this door")
    else:
        return visitor
    return None


@contextmanager
def _as_http() -> Generator[None, None, None]:
    """The desk's errors as answers to a request."""
    try:
        yield
    except NoAudioError as error:
        raise HTTPException(422, str(error)) from error
    except RefusedError as error:
        raise HTTPException(409, str(error)) from error
