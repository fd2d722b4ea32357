"""Sign-in by an OpenID provider: the authorization code flow with PKCE, state and nonce.

OpenID Connect Core 1.0 §3.1, Discovery 1.0 §4, RFC 7636. The provider's document and keys are
fetched when first needed and kept; keys are fetched again when a token names one that is not there.
"""

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

import httpx
from authlib.oauth2.rfc6749.parameters import (
    prepare_grant_uri,  # pyright: ignore[reportUnknownVariableType]
)
from authlib.oauth2.rfc7636 import (
    create_s256_code_challenge,  # pyright: ignore[reportUnknownVariableType]
)
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from server.accounts.errors import OidcError
from server.accounts.identities import Flow, Identity
from server.accounts.rights import Role
from server.config import OidcConfig

_TIMEOUT_S: Final = 10.0
_KEPT_S: Final = 3600.0  # the provider's document and keys
_REFETCH_S: Final = 60.0  # keys that a token names and nobody knows: not more often
_LEEWAY_S: Final = 60  # between the provider's clock and ours
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
_NAME_LENGTH: Final = 80
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Clock(Protocol):
    def __call__(self) -> float: ...


class OidcProvider:
    """One provider; every method but `close` may raise OidcError."""

    def __init__(self, config: OidcConfig, *, clock: Clock = time.monotonic) -> None:
        assert config.issuer is not None
        self._config, self._issuer, self._clock = config, config.issuer, clock
        self._client = httpx.AsyncClient(timeout=_TIMEOUT_S)
        self._document: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._fetched_s = -_KEPT_S

    @property
    def name(self) -> str:
        """What people call it."""
        return self._config.name

    async def close(self) -> None:
        await self._client.aclose()

    async def login_url(self, flow: Flow, redirect_uri: str) -> str:
        """Where to send the browser."""
        await self._discover()
        return cast(
            str,
            prepare_grant_uri(
                self._document["authorization_endpoint"],
                client_id=self._config.client_id,
                response_type="code",
                redirect_uri=redirect_uri,
                scope=" ".join(self._config.scopes),
                state=flow.state,
                nonce=flow.nonce,
                code_challenge=cast(str, create_s256_code_challenge(flow.verifier)),
                code_challenge_method="S256",
            ),
        )

    async def identity(self, code: str, flow: Flow, redirect_uri: str) -> Identity:
        """Who came back with `code`.

        Raises:
            OidcError: the provider refuses it, its token is not good, or its claims admit nobody.
        """
        await self._discover()
        secret = self._config.client_secret
        tokens = await self._json(
            "POST",
            self._document["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "client_id": self._config.client_id,
                "code_verifier": flow.verifier,
            },
            auth=None
            if secret is None
            else httpx.BasicAuth(self._config.client_id, secret.get_secret_value()),
        )
        return self._identity(await self._claims(tokens.get("id_token"), flow))

    async def _claims(self, id_token: Any, flow: Flow) -> Mapping[str, Any]:
        """The claims of a token whose signature and registered claims are good (Core §3.1.3.7)."""
        if not isinstance(id_token, str):
            raise OidcError("the identity provider sent no ID token")
        try:
            try:
                token = jwt.decode(id_token, await self._key_set(), list(_ALGORITHMS))
            except (JoseError, ValueError):
                # Providers change their keys; a forged token costs one look a minute.
                token = jwt.decode(id_token, await self._key_set(fresh=True), list(_ALGORITHMS))
            jwt.JWTClaimsRegistry(
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._config.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": flow.nonce},
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise OidcError("the identity provider's token is not good") from error
        self._check_party(token.claims)
        return token.claims

    def _check_party(self, claims: Mapping[str, Any]) -> None:
        """A token for several is for whom it was issued: `azp` (Core §2)."""
        several = isinstance(claims["aud"], list) and len(cast(list[Any], claims["aud"])) > 1
        if (several or "azp" in claims) and claims.get("azp") != self._config.client_id:
            raise OidcError("the identity provider's token is for somebody else")

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        login = claims.get(self._config.login_claim)
        if not isinstance(login, str):
            raise OidcError(f"the identity provider names nobody: no {self._config.login_claim}")
        name = claims.get("name")
        shown = name if isinstance(name, str) and name.strip().isprintable() else login
        return Identity(
            subject=f"{self._issuer} {claims['sub']}",
            login=login,
            name=shown.strip()[:_NAME_LENGTH],
            role=self._role(claims),
        )

    def _role(self, claims: Mapping[str, Any]) -> Role:
        value: Any = claims
        for part in self._config.role_claim.split("."):
            value = cast(Mapping[str, Any], value).get(part) if isinstance(value, dict) else None
        given = cast(list[Any], value) if isinstance(value, list) else [value]
        for claimed, role in self._config.roles.items():
            if claimed in given:
                return Role(role)
        raise OidcError(
            "this account has no role here: ask an admin of the identity provider", problem="role"
        )

    async def _discover(self) -> None:
        if self._document and self._clock() - self._fetched_s < _KEPT_S:
            return
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._json("GET", url)
        if document.get("issuer") != self._issuer:  # Discovery §4.3
            raise OidcError(f"{url} is another issuer's: correct [oidc] issuer")
        if not all(isinstance(document.get(name), str) for name in _NEEDED):
            raise OidcError(f"{url} lacks one of {', '.join(_NEEDED)}")
        self._document, self._keys, self._fetched_s = document, None, self._clock()

    async def _key_set(self, *, fresh: bool = False) -> KeySet:
        age_s = self._clock() - self._fetched_s
        if self._keys is None or (fresh and age_s > _REFETCH_S):
            found = await self._json("GET", self._document["jwks_uri"])
            try:
                self._keys = KeySet.import_key_set(cast(Any, found))
            except (JoseError, ValueError, KeyError) as error:
                raise OidcError("the identity provider's keys cannot be read") from error
            self._fetched_s = self._clock()
        return self._keys

    async def _json(self, method: str, url: str, **more: Any) -> Mapping[str, Any]:
        try:
            response = await self._client.request(method, url, **more)
            response.raise_for_status()
            answer = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise OidcError("the identity provider does not answer as it should") from error
        if not isinstance(answer, dict):
            raise OidcError("the identity provider does not answer as it should")
        return cast(Mapping[str, Any], answer)
