"""Sign-in and users over HTTP.

GET    /sign-in                     the page
GET    /v1/session                  who is signed in here, and how one can sign in; for everybody
POST   /v1/session                  sign in by name and password
DELETE /v1/session                  sign out
GET    /v1/me                       who I am, and what I may do
POST   /v1/me/password              change my password; every other session of mine ends
GET    /v1/oidc/login               go to the identity provider
GET    /v1/oidc/callback            come back from it
GET    /v1/users                    everybody               \
POST   /v1/users                    make a user              | for admins
PATCH  /v1/users/{id}               change or shut a user    |
PUT    /v1/users/{id}/password      set a password          /
GET    /v1/audit?limit=&before=     the latest entries, for who may see the audit
GET    /v1/audit/verdict            whether its chain is whole
"""

import html
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from server.accounts.access import Access, client_address
from server.accounts.audit import AuditEntry, Verdict
from server.accounts.errors import (
    AccountsError,
    InvalidUserError,
    NoSuchUserError,
    OidcError,
    SignInRefusedError,
    TooManyAttemptsError,
)
from server.accounts.forms import (
    Changes,
    NewPassword,
    NewUser,
    OwnPassword,
    SignIn,
    UserView,
    facts_of,
)
from server.accounts.identities import FLOW_LIFE_S, Flow
from server.accounts.oidc import OidcProvider
from server.accounts.rights import Right
from server.accounts.users import MACHINE, User
from server.pages import page

_FLOW: Final = "sign-in"  # the purpose of the cookie that ties the way back to the browser
_STATUS: Final = {
    SignInRefusedError: 401,
    NoSuchUserError: 404,
    InvalidUserError: 422,
    TooManyAttemptsError: 429,
    OidcError: 403,
}


def accounts_router(access: Access, oidc: OidcProvider | None) -> APIRouter:
    """Everything of this module's docstring; `handle_errors` belongs to it."""
    router = APIRouter()
    router.include_router(_sessions(access, oidc))
    router.include_router(_me(access))
    router.include_router(_users(access))
    router.include_router(_audit(access))
    if oidc is not None:
        router.include_router(_provider(access, oidc))
    return router


def handle_errors(app: FastAPI) -> None:
    """Answer errors of accounts as HTTP has it."""

    @app.exception_handler(AccountsError)
    async def answer(  # pyright: ignore[reportUnusedFunction]
        request: Request, error: AccountsError
    ) -> JSONResponse:
        status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 400)
        headers = (
            {"Retry-After": str(error.retry_after_s)}
            if isinstance(error, TooManyAttemptsError)
            else None
        )
        return JSONResponse({"detail": str(error)}, status, headers)


