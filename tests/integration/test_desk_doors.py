"""The desk's doors over real sockets: what a page may send, who may come in, what is looked up."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.accounts.access import FORBIDDEN, UNAUTHORISED
from server.accounts.rights import Role
from server.desk import channel
from tests.fakes.desk_world import AGENT, DeskWorld, desk_world, recent_context


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    async with desk_world() as made:
        yield made


def socket(world: DeskWorld, path: str = "/desk/ws") -> connect:
    return connect(world.url.replace("http", "ws", 1) + path)


async def told(page: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this kind."""
    while True:
        message = json.loads(await page.recv())
        if message["type"] == kind:
            return message


async def test_broken_message_is_answered_and_the_desk_goes_on(world: DeskWorld):
    async with socket(world) as page:
        await told(page, "hello")
        await page.send('{"type": "hold"}')
        refused = await told(page, "error")
        assert (refused["code"], refused["answers"]) == ("bad_message", "hold")
        await page.send('{"type": "presence", "ready": true}')
        assert (await told(page, "presence"))["agent"]["presence"] == "ready"


async def test_flood_is_refused_and_then_cut_off(world: DeskWorld):
    async with socket(world) as page:
        await told(page, "hello")
        for _ in range(400):
            await page.send('{"type": "pong"}')
        assert (await told(page, "error"))["code"] == "too_fast"
        with pytest.raises(ConnectionClosed) as closed:
            await told(page, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == channel.POLICY_VIOLATION


async def test_page_that_answers_no_ping_is_gone(world: DeskWorld, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(channel, "_GONE_S", 0.2)
    monkeypatch.setattr(channel, "_PING_S", 0.05)
    async with socket(world) as page:
        await told(page, "hello")
        await told(page, "ping")
        with pytest.raises(ConnectionClosed):
            await told(page, "never")
    assert not world.desk.directory.get(AGENT.key).desk_connected


async def test_who_is_signed_out_meanwhile_is_closed_out(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(channel, "_WELCOME_S", 0.05)
    async with socket(world) as page:
        await told(page, "hello")
        world.signed_in["user"] = None
        with pytest.raises(ConnectionClosed) as closed:
            await told(page, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == UNAUTHORISED


@pytest.mark.parametrize("path", ["/desk/ws", "/supervisor/ws"])
@pytest.mark.parametrize(("role", "code"), [(None, UNAUTHORISED), (Role.AUDITOR, FORBIDDEN)])
async def test_sockets_deny_by_default(world: DeskWorld, path: str, role: Role | None, code: int):
    world.signed_in["user"] = None if role is None else replace(AGENT, role=role)
    async with socket(world, path) as page:
        with pytest.raises(ConnectionClosed) as closed:
            await page.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/desk/rtc"),
        ("POST", "/v1/supervisor/rtc"),
        ("GET", f"/v1/desk/history/{UUID(int=9)}"),
        ("GET", "/v1/desk/targets"),
        ("GET", "/v1/desk/settings"),
        ("GET", "/v1/queues/intervals"),
    ],
)
@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.AUDITOR, 403)])
async def test_requests_deny_by_default(
    world: DeskWorld, method: str, path: str, role: Role | None, status: int
):
    world.signed_in["user"] = None if role is None else replace(AGENT, role=role)
    body = {"type": "offer", "sdp": "v=0", "offer_id": str(uuid4())}
    if "supervisor" in path:
        del body["offer_id"]
    async with httpx.AsyncClient(base_url=world.url) as client:
        answer = await client.request(method, path, json=body if method == "POST" else None)
    assert answer.status_code == status


async def test_audio_and_history_are_for_who_has_the_call(world: DeskWorld):
    async with socket(world) as page, httpx.AsyncClient(base_url=world.url) as client:
        await told(page, "hello")
        await page.send('{"type": "presence", "ready": true}')
        await told(page, "presence")
        context = recent_context()
        line = world.coordinator.offer(context)
        own = await client.get(f"/v1/desk/history/{context.call_id}")
        assert (own.status_code, own.json()) == (200, [])
        assert (await client.get(f"/v1/desk/history/{UUID(int=9)}")).status_code == 403
        stale = {"type": "offer", "sdp": "v=0", "offer_id": str(uuid4())}
        assert (await client.post("/v1/desk/rtc", json=stale)).status_code == 409
        broken = {"type": "offer", "sdp": "no sdp", "offer_id": str(line.offer.id)}
        assert (await client.post("/v1/desk/rtc", json=broken)).status_code == 422


async def test_pages_let_nothing_foreign_in(world: DeskWorld):
    async with httpx.AsyncClient(base_url=world.url) as client:
        for path in ("/desk", "/supervisor"):
            answer = await client.get(path)
            assert answer.status_code == 200
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "<style" not in answer.text
            assert "onclick" not in answer.text


async def test_only_supervisors_take_the_figures_of_the_queues(world: DeskWorld):
    async with httpx.AsyncClient(base_url=world.url) as client:
        assert (await client.get("/v1/queues/intervals")).json() == []
        world.signed_in["user"] = replace(AGENT, role=Role.AGENT)
        assert (await client.get("/v1/queues/intervals")).status_code == 403


async def test_relays_are_told_to_whoever_talks_and_kept_nowhere(world: DeskWorld):
    async with httpx.AsyncClient(base_url=world.url) as client:
        answer = await client.get("/v1/desk/settings")
        assert answer.json() == {"ice_servers": []}
        assert answer.headers["Cache-Control"] == "no-store"
