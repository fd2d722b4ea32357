"""Passwords: argon2id, in threads, as slow for a name that nobody has as for any other."""

import asyncio
import unicodedata
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.accounts.errors import InvalidUserError

_MAX_CHARACTERS: Final = 256  # nobody types more; what is longer only costs time
_AT_ONCE: Final = 2  # each takes 64 MiB and four threads for some 50 ms: RFC 9106 §4, second choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    right: bool
    fresh_hash: str | None = None  # to be kept instead: ours was made with parameters of the past


class Passwords:
    """Hashes and checks, on one event loop."""

    def __init__(self, *, min_characters: int, hasher: PasswordHasher | None = None) -> None:
        self._min_characters = min_characters
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("a password that nobody has")
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str, *, login: str) -> str:
        """The PHC string to keep of a new password.

        Raises:
            InvalidUserError: it is too weak; the message tells what would do.
        """
        text = _normal(password)
        if not self._min_characters <= len(text) <= _MAX_CHARACTERS:
            raise InvalidUserError(
                f"a password has {self._min_characters} to {_MAX_CHARACTERS} characters"
            )
        if login in text.casefold() or len(set(text)) < 4:
            raise InvalidUserError(
                "this password is guessed too easily: leave the login name out, and use more than"
                " three different characters"
            )
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, text)

    async def check(self, password: str, kept: str | None) -> Checked:
        """Whether this is the password; without one kept it never is, after the same time."""
        text = _normal(password[: _MAX_CHARACTERS + 1])
        async with self._turns:
            right = await asyncio.to_thread(self._verify, kept or self._nobody, text)
            if not right or kept is None:
                return Checked(right=False)
            if not self._hasher.check_needs_rehash(kept):
                return Checked(right=True)
            return Checked(right=True, fresh_hash=await asyncio.to_thread(self._hasher.hash, text))

    def _verify(self, kept: str, text: str) -> bool:
        try:
            return self._hasher.verify(kept, text)
        except (VerificationError, InvalidHashError):
            return False


def _normal(password: str) -> str:
    """As the same keys give it on every keyboard and system (NIST SP 800-63B §3.1.1.2)."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode())