def _sessions(access: Access, oidc: OidcProvider | None) -> APIRouter:
    router = APIRouter()

    @router.get("/sign-in", include_in_schema=False)
    async def sign_in_page() -> Response:  # pyright: ignore[reportUnusedFunction]
        return page("sign_in.html")

    @router.get("/v1/session")
    async def session(request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        user = await access.user_of(request)
        return {
            "user": UserView.of(user) if user else None,
            "provider": oidc.name if oidc else None,
        }

    @router.post("/v1/session")
    async def sign_in(  # pyright: ignore[reportUnusedFunction]
        form: SignIn, request: Request, response: Response
    ) -> UserView:
        access.require_own_page(request)
        signed_in = await access.accounts.sign_in(
            form.login,
            form.password.get_secret_value(),
            from_address=client_address(request),
            old_token=access.cookie(request),
        )
        _keep(access, request, response, signed_in.token)
        return UserView.of(signed_in.user)

    @router.delete("/v1/session", status_code=204)
    async def sign_out(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response
    ) -> None:
        access.require_own_page(request)
        if token := access.cookie(request):
            await access.accounts.sign_out(token, from_address=client_address(request))
        access.clear_cookie(request, response)

    return router


def _me(access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1/me")

    @router.get("")
    async def me(  # pyright: ignore[reportUnusedFunction]
        user: Annotated[User, Depends(access.require())],
    ) -> UserView:
        return UserView.of(user)

    @router.post("/password")
    async def change(  # pyright: ignore[reportUnusedFunction]
        form: OwnPassword,
        request: Request,
        response: Response,
        user: Annotated[User, Depends(access.require())],
    ) -> UserView:
        if user is MACHINE:
            raise HTTPException(403, "the bearer token is changed in the configuration")
        token = await access.accounts.change_own_password(
            user,
            form.current.get_secret_value(),
            form.new.get_secret_value(),
            from_address=client_address(request),
        )
        _keep(access, request, response, token)
        return UserView.of(user)

    return router


def _users(access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1/users")
    administration = access.accounts.administration
    admins = access.require(Right.MANAGE_USERS)

    @router.get("", dependencies=[Depends(admins)])
    async def everybody() -> Sequence[UserView]:  # pyright: ignore[reportUnusedFunction]
        return [UserView.of(user) for user in await administration.users()]

    @router.post("", status_code=201)
    async def add(  # pyright: ignore[reportUnusedFunction]
        form: NewUser, request: Request, admin: Annotated[User, Depends(admins)]
    ) -> UserView:
        user = await administration.add(
            form.login,
            facts_of(form),
            password=form.password.get_secret_value() if form.password else None,
            phone_password=form.phone_secret(),
            by=access.actor(admin, request),
        )
        return UserView.of(user)

    @router.patch("/{user_id}")
    async def change(  # pyright: ignore[reportUnusedFunction]
        user_id: UUID, form: Changes, request: Request, admin: Annotated[User, Depends(admins)]
    ) -> UserView:
        user = await administration.change(
            user_id,
            form.applied_to,
            phone_password=form.phone_secret(),
            by=access.actor(admin, request),
        )
        return UserView.of(user)

    @router.put("/{user_id}/password", status_code=204)
    async def set_password(  # pyright: ignore[reportUnusedFunction]
        user_id: UUID, form: NewPassword, request: Request, admin: Annotated[User, Depends(admins)]
    ) -> None:
        await administration.set_password(
            user_id, form.password.get_secret_value(), by=access.actor(admin, request)
        )

    return router


def _audit(access: Access) -> APIRouter:
    router = APIRouter(prefix="/v1/audit", dependencies=[Depends(access.require(Right.SEE_AUDIT))])

    @router.get("")
    async def entries(  # pyright: ignore[reportUnusedFunction]
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    ) -> Sequence[AuditEntry]:
        return await access.accounts.audit.entries(limit, before)

    @router.get("/verdict")
    async def verdict() -> Verdict:  # pyright: ignore[reportUnusedFunction]
        return await access.accounts.audit.verify()

    return router


def _provider(access: Access, oidc: OidcProvider) -> APIRouter:
    router = APIRouter(prefix="/v1/oidc")
    identities = access.accounts.identities

    @router.get("/login")
    async def login(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        async def go() -> Response:
            flow = await identities.begin()
            response = RedirectResponse(await oidc.login_url(flow, _callback(access, request)), 303)
            access.set_cookie(
                request,
                response,
                flow.browser,
                max_age_s=FLOW_LIFE_S,
                purpose=_FLOW,
                from_elsewhere=True,
            )
            return response

        return await _or_explain(go)

    @router.get("/callback")
    async def callback(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        code: Annotated[str, Query(max_length=4096)] = "",
        state: Annotated[str, Query(max_length=512)] = "",
    ) -> Response:
        async def come_back() -> Response:
            flow = await _flow(access, request, state)
            if not code:
                raise OidcError("the identity provider let nobody in", problem="refused")
            who = await oidc.identity(code, flow, _callback(access, request))
            _, token = await identities.sign_in(
                who, from_address=client_address(request), old_token=access.cookie(request)
            )
            response = _onward("/sign-in")
            _keep(access, request, response, token)
            return response

        response = await _or_explain(come_back)
        access.clear_cookie(request, response, _FLOW)
        return response

    return router


async def _flow(access: Access, request: Request, state: str) -> Flow:
    """
    Raises:
        OidcError: this browser began no such sign-in.
    """
    browser = access.cookie(request, _FLOW)
    flow = await access.accounts.identities.take(browser) if browser else None
    if flow is None or flow.state != state:
        raise OidcError(
            "this sign-in was not begun here, or took too long: try again", problem="late"
        )
    return flow


def _callback(access: Access, request: Request) -> str:
    return f"{access.site.url(request)}/v1/oidc/callback"


async def _or_explain(work: Callable[[], Awaitable[Response]]) -> Response:
    """What `work` answers, or back to the sign-in page with what is wrong."""
    try:
        return await work()
    except AccountsError as error:
        # A word, not the message: whatever a link says there would look as if we said it.
        problem = error.problem if isinstance(error, OidcError) else "name"
        return _onward(f"/sign-in?problem={problem}")


def _onward(path: str) -> Response:
    """A page of ours that leads on: from it, unlike from a redirect, our cookie is sent along."""
    where = html.escape(path)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Signing in</title>'
        f'<meta http-equiv="refresh" content="0;url={where}">'
        f'<p><a href="{where}">Continue</a></p></html>',
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


def _keep(access: Access, request: Request, response: Response, token: str) -> None:
    access.set_cookie(request, response, token, max_age_s=access.accounts.session_max_s)
    response.headers["Cache-Control"] = "no-store"
