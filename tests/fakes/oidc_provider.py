"""A small OpenID provider: discovery, keys, codes bound to PKCE, ID tokens signed with RS256."""

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from server.web import serving

CLIENT_ID, CLIENT_SECRET = "frontdesk-client", "s3cret"


@dataclass
class OidcProviderForTests:
    """Whoever comes is signed in as `claims` say; `overrides` make its tokens wrong."""

    url: str = ""
    claims: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "u-1",
            "preferred_username": "Dana",
            "name": "Dana D",
            "realm_access": {"roles": ["staff", "desk-agents"]},
        }
    )
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    refuses: bool = False
    signs_with: RSAKey | None = None  # None: with the published key
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def discovery() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }

        @app.get("/keys")
        async def keys() -> Any:  # pyright: ignore[reportUnusedFunction]
            return KeySet([self.key]).as_dict(private=False)

        @app.get("/authorize")
        async def authorize(request: Request) -> Any:  # pyright: ignore[reportUnusedFunction]
            asked = dict(request.query_params)
            assert asked["client_id"] == CLIENT_ID
            assert asked["code_challenge_method"] == "S256"
            if self.refuses:
                answer = {"error": "access_denied", "state": asked["state"]}
            else:
                code = secrets.token_urlsafe(16)
                self.codes[code] = asked
                answer = {"code": code, "state": asked["state"]}
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

        @app.post("/token")
        async def token(  # pyright: ignore[reportUnusedFunction]
            request: Request,
            code: Annotated[str, Form()],
            code_verifier: Annotated[str, Form()],
            redirect_uri: Annotated[str, Form()],
        ) -> dict[str, Any]:
            asked = self.codes.pop(code, None)
            credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            digest = hashlib.sha256(code_verifier.encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if (
                asked is None
                or request.headers.get("Authorization") != f"Basic {credentials}"
                or challenge != asked["code_challenge"]
                or redirect_uri != asked["redirect_uri"]
            ):
                raise HTTPException(400, "invalid_grant")
            return {"token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

        return app

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        registered = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        }
        key = self.signs_with or self.key
        header = {"alg": "RS256", "kid": key.kid}
        return jwt.encode(header, {**registered, **self.claims, **self.overrides}, key)


@asynccontextmanager
async def oidc_provider() -> AsyncGenerator[OidcProviderForTests]:
    """Runs meanwhile, on a port of its own."""
    provider = OidcProviderForTests()
    async with serving(provider.app(), "127.0.0.1", 0) as url:
        provider.url = url
        yield provider
