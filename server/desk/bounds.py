"""How much one page may send: pure."""

from typing import Final

MAX_MESSAGE_CHARS: Final = 32_000  # a note of the greatest length, with every letter escaped
_BURST: Final = 60.0  # messages at once: a page that comes back sends what it kept
_PER_SECOND: Final = 20.0  # far above what hands can do
_REFUSED_AT_MOST: Final = 200  # then it is no page of ours, or a broken one


class RateBound:
    """A token bucket over one connection's messages."""

    def __init__(self, now_s: float) -> None:
        self._tokens, self._at_s = _BURST, now_s
        self._refused = 0

    def admit(self, now_s: float) -> bool:
        """Whether the message that came now is to be served."""
        self._tokens = min(_BURST, self._tokens + (now_s - self._at_s) * _PER_SECOND)
        self._at_s = now_s
        if self._tokens < 1:
            self._refused += 1
            return False
        self._tokens -= 1
        return True

    @property
    def broken(self) -> bool:
        """So many were refused that the connection is to be closed."""
        return self._refused > _REFUSED_AT_MOST
