"""The HTTP side: health, metrics, the records of calls, and what happens now.

GET /healthz                    200 when calls can be taken and recorded, 503 otherwise
GET /metrics                    Prometheus text
GET /v1/calls?limit=&before=    the latest calls; for an agent, those they had
GET /v1/calls/{id}              one call with its turns and actions, and what the desk did
GET /v1/calls/{id}/recording    its stereo WAV
GET /v1/calls/{id}/vcon         all of it as one vCon, once it is over
GET /v1/handoffs?limit=&before=&agent=      the latest hand-offs
GET /v1/agents/statistics?since=&until=     what each agent was offered and took
GET /v1/live                    server-sent events as calls go on

Sign-in and users are in server/accounts/http.py.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import AwareDatetime

from server.accounts.access import Access
from server.accounts.audit import AuditEvent
from server.accounts.http import accounts_router, handle_errors
from server.accounts.oidc import OidcProvider
from server.accounts.rights import Right
from server.accounts.users import User
from server.feed import Feed, Subscriber
from server.handoff.export import CallNotOverError
from server.handoff.vcon_export import VconExport
from server.observability import Metrics, request_context
from server.pages import mount_assets
from server.records.calls import CallDetail, CallRecord
from server.records.desk import DeskRecords
from server.records.desk_facts import AgentStatistics, HandOffRecord
from server.records.errors import RecordsUnavailableError
from server.records.records import Records

_RECHECK_S: Final = 15.0  # how long a live feed outlives the session it was opened in


class Others(Protocol):
    """The other processes of this server."""

    async def exposition(self, own: str) -> str:
        """The metrics of all, ours among them, in Prometheus's text format."""
        ...

    def joining(self, subscriber: Subscriber) -> AbstractAsyncContextManager[None]:
        """See server.feed.Joining."""
        ...


class Alone:
    """There is no other process."""

    async def exposition(self, own: str) -> str:
        return own

    def joining(self, subscriber: Subscriber) -> AbstractAsyncContextManager[None]:
        return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPorts:
    """What the HTTP side shows."""

    health: Callable[[], Awaitable[Mapping[str, str]]]  # part -> "ok" or what is wrong with it
    metrics: Metrics
    records: Records
    feed: Feed
    vcons: VconExport
    others: Others = field(default_factory=Alone)


