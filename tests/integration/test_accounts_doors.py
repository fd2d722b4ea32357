"""Who gets through which door: every route, for every role, for programs, and for nobody."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute

from server.accounts.rights import RIGHTS, USER_ROLES, Right, Role
from server.feed import Feed
from server.records.desk_facts import Attempt, HandOffProgress, HandOffRequest
from tests.fakes.accounts import TOKEN, AccountsWorld, accounts_world
from tests.fakes.calls import AT, call_start

PUBLIC = frozenset[Right]()
SIGNED_IN = frozenset(Right)
ID = "00000000-0000-0000-0000-000000000001"
SPAN = "since=2025-03-01T00:00:00Z&until=2025-03-02T00:00:00Z"

# Any of these rights opens the door.
DOORS: Mapping[tuple[str, str], frozenset[Right]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/sign-in"): PUBLIC,
    ("GET", "/v1/session"): PUBLIC,
    ("POST", "/v1/session"): PUBLIC,
    ("DELETE", "/v1/session"): PUBLIC,
    ("GET", "/v1/me"): SIGNED_IN,
    ("POST", "/v1/me/password"): SIGNED_IN,
    ("GET", "/v1/calls"): frozenset({Right.SEE_CALLS, Right.SEE_OWN_CALLS}),
    ("GET", "/v1/calls/{call_id}"): frozenset({Right.SEE_CALLS, Right.SEE_OWN_CALLS}),
    ("GET", "/v1/calls/{call_id}/recording"): frozenset({Right.HEAR_CALLS, Right.SEE_OWN_CALLS}),
    ("GET", "/v1/calls/{call_id}/vcon"): frozenset({Right.HEAR_CALLS, Right.SEE_OWN_CALLS}),
    ("GET", "/v1/handoffs"): frozenset({Right.SEE_CALLS}),
    ("GET", f"/v1/agents/statistics?{SPAN}"): frozenset({Right.SEE_CALLS}),
    ("GET", "/v1/live"): frozenset({Right.SEE_LIVE}),
    ("GET", "/v1/users"): frozenset({Right.MANAGE_USERS}),
    ("POST", "/v1/users"): frozenset({Right.MANAGE_USERS}),
    ("PATCH", "/v1/users/{user_id}"): frozenset({Right.MANAGE_USERS}),
    ("PUT", "/v1/users/{user_id}/password"): frozenset({Right.MANAGE_USERS}),
    ("GET", "/v1/audit"): frozenset({Right.SEE_AUDIT}),
    ("GET", "/v1/audit/verdict"): frozenset({Right.SEE_AUDIT}),
}
BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "/v1/session"): {"login": "nobody", "password": "x"},
    ("POST", "/v1/me/password"): {"current": "x", "new": "y"},
    ("POST", "/v1/users"): {"login": "!", "name": "New", "role": "agent"},
    ("PATCH", "/v1/users/{user_id}"): {},
    ("PUT", "/v1/users/{user_id}/password"): {"password": "long enough it is"},
}


class EndedFeed(Feed):
    """Whoever is let in is told at once that it is over."""

    @contextmanager
    def subscribe(self) -> Generator[asyncio.Queue[dict[str, Any] | None]]:
        with super().subscribe() as queue:
            queue.put_nowait(None)
            yield queue


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncGenerator[AccountsWorld]:
    async with accounts_world(database_url, tmp_path, feed=EndedFeed()) as world:
        yield world


async def knock(browser: httpx.AsyncClient, door: tuple[str, str]) -> int:
    method, path = door
    path = path.replace("{call_id}", ID).replace("{user_id}", ID)
    return (await browser.request(method, path, json=BODIES.get(door))).status_code


def opens(rights: frozenset[Right], role: Role) -> bool:
    return not rights or not rights.isdisjoint(RIGHTS[role])


def test_every_route_stands_in_the_table(world: AccountsWorld) -> None:
    routes = {
        (method, route.path)
        for route in _api_routes(world.app.routes)
        for method in route.methods or ()
    }
    assert routes == {(method, path.partition("?")[0]) for method, path in DOORS}


def _api_routes(routes: Any) -> list[APIRoute]:
    found: list[APIRoute] = []
    for route in routes:
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "original_router"):
            found += _api_routes(route.original_router.routes)
    return found


async def test_nobody_gets_through_without_signing_in(world: AccountsWorld) -> None:
    for intruder in (
        await world.browser(),
        await world.browser(Authorization="Bearer wrong"),
        await world.browser(Authorization="Bearer "),
        await world.browser(Authorization=f"Basic {TOKEN}"),
        await world.browser(Cookie="frontdesk=guessed"),
    ):
        for door, rights in DOORS.items():
            if rights:
                assert await knock(intruder, door) == 401, door


@pytest.mark.parametrize("role", USER_ROLES)
async def test_a_role_opens_the_doors_of_its_rights_and_no_other(
    world: AccountsWorld, role: Role
) -> None:
    browser = await world.signed_in(role)
    for door, rights in DOORS.items():
        if door[1].startswith(("/v1/session", "/v1/me/password")):
            continue  # they would end the session; test_accounts_sign_in.py knows them
        refused = await knock(browser, door) == 403
        assert refused is not opens(rights, role), door


async def test_the_bearer_token_opens_what_programs_may_see(
    world: AccountsWorld,
) -> None:
    machine = await world.machine()
    for door, rights in DOORS.items():
        if "session" in door[1] or "password" in door[1]:
            continue
        assert (await knock(machine, door) == 403) is not opens(rights, Role.MACHINE), door
    assert (await machine.post("/v1/me/password", json={"current": "a", "new": "b"})).is_error


# --- agents and the calls they had ----------------------------------------------------------------


async def handed_over(world: AccountsWorld, agent: str, recording: Path | None = None) -> UUID:
    """A call that an agent took."""
    start, handoff_id = call_start(), uuid4()
    records = world.records
    records.call_started(start)
    records.call_answered(start.id, AT)
    records.desk.handoff_requested(
        HandOffRequest(
            id=handoff_id,
            call_id=start.id,
            requested_at=AT,
            reason="caller_asked",
            skill=None,
            context={},
        )
    )
    progress = HandOffProgress(
        agent=agent,
        rang_at=AT,
        accepted_at=AT + timedelta(seconds=3),
        attempts=[Attempt(agent=agent, rang_at=AT, outcome="accepted")],
    )
    records.desk.handoff_ended(
        handoff_id, progress, at=AT + timedelta(seconds=60), outcome="agent_hangup"
    )
    records.call_ended(
        start.id,
        AT + timedelta(seconds=60),
        reason="caller_hangup",
        recording_path=str(recording) if recording else None,
    )
    assert await records.drain(10)
    return start.id


async def test_an_agent_sees_the_calls_they_had_and_no_other(
    world: AccountsWorld, tmp_path: Path
) -> None:
    wav = tmp_path / "call.wav"
    wav.write_bytes(b"RIFF")
    own = await handed_over(world, world.users[Role.AGENT].key, wav)
    others = await handed_over(world, "somebody else", wav)
    agent = await world.signed_in(Role.AGENT)
    assert [call["id"] for call in (await agent.get("/v1/calls")).json()] == [str(own)]
    assert (await agent.get(f"/v1/calls/{own}")).json()["handoffs"][0]["outcome"] == "agent_hangup"
    assert (await agent.get(f"/v1/calls/{own}/recording")).content == b"RIFF"
    for path in (f"/v1/calls/{others}", f"/v1/calls/{others}/recording"):
        assert (await agent.get(path)).status_code == 404


async def test_whoever_hears_a_recording_is_in_the_audit(
    world: AccountsWorld, tmp_path: Path
) -> None:
    wav = tmp_path / "call.wav"
    wav.write_bytes(b"RIFF")
    call_id = await handed_over(world, "somebody", wav)
    supervisor = await world.signed_in(Role.SUPERVISOR)
    assert (await supervisor.get(f"/v1/calls/{call_id}/recording")).status_code == 200
    latest = (await world.accounts.audit.entries(limit=1))[0]
    assert (latest.kind, latest.subject) == ("recording_heard", str(call_id))
    assert latest.actor == world.users[Role.SUPERVISOR].key
