"""`./frontdesk demo`: one whole call, with every part a real process of its own.

PostgreSQL, the shop, the server and the caller run as they would apart; this module only starts
them, prints what they report, and looks at the shop's record before and after.
"""

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from server.demo_shop import Shop, first_line, running_shop, start_child, stop_child
from server.demo_view import DemoView
from server.postgres import EmbeddedPostgres

_ORDER = "4815"  # the one the scenario asks about
_SCENARIO = "change_address"
_FOLDER = Path("var/demo")
_SERVER_START_S = 60.0
_CALL_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoServer:
    sip: str
    http: str
    token: str


async def run_demo(*, keep: bool) -> int:
    """Run the demo and print it; 0 only if the shop's record really changed.

    Raises:
        StartError, PostgresError: a part did not come up; one line.
    """
    view = DemoView()
    folder = _fresh_folder()
    async with AsyncExitStack() as parts:
        view.step("starting PostgreSQL")
        postgres = EmbeddedPostgres(folder / "postgres")
        await postgres.start()
        parts.push_async_callback(postgres.stop)
        view.step("starting the shop, a service of its own")
        shop = await parts.enter_async_context(
            running_shop(await postgres.ensure_database("shop"), log=folder / "shop.log")
        )
        view.step("starting frontdesk: speech models, dialog, SIP and HTTP")
        database = await postgres.ensure_database("frontdesk")
        server = await parts.enter_async_context(_running_server(database, shop, folder))
        status = await _call_and_compare(view, shop, server, folder)
    if not keep:
        shutil.rmtree(folder / "postgres", ignore_errors=True)
    return status


def _fresh_folder() -> Path:
    """The demo's folder, without the last demo's database: each starts from the same records."""
    folder = _FOLDER.absolute()
    shutil.rmtree(folder / "postgres", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def _call_and_compare(view: DemoView, shop: Shop, server: DemoServer, folder: Path) -> int:
    before = await _order(shop)
    view.heading(f"A caller dials {server.sip}")
    report, call_id = await _place_call(view, server, folder)
    after = await _order(shop)
    view.heading("The shop's record")
    view.row(before, after)
    changed = before["shipping_address"] != after["shipping_address"]
    recording = await _recording(server, call_id)
    view.heading("The call")
    view.note(f"outcome    {report.get('outcome', 'unknown')}: {report.get('detail', '')}")
    if gaps := report.get("gaps_ms"):
        middle = sorted(gaps)[len(gaps) // 2]
        view.note(f"gaps       {len(gaps)}, median {middle:.0f} ms, longest {max(gaps):.0f} ms")
    view.note(f"recording  {recording} (left the caller, right frontdesk)")
    view.note(f"logs       {folder}")
    view.heading("Call it yourself")
    view.note("./frontdesk serve --demo-shop        # in one terminal")
    view.note('./frontdesk call sip:frontdesk@127.0.0.1 --say "where is my order"   # in another')
    view.note("or dial sip:frontdesk@ADDRESS-OF-THIS-MACHINE from any SIP phone")
    if not changed:
        view.fault("The record did not change.")
    return 0 if changed and report.get("goal_reached") else 1


@asynccontextmanager
async def _running_server(
    database_url: str, shop: Shop, folder: Path
) -> AsyncGenerator[DemoServer, None]:
    token = secrets.token_urlsafe(24)
    log = folder / "server.log"
    process = await start_child(
        ("-m", "server.cli", "serve", "--announce", "--sip-port", "0", "--http-port", "0"),
        log=log,
        environment={
            "DATABASE_URL": database_url,
            "FRONTDESK_DATA_DIR": str(folder),
            "FRONTDESK_SIP__HOST": "127.0.0.1",
            "FRONTDESK_HTTP__TOKEN": token,
            "FRONTDESK_BACKEND__URL": shop.url,
            "FRONTDESK_BACKEND__TOKEN": shop.token,
        },
    )
    try:
        ready = await first_line(process, timeout_s=_SERVER_START_S, what="frontdesk", log=log)
        yield DemoServer(sip=str(ready["sip"]), http=str(ready["http"]), token=token)
    finally:
        await stop_child(process)


async def _place_call(
    view: DemoView, server: DemoServer, folder: Path
) -> tuple[Mapping[str, Any], str]:
    """Run the caller's process and show both sides; returns its report and the call's id."""
    watching = asyncio.create_task(_watch(view, server))
    await asyncio.sleep(0)
    process = await start_child(
        (
            *("-m", "loadtest.caller", _SCENARIO, server.sip),
            *("--record", str(folder / "caller.wav"), "--events", "-"),
        ),
        log=folder / "caller.log",
        environment={},
    )
    report: Mapping[str, Any] = {}
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_CALL_S):
            async for line in process.stdout:
                event = json.loads(line)
                view.caller_event(event)
                if event["event"] == "report":
                    report = event
    except TimeoutError:
        view.fault(f"The call was not over after {_CALL_S:.0f} s.")
    finally:
        await stop_child(process)
    try:
        async with asyncio.timeout(10):
            return report, await watching
    except TimeoutError:
        return report, ""


async def _watch(view: DemoView, server: DemoServer) -> str:
    """Show the server's side until the call is over; returns its id."""
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        httpx.AsyncClient(timeout=None) as client,  # noqa: S113  a live feed has no end
        client.stream("GET", f"{server.http}/v1/live", headers=headers) as feed,
    ):
        async for line in feed.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line.removeprefix("data: "))
            view.server_event(event)
            if event["event"] == "call_ended":
                return str(event["call_id"])
    return ""


async def _order(shop: Shop) -> dict[str, Any]:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {shop.token}"}) as client:
        answer = await client.get(f"{shop.url}/v1/orders/{_ORDER}")
        answer.raise_for_status()
        return answer.json()


async def _recording(server: DemoServer, call_id: str) -> str:
    """Where the server keeps the recording, from its own record of the call."""
    if not call_id:
        return "none"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}) as client:
        answer = await client.get(f"{server.http}/v1/calls/{call_id}")
        return str(answer.json().get("recording_path")) if answer.is_success else "unknown"
