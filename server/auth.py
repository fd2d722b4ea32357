"""Who may use the HTTP API: whoever presents the configured bearer token; without one, nobody."""

import secrets
from collections.abc import Callable

from fastapi import HTTPException, Request
from pydantic import SecretStr


def bearer_guard(token: SecretStr | None) -> Callable[[Request], None]:
    """A FastAPI dependency that lets a request through, or answers 401 (RFC 6750 §3)."""

    def check(request: Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if (
            token is None
            or scheme.lower() != "bearer"
            or not secrets.compare_digest(given.encode(), token.get_secret_value().encode())
        ):
            raise HTTPException(
                401,
                "a bearer token is needed: set [http] token and send it as Authorization",
                {"WWW-Authenticate": "Bearer"},
            )

    return check
