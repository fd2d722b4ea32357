"""The doors of the desk and the board: pages, WebSockets, audio, and what is looked up.

GET  /desk, /supervisor             the pages; who is not signed in is sent to sign in first
GET  /desk/static/…                 what they are made of
WS   /desk/ws, /supervisor/ws       server/desk/protocol.py, server/desk/board.py
POST /v1/desk/rtc                   SDP offer of the agent's browser → SDP answer
POST /v1/supervisor/rtc             the same for a supervisor who listens
GET  /v1/desk/history/{call_id}     earlier calls of this caller; for who has the call
GET  /v1/desk/targets               to whom a call can be given
"""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Response, WebSocket, WebSocketException
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.requests import HTTPConnection

from server.accounts.rights import Right
from server.desk.board import BoardRtcAnswer, BoardRtcOffer, parse_from_board
from server.desk.channel import POLICY_VIOLATION, WebSocketChannel
from server.desk.desk import Desk
from server.desk.errors import NoAudioError, RefusedError
from server.desk.ports import OpenRtc, RtcLeg, Supervision
from server.desk.presence import AgentProfile
from server.desk.protocol import (
    EarlierCall,
    RtcAnswer,
    RtcOffer,
    TransferTarget,
    parse_from_desk,
)
from server.desk.supervisor import Boards, BoardWorld
from telephony.leg import LegGoneError

log = logging.getLogger(__name__)

STATIC: Final = Path(str(files("server.desk"))) / "static"

# Only what comes from here runs, shows or is connected to; nobody frames the pages.
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is signed in, as far as the desk must know."""

    profile: AgentProfile
    rights: frozenset[Right]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDoors:
    """What the router needs."""

    desk: Desk
    supervision: Supervision
    open_rtc: OpenRtc
    visitor: Callable[..., Any]
    """A FastAPI dependency on an HTTPConnection that gives a Visitor, or None: not signed in."""
    sign_in_path: str = "/sign-in"


def desk_router(doors: DeskDoors) -> APIRouter:
    """Everything of this module's docstring."""
    router = APIRouter()
    router.include_router(_pages(doors))
    router.include_router(_agent_doors(doors))
    router.include_router(_supervisor_doors(doors))
    router.mount("/desk/static", StaticFiles(directory=STATIC), name="desk-static")
    return router


def _pages(doors: DeskDoors) -> APIRouter:
    router = APIRouter()

    def page(path: str, file: str, right: Right) -> None:
        @router.get(path, include_in_schema=False)
        async def show(  # pyright: ignore[reportUnusedFunction]
            visitor: Annotated[Visitor | None, Depends(doors.visitor)],
        ) -> Response:
            if visitor is None:
                return RedirectResponse(f"{doors.sign_in_path}?next={quote(path)}", 303)
            if right not in visitor.rights:
                raise HTTPException(403, "your role does not open this page")
            return FileResponse(STATIC / file, headers=_PAGE_HEADERS)

    page("/desk", "desk.html", Right.TAKE_CALLS)
    page("/supervisor", "supervisor.html", Right.SUPERVISE)
    return router


def _agent_doors(doors: DeskDoors) -> APIRouter:
    router, desk = APIRouter(), doors.desk
    agent = _admitted(doors, Right.TAKE_CALLS)

    @router.websocket("/desk/ws")
    async def desk_socket(  # pyright: ignore[reportUnusedFunction]
        socket: WebSocket, visitor: Annotated[Visitor, Depends(agent)]
    ) -> None:
        await socket.accept()
        channel, session = WebSocketChannel(socket), desk.session(visitor.profile)
        session.connect(channel)
        log.info("desk opened", extra={"agent": visitor.profile.id})
        try:
            await channel.run(lambda text: session.receive(parse_from_desk(text)))
        finally:
            session.disconnect(channel)
            log.info("desk closed", extra={"agent": visitor.profile.id})

    @router.post("/v1/desk/rtc")
    async def rtc(  # pyright: ignore[reportUnusedFunction]
        offer: RtcOffer, visitor: Annotated[Visitor, Depends(agent)]
    ) -> RtcAnswer:
        session = desk.session(visitor.profile)
        with _as_http():
            call_id = session.call_of(offer.offer_id)
            leg = await doors.open_rtc(offer.sdp)
        desk.spawn(_attach(leg, lambda: session.attach_audio(offer.offer_id, leg)))
        return RtcAnswer(sdp=leg.answer_sdp, call_id=call_id)

    @router.get("/v1/desk/history/{call_id}")
    async def history(  # pyright: ignore[reportUnusedFunction]
        call_id: UUID, visitor: Annotated[Visitor, Depends(agent)]
    ) -> Sequence[EarlierCall]:
        if not desk.session(visitor.profile).has_call(call_id):
            raise HTTPException(403, "this call is not on your desk")
        with _as_http():
            return await desk.actions.history(call_id)

    @router.get("/v1/desk/targets")
    async def targets(  # pyright: ignore[reportUnusedFunction]
        visitor: Annotated[Visitor, Depends(agent)],
    ) -> Sequence[TransferTarget]:
        return desk.targets(visitor.profile.id)

    return router


def _supervisor_doors(doors: DeskDoors) -> APIRouter:
    router = APIRouter()
    boards = Boards(
        BoardWorld(
            timers=asyncio.get_running_loop(),
            directory=doors.desk.directory,
            supervision=doors.supervision,
            spawn=doors.desk.spawn,
        )
    )
    supervisor = _admitted(doors, Right.SUPERVISE)

    @router.websocket("/supervisor/ws")
    async def board_socket(  # pyright: ignore[reportUnusedFunction]
        socket: WebSocket, visitor: Annotated[Visitor, Depends(supervisor)]
    ) -> None:
        await socket.accept()
        channel = WebSocketChannel(socket)
        with boards.opened(visitor.profile, channel) as session:
            await channel.run(lambda text: session.receive(parse_from_board(text)))

    @router.post("/v1/supervisor/rtc")
    async def rtc(  # pyright: ignore[reportUnusedFunction]
        offer: BoardRtcOffer, visitor: Annotated[Visitor, Depends(supervisor)]
    ) -> BoardRtcAnswer:
        with _as_http():
            session = boards.of(visitor.profile.id)
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


def _admitted(doors: DeskDoors, right: Right) -> Callable[..., Visitor]:
    """A dependency for HTTP and WebSockets: signed in, with the right, and from our pages."""

    def admit(
        connection: HTTPConnection, visitor: Annotated[Visitor | None, Depends(doors.visitor)]
    ) -> Visitor:
        _require_our_page(connection)
        if visitor is None:
            raise _refusal(connection, 401, "sign in first")
        if right not in visitor.rights:
            raise _refusal(connection, 403, "your role does not open this door")
        return visitor

    return admit


def _require_our_page(connection: HTTPConnection) -> None:
    """Cookies come along from anywhere; the Origin says where from (RFC 6455 §10.2)."""
    origin = connection.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != connection.headers.get("host"):
        raise _refusal(connection, 403, "this page may not come here")


def _refusal(connection: HTTPConnection, status: int, message: str) -> Exception:
    if connection.scope["type"] == "websocket":
        return WebSocketException(POLICY_VIOLATION, message)  # before accept: 403
    return HTTPException(status, message)


@contextmanager
def _as_http() -> Generator[None, None, None]:
    """The desk's errors as answers to a request."""
    try:
        yield
    except NoAudioError as error:
        raise HTTPException(422, str(error)) from error
    except RefusedError as error:
        raise HTTPException(409, str(error)) from error
