"""What an agent knows before saying hello: why the caller calls, who they are, what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the conversation so far."""

    who: str  # caller, frontdesk, agent
    text: str
    at_s: float  # since the call was answered
    heard: str | None = None  # of what frontdesk said: the part the caller heard, when cut short


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFact:
    """One value the caller gave."""

    name: str
    value: str
    confidence: float | None  # of the recogniser; None: keyed, or looked up
    confirmed: bool  # by the caller, or by a back end that knows it


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFact:
    """One thing done, refused or still unsettled at a back end."""

    name: str
    status: str  # succeeded, refused, unavailable, unknown, running, pending (for an approval)
    detail: str  # for people: what it did, or why it did not


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOffContext:
    """Everything an agent is shown; also the base of the spoken brief, the vCon and the webhook."""

    call_id: UUID
    handoff_id: UUID  # opaque: what other systems are told in User-to-User
    caller: str
    callee: str
    started_at: datetime
    requested_at: datetime
    reason: str  # caller_asked, not_understood, action_failed, or a flow's own word
    reason_text: str  # the same for people: "They asked for a person."
    skill: str | None
    language: str
    task: str | None  # what they were at: "change the address on an order"
    verified: tuple[str, ...]  # how the caller proved who they are: "order number and postcode"
    slots: tuple[SlotFact, ...]
    actions: tuple[ActionFact, ...]
    sentiment: str  # calm, impatient, upset
    lines: tuple[Line, ...]
    said_last: str  # what was being said at the moment of transfer
    summary: tuple[str, ...]  # up to three sentences
    next_steps: tuple[str, ...]

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "HandOffContext":
        """What `as_json` made.

        Raises:
            KeyError, TypeError, ValueError: it is not one, or of a version that knew other fields.
        """
        fields = dict(kept)
        for name in ("call_id", "handoff_id"):
            fields[name] = UUID(fields[name])
        for name in ("started_at", "requested_at"):
            fields[name] = datetime.fromisoformat(fields[name])
        for name, kind in (("slots", SlotFact), ("actions", ActionFact), ("lines", Line)):
            fields[name] = tuple(kind(**each) for each in fields[name])
        for name in ("verified", "summary", "next_steps"):
            fields[name] = tuple(fields[name])
        return cls(**fields)

    def as_json(self) -> Mapping[str, Any]:
        """JSON-ready: ids and times as strings, and only lists where there were tuples."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            members = cast("dict[str, Any]", value)
            return {name: _plain(each) for name, each in members.items()}
        case tuple() | list():
            return [_plain(each) for each in cast("Sequence[Any]", value)]
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case _:
            return value
