"""The vocabulary of actions: what is asked for, and what is known of it afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """An effect or a look-up to perform.

    `key` is the idempotency key, `call:turn:n`, unique for this effect for ever.
    """

    name: str
    arguments: Mapping[str, Any]
    key: str
    filler: str | None = None  # what the caller hears meanwhile; of no meaning here

    @property
    def call_id(self) -> str:
        """The call this belongs to; empty when the key names none."""
        parts = self.key.rsplit(":", 2)
        return parts[0] if len(parts) == 3 else ""


class ActionStatus(StrEnum):
    SUCCEEDED = "succeeded"  # done, exactly once
    REFUSED = "refused"  # the back end said no: nothing changed
    UNAVAILABLE = "unavailable"  # never applied: nothing changed
    UNKNOWN = "unknown"  # sent, no answer: settled later by the reconciler


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionOutcome:
    """What is known of an action.

    `result` is the back end's answer; of a refusal, the problem's `code` and extension members.
    """

    name: str
    key: str
    status: ActionStatus
    result: Mapping[str, Any]
    error: str | None = None  # for people: what went wrong
