"""Who gets a line: limits on all calls, on those of one trunk and of one caller, and headroom.

The limits are hard: a call is counted from the moment it is taken until its line is free again, and
whoever claims and takes without awaiting in between cannot be overtaken, by no other process of
this server either. Calls that are up never notice those that are refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


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


class Lines(Protocol):
    """Calls that share the limits; trunks and numbers may be empty, which count as none."""

    @property
    def taken(self) -> int: ...

    def of_trunk(self, trunk: str) -> int: ...

    def of_number(self, number: str) -> int: ...

    def claiming(self) -> AbstractContextManager[None]:
        """Nobody takes a line meanwhile."""
        ...

    def hold(self, trunk: str, number: str) -> None:
        """Keep a line, while claiming, for a call that is entered before anything is awaited."""
        ...

    def enter(self, trunk: str, number: str) -> None: ...

    def leave(self, trunk: str, number: str) -> None: ...


class OwnLines:
    """The lines of the only process: whoever does not await needs no lock."""

    def __init__(self) -> None:
        self._trunks: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()
        self.taken = 0

    def of_trunk(self, trunk: str) -> int:
        return self._trunks[trunk]

    def of_number(self, number: str) -> int:
        return self._numbers[number]

    def claiming(self) -> AbstractContextManager[None]:
        return nullcontext()

    def hold(self, trunk: str, number: str) -> None:
        pass

    def enter(self, trunk: str, number: str) -> None:
        self._count(trunk, number, 1)

    def leave(self, trunk: str, number: str) -> None:
        self._count(trunk, number, -1)

    def _count(self, trunk: str, number: str, by: int) -> None:
        self.taken += by
        for counter, key in ((self._trunks, trunk), (self._numbers, number)):
            if key:
                counter[key] += by
                if not counter[key]:
                    del counter[key]  # callers are many: only those who are here are kept


class Admission:
    """Who gets a line of one process. Made for one event loop.

    Attributes:
        active: calls of this process.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        has_headroom: Callable[[], bool] = lambda: True,
        lines: Lines | None = None,
    ) -> None:
        """
        Args:
            lines: of all processes that share the limits; None: there is no other.
        """
        self._limits, self._has_headroom = limits, has_headroom
        self._lines: Lines = OwnLines() if lines is None else lines
        self.active = 0
        self.draining = False

    @property
    def is_open(self) -> bool:
        """Whether this process takes calls, as far as there are lines."""
        return not self.draining and self._has_headroom()

    def refuses(self, arrival: Arrival) -> Cause | None:
        """Why this call is not welcome now; None: it is."""
        if self.draining:
            return Cause.DRAINING
        if self._lines.taken >= self._limits.calls:
            return Cause.FULL
        of_trunk = self._limits.of_trunk(arrival.trunk) if arrival.trunk else None
        if of_trunk is not None and self._lines.of_trunk(arrival.trunk) >= of_trunk:
            return Cause.TRUNK_FULL
        number, of_caller = number_of(arrival.caller), self._limits.per_caller
        if number and of_caller is not None and self._lines.of_number(number) >= of_caller:
            return Cause.CALLER_FULL
        return None if self._has_headroom() else Cause.NO_HEADROOM

    def claim(self, arrival: Arrival) -> Cause | None:
        """The same for a call that is entered, if it is welcome, before anything is awaited."""
        with self._lines.claiming():
            cause = self.refuses(arrival)
            if cause is None:
                self._lines.hold(arrival.trunk, number_of(arrival.caller))
        return cause

    def enter(self, arrival: Arrival) -> None:
        """Count a call that was taken."""
        self.active += 1
        self._lines.enter(arrival.trunk, number_of(arrival.caller))

    def leave(self, arrival: Arrival) -> None:
        """Its line is free again."""
        self.active -= 1
        self._lines.leave(arrival.trunk, number_of(arrival.caller))


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
