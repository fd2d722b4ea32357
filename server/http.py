"""The HTTP side: health, metrics, the records of calls, and what happens now.

GET /healthz                    200 when calls can be taken and recorded, 503 otherwise
GET /metrics                    Prometheus text
GET /v1/calls?limit=&before=    the latest calls
GET /v1/calls/{id}              one call with its turns and actions
GET /v1/calls/{id}/recording    its stereo WAV
GET /v1/live                    server-sent events as calls go on
"""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr

from server.auth import bearer_guard
from server.feed import Feed
from server.observability import Metrics, request_context
from server.records.calls import CallDetail, CallRecord
from server.records.errors import RecordsUnavailableError
from server.records.records import Records

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPorts:
    """What the HTTP side shows."""

    health: Callable[[], Awaitable[Mapping[str, str]]]  # part -> "ok" or what is wrong with it
    metrics: Metrics
    records: Records
    feed: Feed


def make_app(ports: HttpPorts, *, token: SecretStr | None) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(title="frontdesk", docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def with_request_id(  # pyright: ignore[reportUnusedFunction]
        request: Request, proceed: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        with request_context(request.headers.get("X-Request-Id")) as request_id:
            response = await proceed(request)
            response.headers["X-Request-Id"] = request_id
            return response

    @app.exception_handler(RecordsUnavailableError)
    async def without_database(  # pyright: ignore[reportUnusedFunction]
        request: Request, error: Exception
    ) -> JSONResponse:
        return JSONResponse({"detail": "the database does not answer; try again"}, 503)

    app.include_router(_public(ports))
    app.include_router(_records(ports), dependencies=[Depends(bearer_guard(token))])
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
        return Response(generate_latest(ports.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _records(ports: HttpPorts) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.get("/calls")
    async def list_calls(  # pyright: ignore[reportUnusedFunction]
        limit: Annotated[int, Query(ge=1, le=500)] = 50, before: uuid.UUID | None = None
    ) -> Sequence[CallRecord]:
        return await ports.records.list_calls(limit=limit, before=before)

    @router.get("/calls/{call_id}")
    async def get_call(  # pyright: ignore[reportUnusedFunction]
        call_id: uuid.UUID,
    ) -> dict[str, Any]:
        found = await _found(ports.records, call_id)
        return {**asdict(found.call), "turns": found.turns, "actions": found.actions}

    @router.get("/calls/{call_id}/recording")
    async def recording(  # pyright: ignore[reportUnusedFunction]
        call_id: uuid.UUID,
    ) -> FileResponse:
        path = (await _found(ports.records, call_id)).call.recording_path
        if not path or not await asyncio.to_thread(Path(path).is_file):
            raise HTTPException(404, "this call was not recorded, or the recording is gone")
        return FileResponse(path, media_type="audio/wav", filename=f"{call_id}.wav")

    @router.get("/live")
    async def live() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        return StreamingResponse(_events(ports.feed), media_type="text/event-stream")

    return router


async def _found(records: Records, call_id: uuid.UUID) -> CallDetail:
    found = await records.get_call(call_id)
    if found is None:
        raise HTTPException(404, "there is no such call")
    return found


async def _events(feed: Feed) -> AsyncIterator[str]:
    """Server-sent events (WHATWG HTML §9.2) until the server or the client goes."""
    with feed.subscribe() as queue:
        yield ": connected\n\n"
        while (event := await queue.get()) is not None:
            yield f"data: {json.dumps(event, default=str)}\n\n"
