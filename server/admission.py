"""Who gets a line: limits on all calls, on those of one trunk and of one caller, and headroom.

The limits are hard: a call is counted from the moment it is taken until its line is free again, and
whoever asks and takes without awaiting in between cannot be overtaken. Calls that are up never
notice those that are refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Why a call is refused; the label of the metric."""

    DRAINING = "draining"  # the server takes no new calls, because it is about to stop
    FULL = "full"  # every line is taken
    TRUNK_FULL = "trunk_full"  # this trunk has as many as it may
    CALLER_FULL = "caller_full"  # this number has as many as it may
    NO_HEADROOM = "no_headroom"  # the machine has no more to give, whatever the limits say


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Calls at a time; None: as many as there are lines."""

    calls: int
    per_trunk: int | None = None
    trunks: Mapping[str, int] = field(default_factory=dict[str, int])
    """Trunks with limits of their own: a SIP peer's address, or a media stream's account."""
    per_caller: int | None = None

    def of_trunk(self, trunk: str) -> int | None:
        return self.trunks.get(trunk, self.per_trunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A call as it comes, as the network states it.

    Attributes:
        caller: a URI or a number; see `number_of`.
        trunk: over which it comes; empty: over none that is limited.
    """

    caller: str = ""
    trunk: str = ""


class Admission:
    """The lines of one process. Made for one event loop."""

    def __init__(self, limits: Limits, *, has_headroom: Callable[[], bool] = lambda: True) -> None:
        self._limits, self._has_headroom = limits, has_headroom
        self._trunks: Counter[str] = Counter()
        self._callers: Counter[str] = Counter()
        self.active = 0
        self.draining = False

    def refuses(self, arrival: Arrival) -> Cause | None:
        """Why this call is not welcome now; None: it is."""
        if self.draining:
            return Cause.DRAINING
        if self.active >= self._limits.calls:
            return Cause.FULL
        of_trunk = self._limits.of_trunk(arrival.trunk) if arrival.trunk else None
        if of_trunk is not None and self._trunks[arrival.trunk] >= of_trunk:
            return Cause.TRUNK_FULL
        number, of_caller = number_of(arrival.caller), self._limits.per_caller
        if number and of_caller is not None and self._callers[number] >= of_caller:
            return Cause.CALLER_FULL
        return None if self._has_headroom() else Cause.NO_HEADROOM

    def enter(self, arrival: Arrival) -> None:
        """Count a call that was taken."""
        self.active += 1
        self._count(arrival, 1)

    def leave(self, arrival: Arrival) -> None:
        """Its line is free again."""
        self.active -= 1
        self._count(arrival, -1)

    def _count(self, arrival: Arrival, by: int) -> None:
        for counter, key in (
            (self._trunks, arrival.trunk),
            (self._callers, number_of(arrival.caller)),
        ):
            if key:
                counter[key] += by
                if not counter[key]:
                    del counter[key]  # callers are many: only those who are here are kept


_NUMBER = re.compile(r"\+?[\d().\-]+")
_NOBODY = frozenset(("", "anonymous", "unavailable", "unknown", "restricted", "private"))


def number_of(caller: str) -> str:
    """What a caller is counted by: a number's digits whichever way it came, else the whole URI.

    Empty for callers who withhold it: they share a name (RFC 3323 §4.1), but not a limit.
    """
    address = re.sub(r"^(sips?|tel):", "", caller, flags=re.IGNORECASE)
    user = re.split(r"[@;]", address, maxsplit=1)[0]
    if user.lower() in _NOBODY or "@anonymous.invalid" in address.lower():
        return ""
    if _NUMBER.fullmatch(user):
        return re.sub(r"[^\d+]", "", user)
    return address.lower()
