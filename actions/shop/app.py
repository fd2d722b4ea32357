"""The shop over HTTP."""

import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from actions.database import FAILURES
from actions.shop.answers import Answer, ProblemError, problem
from actions.shop.faults import Faults
from actions.shop.store import ShopStore

_log = logging.getLogger(__name__)

VERSION: Final = "1.0.0"

Key = Annotated[str, Path(min_length=1, max_length=200)]


class OrderAnswer(BaseModel):
    order_number: str
    customer_name: str
    postcode: str
    shipping_address: str
    status: str = Field(description="processing, shipped, delivered or cancelled")
    eta: str | None = Field(description="expected day of delivery, ISO 8601")
    version: int
    updated_at: str


class ChangeAddress(BaseModel):
    model_config = ConfigDict(extra="forbid")

    order_number: str = Field(min_length=1, max_length=20, pattern=r"^[0-9A-Za-z-]+$")
    address: str = Field(min_length=1, max_length=500)


class ChangeAddressAnswer(BaseModel):
    order_number: str
    shipping_address: str
    version: int


class StoredAnswer(BaseModel):
    status: int
    body: dict[str, Any]


class Problem(BaseModel):
    type: str
    title: str
    status: int
    code: str


def create_app(store: ShopStore, faults: Faults, *, token: str | None = None) -> FastAPI:
    """The shop's routes.

    Args:
        token: what a request must bring as its bearer token; all are let in without one.
    """
    app = FastAPI(title="Demo shop", version=VERSION, docs_url=None, redoc_url=None)
    _handle_errors(app)
    guarded = [Depends(_authority(token))]

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:  # pyright: ignore[reportUnusedFunction]
        await store.ping()
        return JSONResponse({"status": "ok"})

    @app.get(
        "/v1/orders/{order_number}",
        operation_id="get_order",
        response_model=OrderAnswer,
        responses=_refusals(404),
        dependencies=guarded,
    )
    async def get_order(  # pyright: ignore[reportUnusedFunction]
        order_number: Annotated[str, Path(min_length=1, max_length=20)],
    ) -> Response:
        return _respond(await store.order(order_number))

    @app.post(
        "/v1/actions/change_address",
        operation_id="change_address",
        response_model=ChangeAddressAnswer,
        responses=_refusals(404, 409, 422),
        dependencies=guarded,
    )
    async def change_address(  # pyright: ignore[reportUnusedFunction]
        body: ChangeAddress,
        idempotency_key: Annotated[str, Header(min_length=1, max_length=200)],
    ) -> Response:
        await faults.before_transaction()
        address = " ".join(body.address.split())
        answer = await store.change_address(idempotency_key, body.order_number, address)
        await faults.after_commit()
        return _respond(answer)

    @app.get(
        "/v1/actions/{key}",
        operation_id="find_action",
        response_model=StoredAnswer,
        responses=_refusals(404),
        dependencies=guarded,
        openapi_extra={"x-frontdesk-settlement": "find"},
    )
    async def find_action(key: Key) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _respond(await store.answer(key))

    @app.delete(
        "/v1/actions/{key}",
        operation_id="void_action",
        response_model=StoredAnswer,
        responses=_refusals(409),
        dependencies=guarded,
        openapi_extra={"x-frontdesk-settlement": "void"},
    )
    async def void_action(key: Key) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _respond(await store.void(key))

    return app


def _authority(
    token: str | None,
) -> Callable[[HTTPAuthorizationCredentials | None], Awaitable[None]]:
    bearer = HTTPBearer(auto_error=False)

    async def check(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> None:
        given = credentials.credentials if credentials else ""
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise ProblemError(problem(401, "unauthorized", "A bearer token is needed"))

    return check


def _respond(answer: Answer) -> Response:
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
    media_type = "application/problem+json" if answer.status >= 400 else "application/json"
    return JSONResponse(
        dict(answer.body), status_code=answer.status, headers=headers, media_type=media_type
    )


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": Problem, "content": {"application/problem+json": {}}}
        for status in statuses
    }


def _handle_errors(app: FastAPI) -> None:
    async def on_problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return _respond(error.answer)

    async def on_invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        places = ", ".join(_place(each) for each in error.errors())
        if places == "header.idempotency-key":
            return _respond(problem(400, "idempotency_key_missing", "Send an Idempotency-Key"))
        return _respond(problem(400, "invalid_request", f"Not as documented: {places}"))

    async def on_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        # No such route: without a code, for it is no decision about an order.
        body = {"type": "about:blank", "title": str(error.detail), "status": error.status_code}
        return _respond(Answer(status=error.status_code, body=body))

    async def on_database_failure(_: Request, error: Exception) -> Response:
        _log.error("database failed", extra={"error": type(error).__name__})
        return _respond(problem(503, "database_unavailable", "The database does not answer"))

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    for failure in FAILURES:
        app.add_exception_handler(failure, on_database_failure)


def _place(error: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"])
