"""Digest authentication, both sides of it: RFC 7616, with RFC 8760 for SIP.

MD5 and SHA-256, with qop "auth" or, as RFC 2069 had it, without. A side keeps of a password only
what the digest needs, H(user:realm:password), once for each algorithm.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import Final

from telephony.sip.errors import MalformedValueError
from telephony.sip.grammar import QUOTED, TOKEN, WHITE, quote, unquote
from telephony.sip.message import Request, Response

_HASHES: Final[Mapping[str, Callable[[bytes], str]]] = {
    "MD5": lambda data: md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: sha256(data).hexdigest(),
}
ALGORITHMS: Final = ("SHA-256", "MD5")  # best first
MAX_ATTEMPTS: Final = 2  # of one request: once with credentials, once more with a fresh nonce
_PAIR: Final = re.compile(rf"[ \t]*({TOKEN})[ \t]*=[ \t]*({QUOTED}|[^ \t\",]+)[ \t]*", re.DOTALL)
_ANSWERED_IN: Final = {401: "Authorization", 407: "Proxy-Authorization"}
_CHALLENGED_IN: Final = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}


def parse_digest(text: str) -> Mapping[str, str]:
    """The parameters of a Digest challenge or of credentials, names in lower case, unquoted.

    Raises:
        MalformedValueError: it is another scheme, or cannot be read.
    """
    scheme, _, rest = text.strip(WHITE).partition(" ")
    if scheme.lower() != "digest":
        raise MalformedValueError(f"not a digest: {scheme[:20]!r}")
    parameters: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PAIR.match(rest, position)
        if match is None or (match.end() < len(rest) and rest[match.end()] != ","):
            raise MalformedValueError("malformed digest")
        parameters[match[1].lower()] = unquote(match[2])
        position = match.end() + 1
    return parameters


def hash_password(algorithm: str, user: str, realm: str, password: str) -> str:
    """H(A1), what is kept of a password (RFC 7616 §3.4.2); `algorithm` is one of ALGORITHMS."""
    return _HASHES[algorithm](f"{user}:{realm}:{password}".encode())


def digest_response(parameters: Mapping[str, str], ha1: str, method: str) -> str:
    """The response that these credentials ought to have (RFC 7616 §3.4.1).

    Args:
        parameters: with nonce, uri, and where qop is there also nc and cnonce.

    Raises:
        KeyError: a parameter is missing, or the algorithm is unknown.
    """
    algorithm = _HASHES[algorithm_of(parameters)]
    ha2 = algorithm(f"{method}:{parameters['uri']}".encode("utf-8", "surrogateescape"))
    middle = [parameters["nonce"]]
    if "qop" in parameters:
        middle += [parameters["nc"], parameters["cnonce"], parameters["qop"]]
    return algorithm(":".join([ha1, *middle, ha2]).encode("utf-8", "surrogateescape"))


def algorithm_of(parameters: Mapping[str, str]) -> str:
    return parameters.get("algorithm", "MD5").upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to whoever asks."""

    user: str
    password: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class _Challenge:
    realm: str
    nonce: str
    algorithm: str | None  # as the challenge names it
    opaque: str | None
    has_qop: bool
    count: int = 0  # of requests answered with this nonce


class DigestClient:
    """Answers challenges; what was asked once is answered unasked from then on (§22.2)."""

    def __init__(self, credentials: Credentials | None, token: Callable[[], str]) -> None:
        """
        Args:
            credentials: None: no challenge can be met.
            token: makes text that never repeats, for client nonces.
        """
        self._credentials = credentials
        self._token = token
        self._challenges: dict[str, _Challenge] = {}  # by the field that answers them

    def challenged(self, response: Response, attempt: int) -> bool:
        """Take note of a refusal; whether the request is worth sending again.

        Args:
            attempt: how many times the request was sent again already.
        """
        answered_in = _ANSWERED_IN.get(response.status)
        if answered_in is None or self._credentials is None or attempt >= MAX_ATTEMPTS:
            return False
        best = _best(response.headers.get_all(_CHALLENGED_IN[response.status]))
        if best is None:
            return False
        challenge, stale = best
        if attempt and not stale and answered_in in self._challenges:
            return False  # it was answered just now, and not believed
        self._challenges[answered_in] = challenge
        return True

    def sign(self, request: Request) -> Request:
        """The request with credentials for all that asked so far."""
        fields = [
            (name, self._answer(challenge, request)) for name, challenge in self._challenges.items()
        ]
        return request.with_headers([*request.headers, *fields]) if fields else request

    def _answer(self, challenge: _Challenge, request: Request) -> str:
        assert self._credentials is not None  # or no challenge would have been kept
        user = self._credentials.user
        challenge.count += 1
        parameters = {"nonce": challenge.nonce, "uri": str(request.uri)}
        if challenge.algorithm is not None:
            parameters["algorithm"] = challenge.algorithm
        if challenge.has_qop:
            parameters |= {"qop": "auth", "nc": f"{challenge.count:08x}", "cnonce": self._token()}
        ha1 = hash_password(
            algorithm_of(parameters), user, challenge.realm, self._credentials.password
        )
        response = digest_response(parameters, ha1, request.method)
        parameters |= {"username": user, "realm": challenge.realm, "response": response}
        if challenge.opaque is not None:
            parameters["opaque"] = challenge.opaque
        return "Digest " + ", ".join(_pair(*item) for item in parameters.items())


def _best(values: tuple[str, ...]) -> tuple[_Challenge, bool] | None:
    """The first challenge that can be met, servers put theirs best first (RFC 8760 §2.4)."""
    for value in values:
        try:
            parameters = parse_digest(value)
        except MalformedValueError:
            continue
        options = [option.strip().lower() for option in parameters.get("qop", "auth").split(",")]
        if algorithm_of(parameters) not in _HASHES or "auth" not in options:
            continue
        if not {"realm", "nonce"} <= set(parameters):
            continue
        challenge = _Challenge(
            realm=parameters["realm"],
            nonce=parameters["nonce"],
            algorithm=parameters.get("algorithm"),
            opaque=parameters.get("opaque"),
            has_qop="qop" in parameters,
        )
        return challenge, parameters.get("stale", "").lower() == "true"
    return None


def _pair(name: str, value: str) -> str:
    """RFC 7616 §3.4: these three are never quoted."""
    return f"{name}={value}" if name in ("algorithm", "qop", "nc") else f"{name}={quote(value)}"
