"""A call as a vCon: who gets it, when, and that a CRM is told of its end with it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from server.accounts.rights import Role
from server.handoff.context import HandOffContext
from server.handoff.vcon import validate
from server.handoff.vcon_export import EndsTold, VconExport
from server.records.desk_facts import HandOffProgress, HandOffRequest, OverheardLine
from tests.fakes.accounts import AccountsWorld, accounts_world
from tests.fakes.calls import AT, call_start, turn_record
from tests.fakes.handoff_contexts import handoff_context
from tests.fakes.sip_leg_world import until


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncGenerator[AccountsWorld]:
    async with accounts_world(database_url, tmp_path) as world:
        yield world


async def call_on_record(world: AccountsWorld, agent: str, *, over: bool = True) -> UUID:
    """A call that an agent took, with a word from each side."""
    start, records = call_start(), world.records
    context = replace(handoff_context(), call_id=start.id, handoff_id=uuid4())
    records.call_started(start)
    records.call_answered(start.id, AT)
    records.turn(start.id, turn_record(0, text="change my address"))
    records.desk.handoff_requested(
        HandOffRequest(
            id=context.handoff_id,
            call_id=start.id,
            requested_at=AT,
            reason="caller_asked",
            skill=None,
            context=context.as_json(),
        )
    )
    taken = HandOffProgress(agent=agent, rang_at=AT, accepted_at=AT + timedelta(seconds=3))
    records.desk.handoff_ended(
        context.handoff_id, taken, at=AT + timedelta(seconds=60), outcome="agent_hangup"
    )
    records.desk.overheard(start.id, OverheardLine(at_s=10.0, who="agent", text="Hello."))
    if over:
        records.call_ended(start.id, AT + timedelta(seconds=60), reason="agent_hangup")
    assert await records.drain(10)
    return start.id


async def test_vcon_of_a_call_is_valid_names_its_agent_and_is_in_the_audit(
    world: AccountsWorld,
) -> None:
    call_id = await call_on_record(world, world.users[Role.AGENT].key)
    supervisor = await world.signed_in(Role.SUPERVISOR)
    answer = await supervisor.get(f"/v1/calls/{call_id}/vcon")
    assert answer.headers["content-type"] == "application/vcon+json"
    validate(answer.json())
    assert "Agent" in [party.get("name") for party in answer.json()["parties"]]
    assert [each["body"] for each in answer.json()["dialog"] if each["type"] == "text"][-1] == (
        "Hello."
    )
    assert answer.json()["analysis"][0]["body"] == " ".join(handoff_context().summary)
    latest = (await world.accounts.audit.entries(limit=1))[0]
    assert (latest.kind, latest.subject) == ("call_exported", str(call_id))


async def test_agent_gets_the_vcon_of_their_own_call_and_of_no_other(world: AccountsWorld) -> None:
    own = await call_on_record(world, world.users[Role.AGENT].key)
    others = await call_on_record(world, "somebody else")
    agent = await world.signed_in(Role.AGENT)
    assert (await agent.get(f"/v1/calls/{own}/vcon")).status_code == 200
    assert (await agent.get(f"/v1/calls/{others}/vcon")).status_code == 404


async def test_call_that_goes_on_has_no_vcon_yet(world: AccountsWorld) -> None:
    call_id = await call_on_record(world, "ann", over=False)
    supervisor = await world.signed_in(Role.SUPERVISOR)
    assert (await supervisor.get(f"/v1/calls/{call_id}/vcon")).status_code == 409


async def test_end_of_a_call_is_told_with_its_vcon_once_it_is_on_record(
    world: AccountsWorld,
) -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []
    call_id = await call_on_record(world, "ann", over=False)
    vcons = VconExport(
        world.records, world.accounts.administration.users, host="desk.example.com", site=None
    )
    ends = EndsTold(world.feed, vcons, lambda kind, data: told.append((kind, data)), again_s=0.01)
    task = asyncio.create_task(ends.run())
    await asyncio.sleep(0)
    world.feed.publish({"event": "call_ended", "call_id": str(call_id), "reason": "x"})
    await asyncio.sleep(0.1)
    assert told == []  # the records do not say so yet
    world.records.call_ended(call_id, AT + timedelta(seconds=60), reason="agent_hangup")
    await until(lambda: told, timeout_s=10)
    world.feed.close()
    await task
    [(kind, data)] = told
    assert (kind, data["call_id"]) == ("call.ended", str(call_id))
    validate(data["vcon"])


async def test_context_on_record_is_the_context_that_was_shown(world: AccountsWorld) -> None:
    call_id = await call_on_record(world, "ann")
    [kept] = (await world.records.desk.of_call(call_id)).handoffs
    shown = replace(handoff_context(), call_id=call_id, handoff_id=kept.id)
    assert HandOffContext.from_json(kept.context) == shown
