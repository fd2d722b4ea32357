"""The registrar: which phones belong to whom, and where they are (RFC 3261 §10.3).

Nobody registers without credentials, and everybody only themselves: the user of the digest is the
user of the address of record; its domain is ours whatever it says. Nonces need no memory until they
were used once: they carry their age and a seal. From then on their counts must rise (RFC 7616
§3.4.5), so that nothing can be replayed.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from telephony.sip.digest import algorithm_of, digest_response, parse_digest
from telephony.sip.errors import MalformedValueError
from telephony.sip.grammar import parse_number
from telephony.sip.headers import NameAddress
from telephony.sip.message import Request
from telephony.sip.outputs import Address
from telephony.sip.uri import Uri

MIN_EXPIRES_S: Final = 60  # shorter ones cost more than they are worth
DEFAULT_EXPIRES_S: Final = 300  # short enough to notice within a shift that a phone is gone
MAX_EXPIRES_S: Final = 3_600
MAX_CONTACTS: Final = 8  # of one user: a desk phone, a softphone, a mobile, and their restarts
NONCE_S: Final = 300.0
MAX_FAILURES: Final = 10  # of one source, within
FAILURE_WINDOW_S: Final = 60.0
MAX_SOURCES: Final = 4_096  # remembered; the oldest is forgotten first
_HIGHEST: Final = 2**32 - 1

Secrets: TypeAlias = Callable[[str, str], str | None]
"""H(A1) of a user for an algorithm, "MD5" or "SHA-256", as digest.hash_password makes it; None: no
such user, or not for that algorithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where one phone of a user is.

    Attributes:
        contact: what it wants to be called.
        source: where it registered from: behind NAT the only address that reaches it.
        expires_s: monotonic seconds.
    """

    contact: Uri
    source: Address
    expires_s: float
    call_id: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a REGISTER is answered with."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()


class Registrar:
    """Bindings and who may change them. In memory: phones come back within DEFAULT_EXPIRES_S."""

    def __init__(
        self,
        *,
        realm: str,
        secrets: Secrets,
        token: Callable[[], str],
        algorithms: Iterable[str] = ("MD5",),
    ) -> None:
        """
        Args:
            realm: what passwords were hashed with.
            secrets: asked with each REGISTER; must return at once.
            token: makes text that never repeats and nobody can guess.
            algorithms: "MD5", "SHA-256", offered in this order (RFC 8760 §2.4). Phones whose stack
                knows MD5 only (libre 1.0 is one) give up on a challenge that offers another
                beside it.
        """
        self._realm = realm
        self._secrets = secrets
        self._token = token
        self._algorithms = tuple(algorithms)
        self._seal = token().encode()
        self._bindings: dict[str, list[Binding]] = {}
        self._counts: dict[str, int] = {}  # of nonces that were used
        self._failures: dict[str, tuple[int, float]] = {}  # by host: how many since when

    def contacts(self, user: str, now_s: float) -> tuple[Binding, ...]:
        """The user's phones, latest registration first."""
        alive = [b for b in self._bindings.get(user, ()) if b.expires_s > now_s]
        return tuple(sorted(alive, key=lambda binding: -binding.expires_s))

    def users(self, now_s: float) -> tuple[str, ...]:
        """Who has a phone."""
        return tuple(user for user in self._bindings if self.contacts(user, now_s))

    def serve(self, request: Request, source: Address, now_s: float) -> Answer:
        """Answer a REGISTER.

        Raises:
            MalformedValueError: it must be refused with the error's status.
        """
        host = source[0]
        if self._is_barred(host, now_s):
            return Answer(status=403)
        given = self._credentials(request)
        if given is None:
            return self._challenge(host, now_s)
        if not self._is_nonce(given.get("nonce", ""), host, now_s):
            return self._challenge(host, now_s, stale=True)
        if not self._is_right(given, request.method):
            self._note_failure(host, now_s)
            return self._challenge(host, now_s)
        if not self._is_next(given):
            return self._challenge(host, now_s, stale=True)
        user = request.to.uri.user_text
        if given["username"] != user:
            self._note_failure(host, now_s)
            return Answer(status=403)
        self._forget_old_nonces(now_s)
        return self._register(user, request, source, now_s)

    # --- who may --------------------------------------------------------------------------------

    def _credentials(self, request: Request) -> dict[str, str] | None:
        for value in request.headers.get_all("Authorization"):
            parameters = dict(parse_digest(value))
            if parameters.get("realm") == self._realm:
                return parameters
        return None

    def _is_right(self, given: dict[str, str], method: str) -> bool:
        needed = {"username", "nonce", "uri", "response", "qop", "nc", "cnonce"}
        algorithm = algorithm_of(given)
        if not needed <= set(given) or algorithm not in self._algorithms:
            return False
        # Compared for unknown users too, so that the time it takes tells nothing.
        ha1 = self._secrets(given["username"], algorithm)
        expected = digest_response(given, ha1 or self._token(), method)
        same = hmac.compare_digest(_octets(expected), _octets(given["response"].lower()))
        return same and ha1 is not None and given["qop"] == "auth"

    def _is_next(self, given: dict[str, str]) -> bool:
        """Whether this nonce was not used with such a count before (RFC 7616 §3.4.5)."""
        try:
            count = int(given["nc"], 16)
        except ValueError:
            return False
        if count <= self._counts.get(given["nonce"], 0):
            return False
        self._counts[given["nonce"]] = count
        return True

    def _forget_old_nonces(self, now_s: float) -> None:
        for nonce in [nonce for nonce in self._counts if now_s - _made_s(nonce) > NONCE_S]:
            del self._counts[nonce]

    def _challenge(self, host: str, now_s: float, *, stale: bool = False) -> Answer:
        head = f"{now_s:.3f}.{self._token()}"
        nonce = f"{head}.{self._sealed(head, host)}"
        rest = f'nonce="{nonce}", qop="auth"{", stale=true" if stale else ""}'
        return Answer(
            status=401,
            fields=tuple(
                ("WWW-Authenticate", f'Digest realm="{self._realm}", algorithm={name}, {rest}')
                for name in self._algorithms
            ),
        )

    def _is_nonce(self, nonce: str, host: str, now_s: float) -> bool:
        head, _, seal = nonce.rpartition(".")
        if not hmac.compare_digest(_octets(seal), _octets(self._sealed(head, host))):
            return False
        return now_s - _made_s(nonce) <= NONCE_S

    def _sealed(self, head: str, host: str) -> str:
        """The host is sealed in: nobody's failures can be blamed on somebody else's address."""
        return hmac.new(self._seal, _octets(f"{head}@{host}"), sha256).hexdigest()[:32]

    def _is_barred(self, host: str, now_s: float) -> bool:
        count, since_s = self._failures.get(host, (0, now_s))
        return count >= MAX_FAILURES and now_s - since_s < FAILURE_WINDOW_S

    def _note_failure(self, host: str, now_s: float) -> None:
        count, since_s = self._failures.pop(host, (0, now_s))
        if now_s - since_s >= FAILURE_WINDOW_S:
            count, since_s = 0, now_s
        if len(self._failures) >= MAX_SOURCES:
            del self._failures[next(iter(self._failures))]
        self._failures[host] = (count + 1, since_s)

    # --- bindings -------------------------------------------------------------------------------

    def _register(self, user: str, request: Request, source: Address, now_s: float) -> Answer:
        bindings = list(self.contacts(user, now_s))
        call_id, sequence = request.call_id, request.cseq.number
        if any(b.call_id == call_id and b.sequence >= sequence for b in bindings):
            return Answer(status=500)  # §10.3: out of order, nothing is changed
        asked = request.headers.get("Expires")
        default_s = DEFAULT_EXPIRES_S if asked is None else parse_number(asked, maximum=_HIGHEST)
        if "*" in request.headers.get_list("Contact"):
            if request.contacts or default_s:
                raise MalformedValueError('"*" is for removing all contacts')
            bindings = []
        for contact in request.contacts:
            seconds = _expires_s(contact, default_s)
            if 0 < seconds < MIN_EXPIRES_S:
                return Answer(status=423, fields=(("Min-Expires", str(MIN_EXPIRES_S)),))
            bindings = [b for b in bindings if str(b.contact) != str(contact.uri)]
            if seconds:
                bound = Binding(
                    contact=contact.uri,
                    source=source,
                    expires_s=now_s + min(seconds, MAX_EXPIRES_S),
                    call_id=call_id,
                    sequence=sequence,
                )
                bindings.append(bound)
        if len(bindings) > MAX_CONTACTS:
            return Answer(status=403)
        self._bindings[user] = bindings
        if not bindings:
            del self._bindings[user]
        return Answer(status=200, fields=tuple(_contact_field(b, now_s) for b in bindings))


def _expires_s(contact: NameAddress, default_s: int) -> int:
    text = contact.parameters.get("expires")
    return default_s if text is None else parse_number(text, maximum=_HIGHEST)


def _contact_field(binding: Binding, now_s: float) -> tuple[str, str]:
    return "Contact", f"<{binding.contact}>;expires={round(binding.expires_s - now_s)}"


def _made_s(nonce: str) -> float:
    """When a nonce of ours was made."""
    return float(nonce.rpartition(".")[0].rpartition(".")[0])


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
