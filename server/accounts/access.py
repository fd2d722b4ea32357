"""Every door's question: who is this, and may they?

Theory of operation: a request is somebody's by the cookie of a session, or, for programs, by the
configured bearer token. A door names the rights that open it (server/accounts/rights.py); whoever
has none of them is answered 401 when unknown and 403 when known. The cookie is never sent from
other sites (SameSite=Strict), and a request that changes something, or opens a WebSocket, must name
our own site as its Origin besides; bearer tokens need neither, for no browser adds them by itself.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Response, WebSocket
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from server.accounts.accounts import Accounts
from server.accounts.rights import Right
from server.accounts.users import MACHINE, Actor, User

UNAUTHORISED: Final = 4401  # WebSocket close codes of ours, RFC 6455 §7.4.2: as HTTP's, plus 4000
FORBIDDEN: Final = 4403

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 §9.2.1
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_COOKIE: Final = "frontdesk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What browsers call us."""

    public_url: str | None  # [http] public_url

    def host(self, connection: HTTPConnection) -> str:
        """With the port, as in a Host header."""
        if self.public_url is not None:
            return urlsplit(self.public_url).netloc.lower()
        return connection.headers.get("Host", "").lower()

    def url(self, connection: HTTPConnection) -> str:
        """Without a slash at the end."""
        if self.public_url is not None:
            return self.public_url
        return f"{'http' if self.is_plain(connection) else 'https'}://{self.host(connection)}"

    def is_plain(self, connection: HTTPConnection) -> bool:
        """Whether this is a browser on this machine, without TLS: cookies need none there."""
        if self.public_url is not None:
            return urlsplit(self.public_url).scheme == "http"
        return urlsplit(f"//{self.host(connection)}").hostname in _LOOPBACK

    def is_origin(self, connection: HTTPConnection) -> bool:
        """Whether a page of ours sent this; a browser always says which page did."""
        origin = urlsplit(connection.headers.get("Origin", ""))
        allowed = ("http", "https") if self.is_plain(connection) else ("https",)
        return origin.scheme in allowed and origin.netloc.lower() == self.host(connection)

    def cookie_name(self, connection: HTTPConnection, purpose: str = "") -> str:
        """RFC 6265bis §4.1.3.2: with the prefix, no other host or plain page can set it."""
        name = f"{_COOKIE}-{purpose}" if purpose else _COOKIE
        return name if self.is_plain(connection) else f"__Host-{name}"


class Access:
    """Made once; gives the doors their FastAPI dependencies."""

    def __init__(self, accounts: Accounts, *, token: SecretStr | None, site: Site) -> None:
        self.accounts, self.site = accounts, site
        self._token = token

    def require(self, *rights: Right) -> Callable[[Request], Awaitable[User]]:
        """A dependency that gives the user, who has one of `rights`; with none given, anybody.

        The dependency raises HTTPException 401, 403, and RecordsUnavailableError.
        """

        async def check(request: Request) -> User:
            user = await self.user_of(request)
            if user is None:
                raise HTTPException(
                    401,
                    "sign in, or send the token of [http] token as Authorization: Bearer",
                    {"WWW-Authenticate": "Bearer"},
                )
            if user is not MACHINE:
                self.require_own_page(request)
            if rights and not user.may(*rights):
                raise HTTPException(403, f"a user with the role {user.role} may not do this")
            return user

        return check

    async def websocket_user(self, ws: WebSocket, *rights: Right) -> User | None:
        """Who opens this WebSocket; None when it was closed: 4401 for nobody, 4403 without right.

        The socket is accepted before it is closed, or browsers would not be told the code; when a
        user is given it is not accepted yet.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        user = await self.visitor(ws)
        if user is not None and (not rights or user.may(*rights)):
            return user
        await ws.accept()
        if user is None:
            await ws.close(UNAUTHORISED, "sign in")
        else:
            await ws.close(FORBIDDEN, f"a user with the role {user.role} may not do this")
        return None

    async def visitor(self, connection: HTTPConnection) -> User | None:
        """A FastAPI dependency for pages, doors and WebSockets alike: who this is, or None.

        None also where a page of another site asks for more than to look.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        user = await self.user_of(connection)
        looks = connection.scope["type"] == "http" and connection.scope["method"] in _SAFE
        if user is None or user is MACHINE or looks or self.site.is_origin(connection):
            return user
        return None

    async def user_of(self, connection: HTTPConnection) -> User | None:
        """Whose request this is, by bearer token or cookie; a WebSocket's may be asked again.

        Raises:
            RecordsUnavailableError: the database does not answer.
        """
        if "Authorization" in connection.headers:
            return MACHINE if self._is_machine(connection.headers["Authorization"]) else None
        token = self.cookie(connection)
        return None if token is None else await self.accounts.user_of(token)

    def require_own_page(self, request: Request) -> None:
        """
        Raises:
            HTTPException: 403, this changes something and no page of ours asked for it.
        """
        if request.method not in _SAFE and not self.site.is_origin(request):
            raise HTTPException(
                403,
                f"this must come from a page at {self.site.url(request)}: browsers reach frontdesk"
                " by HTTPS, or on this machine; behind a proxy set [http] public_url",
            )

    def actor(self, user: User, connection: HTTPConnection) -> Actor:
        """Who does this, for the audit."""
        return Actor.of(user, client_address(connection))

    # --- the cookie -----------------------------------------------------------------------------

    def cookie(self, connection: HTTPConnection, purpose: str = "") -> str | None:
        return connection.cookies.get(self.site.cookie_name(connection, purpose))

    def set_cookie(
        self,
        connection: HTTPConnection,
        response: Response,
        value: str,
        *,
        max_age_s: float,
        purpose: str = "",
        from_elsewhere: bool = False,
    ) -> None:
        """Keep `value` in the browser.

        Args:
            from_elsewhere: it is needed when another site leads back to us.
        """
        response.set_cookie(
            self.site.cookie_name(connection, purpose),
            value,
            max_age=int(max_age_s),
            path="/",
            secure=not self.site.is_plain(connection),
            httponly=True,
            samesite="lax" if from_elsewhere else "strict",
        )

    def clear_cookie(
        self, connection: HTTPConnection, response: Response, purpose: str = ""
    ) -> None:
        response.delete_cookie(
            self.site.cookie_name(connection, purpose),
            path="/",
            secure=not self.site.is_plain(connection),
            httponly=True,
            samesite="strict",
        )

    def _is_machine(self, authorization: str) -> bool:
        """RFC 6750 §2.1."""
        scheme, _, given = authorization.partition(" ")
        return (
            self._token is not None
            and scheme.lower() == "bearer"
            and secrets.compare_digest(
                given.encode("utf-8", "replace"), self._token.get_secret_value().encode()
            )
        )


def client_address(connection: HTTPConnection) -> str:
    """Where a request comes from; a proxy on this machine is believed who it stands for."""
    return connection.client.host if connection.client else "unknown"
