"""What the desk's page and the server say to each other over HTTP: JSON."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from server.desk.protocol import Message


class RtcOffer(Message):
    """The agent's softphone offers its audio for a call (JSEP, RFC 8829: `type` and `sdp`)."""

    type: Literal["offer"]
    sdp: str = Field(min_length=1, max_length=64_000)
    offer_id: UUID


class RtcAnswer(Message):
    type: Literal["answer"] = "answer"
    sdp: str
    call_id: UUID


class EarlierCall(Message):
    """One earlier call of the same caller."""

    call_id: UUID
    started_at: datetime
    duration_s: float | None
    reason: str  # for people: what it was about
    summary: tuple[str, ...]
    disposition: str | None  # for people
    agent: str | None  # who took it; None: frontdesk alone
    note: str = ""