def make_app(ports: HttpPorts, access: Access, *, oidc: OidcProvider | None = None) -> FastAPI:
    """The ASGI application; what is not public asks `access`."""
    app = FastAPI(title="frontdesk", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def with_request_id(  # pyright: ignore[reportUnusedFunction]
        request: Request, proceed: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        with request_context(request.headers.get("X-Request-Id")) as request_id:
            response = await proceed(request)
            response.headers["X-Request-Id"] = request_id
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            if request.url.path.startswith("/v1"):
                response.headers.setdefault("Cache-Control", "no-store")
            return response

    @app.exception_handler(RecordsUnavailableError)
    async def without_database(  # pyright: ignore[reportUnusedFunction]
        request: Request, error: Exception
    ) -> JSONResponse:
        return JSONResponse({"detail": "the database does not answer; try again"}, 503)

    handle_errors(app)
    app.include_router(_public(ports))
    app.include_router(_calls(ports.records, access))
    app.include_router(_vcons(ports, access))
    app.include_router(_desk(ports.records.desk, access))
    app.include_router(_live(ports, access))
    app.include_router(accounts_router(access, oidc))
    mount_assets(app)
    return app


def _public(ports: HttpPorts) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        parts = dict(await ports.health())
        well = all(state == "ok" for state in parts.values())
        status = "ok" if well else "degraded"
        return JSONResponse({"status": status, **parts}, 200 if well else 503)

    @router.get("/metrics")
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        text = await ports.others.exposition(ports.metrics.exposition())
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router


def _calls(records: Records, access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1/calls")
    readers = access.require(Right.SEE_CALLS, Right.SEE_OWN_CALLS)
    listeners = access.require(Right.HEAR_CALLS, Right.SEE_OWN_CALLS)

    @router.get("")
    async def list_calls(  # pyright: ignore[reportUnusedFunction]
        user: Annotated[User, Depends(readers)],
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: uuid.UUID | None = None,
    ) -> Sequence[CallRecord]:
        if user.may(Right.SEE_CALLS):
            return await records.list_calls(limit=limit, before=before)
        return await records.desk.calls_of_agent(user.key, limit, before)

    @router.get("/{call_id}")
    async def get_call(  # pyright: ignore[reportUnusedFunction]
        call_id: uuid.UUID, user: Annotated[User, Depends(readers)]
    ) -> dict[str, Any]:
        found = await _found(records, call_id, user, Right.SEE_CALLS)
        desk = await records.desk.of_call(call_id)
        return {
            **asdict(found.call),
            "turns": found.turns,
            "actions": found.actions,
            **{each.name: getattr(desk, each.name) for each in fields(desk)},
        }

    @router.get("/{call_id}/recording")
    async def recording(  # pyright: ignore[reportUnusedFunction]
        call_id: uuid.UUID, request: Request, user: Annotated[User, Depends(listeners)]
    ) -> FileResponse:
        path = (await _found(records, call_id, user, Right.HEAR_CALLS)).call.recording_path
        if not path or not await asyncio.to_thread(Path(path).is_file):
            raise HTTPException(404, "this call was not recorded, or the recording is gone")
        await access.accounts.audit.write(
            AuditEvent(
                kind="recording_heard", actor=access.actor(user, request), subject=str(call_id)
            )
        )
        return FileResponse(path, media_type="audio/wav", filename=f"{call_id}.wav")

    return router


def _vcons(ports: HttpPorts, access: Access) -> APIRouter:
    """Apart from the other doors to calls: who gets a vCon has the recording with it."""
    router = APIRouter(prefix="/v1/calls")
    listeners = access.require(Right.HEAR_CALLS, Right.SEE_OWN_CALLS)

    @router.get("/{call_id}/vcon")
    async def vcon(  # pyright: ignore[reportUnusedFunction]
        call_id: uuid.UUID, request: Request, user: Annotated[User, Depends(listeners)]
    ) -> Response:
        await _found(ports.records, call_id, user, Right.HEAR_CALLS)
        try:
            document = await ports.vcons.of(call_id)
        except CallNotOverError as error:
            raise HTTPException(409, str(error)) from error
        if document is None:
            raise HTTPException(404, "there is no such call")
        actor = access.actor(user, request)
        await access.accounts.audit.write(
            AuditEvent(kind="call_exported", actor=actor, subject=str(call_id))
        )
        return JSONResponse(document, media_type="application/vcon+json")

    return router


def _desk(desk: DeskRecords, access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1", dependencies=[Depends(access.require(Right.SEE_CALLS))])

    @router.get("/handoffs")
    async def list_handoffs(  # pyright: ignore[reportUnusedFunction]
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: uuid.UUID | None = None,
        agent: Annotated[str | None, Query(max_length=128)] = None,
    ) -> Sequence[HandOffRecord]:
        return await desk.list_handoffs(limit, before, agent=agent)

    @router.get("/agents/statistics")
    async def statistics(  # pyright: ignore[reportUnusedFunction]
        since: AwareDatetime, until: AwareDatetime
    ) -> Sequence[AgentStatistics]:
        return await desk.agent_statistics(since, until)

    return router


def _live(ports: HttpPorts, access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/live", dependencies=[Depends(access.require(Right.SEE_LIVE))])
    async def live(request: Request) -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        async def still_may() -> bool:
            user = await access.user_of(request)
            return user is not None and user.may(Right.SEE_LIVE)

        return StreamingResponse(_events(ports, still_may), media_type="text/event-stream")

    return router


async def _found(records: Records, call_id: uuid.UUID, user: User, all_calls: Right) -> CallDetail:
    """A call that this user may see: any with the right to all, else one they had themselves."""
    found = await records.get_call(call_id)
    if found is not None and not user.may(all_calls):
        found = found if await records.desk.agent_had_call(user.key, call_id) else None
    if found is None:
        raise HTTPException(404, "there is no such call")
    return found


async def _events(ports: HttpPorts, still_may: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
    """Server-sent events (WHATWG HTML §9.2) until the server or the client goes, or may no more."""
    with ports.feed.subscribe() as queue:
        yield ": connected\n\n"
        async with ports.others.joining(queue):
            checked_s = time.monotonic()
            while True:
                try:
                    async with asyncio.timeout(_RECHECK_S):
                        event = await queue.get()
                except TimeoutError:
                    yield ": still here\n\n"
                else:
                    if event is None:
                        return
                    yield f"data: {json.dumps(event, default=str)}\n\n"
                if time.monotonic() - checked_s >= _RECHECK_S:
                    if not await still_may():
                        return
                    checked_s = time.monotonic()
