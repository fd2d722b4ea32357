"""Every hand-off is kept, and told of when it is asked for, taken and over."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from server.handoff.attempts import Attempts
from server.handoff.told_store import ToldStore
from server.records.desk_facts import HandOffProgress, HandOffRequest
from tests.fakes.handoff_contexts import HANDOFF_ID, handoff_context

AT = datetime(2026, 8, 1, 9, 32, tzinfo=UTC)


class Kept:
    def __init__(self) -> None:
        self.writes: list[str] = []

    def handoff_requested(self, request: HandOffRequest) -> None:
        self.writes.append("requested")

    def handoff_progressed(self, handoff_id: object, progress: HandOffProgress) -> None:
        self.writes.append("progressed")

    def handoff_ended(
        self, handoff_id: object, progress: HandOffProgress, *, at: datetime, outcome: str
    ) -> None:
        self.writes.append("ended")


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, kind: str, data: Mapping[str, Any]) -> None:
        self.events.append((kind, json.loads(json.dumps(data))))  # as it goes over the wire


def test_taken_call_is_told_in_three_events_and_kept_at_every_step() -> None:
    kept, told = Kept(), Told()
    attempts = Attempts(HANDOFF_ID, ToldStore(kept, told), wall=lambda: AT)
    attempts.requested(handoff_context())
    attempts.rang("lee")
    attempts.ended("declined")
    attempts.rang("kim")
    attempts.accepted()
    attempts.concluded("agent_hangup")
    kinds = [kind for kind, _ in told.events]
    assert kinds == ["handoff.requested", "handoff.accepted", "handoff.ended"]
    requested, accepted, ended = (data for _, data in told.events)
    assert {each["handoff_id"] for each in (requested, accepted, ended)} == {str(HANDOFF_ID)}
    assert requested["context"]["summary"] == list(handoff_context().summary)
    assert (accepted["agent"], accepted["accepted_at"]) == ("kim", AT.isoformat())
    assert [(each["agent"], each["outcome"]) for each in ended["attempts"]] == [
        ("lee", "declined"),
        ("kim", "accepted"),
    ]
    assert kept.writes[0] == "requested"
    assert kept.writes[-1] == "ended"
    assert kept.writes.count("progressed") >= 4


def test_call_that_nobody_took_ends_with_no_agent() -> None:
    told = Told()
    attempts = Attempts(HANDOFF_ID, ToldStore(Kept(), told), wall=lambda: AT)
    attempts.requested(handoff_context())
    attempts.rang("lee")
    attempts.concluded("nobody_took_it")
    assert [kind for kind, _ in told.events] == ["handoff.requested", "handoff.ended"]
    assert told.events[-1][1]["agent"] is None
