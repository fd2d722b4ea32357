"""The HTTP side: health, metrics, the records of calls, and what happens now.

    GET /healthz                    200 when calls can be taken and recorded, 503 otherwise
    GET /metrics                    Prometheus text
    GET /v1/calls?limit=&before=    the latest calls
    GET /v1/calls/{id}              one call with its turns and actions
    GET /v1/calls/{id}/recording    its stereo WAV
    GET /v1/live                    server-sent events as calls go on
"""

import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr

from server.auth import bearer_guard
from server.feed import Feed
from server.observability import Metrics, request_context

log = logging.getLogger(__name__)


class CallRecords(Protocol):
    """What the HTTP side asks of the records."""

    async def get_call(self, call_id: uuid.UUID) -> Mapping[str, Any] | None:
        """One call with its turns and actions; None when there is no such call."""
        ...

    async def list_calls(
        self, *, limit: int, before: datetime | None
    ) -> list[Mapping[str, Any]]:
        """The latest calls, newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPorts:
    """What the HTTP side shows."""

    health: Callable[[], Awaitable[Mapping[str, str]]]  # part -> "ok" or what is wrong with it
    metrics: Metrics
    records: CallRecords
    feed: Feed
    recordings: Path


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
        limit: Annotated[int, Query(ge=1, le=500)] = 50, before: datetime | None = None
    ) -> list[Mapping[str, Any]]:
        return await ports.records.list_calls(limit=limit, before=before)

    @router.get("/calls/{call_id}")
    async def get_call(call_id: uuid.UUID) -> Mapping[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return await _found(ports.records, call_id)

    @router.get("/calls/{call_id}/recording")
    async def recording(call_id: uuid.UUID) -> FileResponse:  # pyright: ignore[reportUnusedFunction]
        path = (await _found(ports.records, call_id)).get("recording_path")
        if not path or not Path(path).is_file():
            raise HTTPException(404, "this call was not recorded, or the recording is gone")
        return FileResponse(path, media_type="audio/wav", filename=f"{call_id}.wav")

    @router.get("/live")
    async def live() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        return StreamingResponse(_events(ports.feed), media_type="text/event-stream")

    return router


async def _found(records: CallRecords, call_id: uuid.UUID) -> Mapping[str, Any]:
    call = await records.get_call(call_id)
    if call is None:
        raise HTTPException(404, "there is no such call")
    return call


async def _events(feed: Feed) -> AsyncIterator[str]:
    """Server-sent events (WHATWG HTML §9.2) until the server or the client goes."""
    with feed.subscribe() as queue:
        yield ": connected\n\n"
        while (event := await queue.get()) is not None:
            yield f"data: {json.dumps(event, default=str)}\n\n"
