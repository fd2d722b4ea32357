"""`./frontdesk demo`: one whole call, with every part a real process of its own.

PostgreSQL, the shop, the server and the caller run as they would apart; this module only starts
them, prints what they report, and looks at the shop's record before and after.
"""

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from server.demo_shop import Shop, start_child, stop_child
from server.demo_view import DemoView
from server.stack import Server, fresh_folder, running_stack

_ORDER = "4815"  # the one the scenario asks about
_SCENARIO = "change_address"
_FOLDER = Path("var/demo")
_CALL_S = 180.0


async def run_demo(*, keep: bool) -> int:
    """Run the demo and print it; 0 only if the shop's record really changed.

    Raises:
        StartError, PostgresError: a part did not come up; one line.
    """
    view = DemoView()
    folder = fresh_folder(_FOLDER)
    async with running_stack(folder, on_step=view.step) as stack:
        status = await _call_and_compare(view, stack.shop, stack.server, folder)
    if not keep:
        shutil.rmtree(folder / "postgres", ignore_errors=True)
    return status


async def _call_and_compare(view: DemoView, shop: Shop, server: Server, folder: Path) -> int:
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


async def _place_call(
    view: DemoView, server: Server, folder: Path
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


async def _watch(view: DemoView, server: Server) -> str:
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


async def _recording(server: Server, call_id: str) -> str:
    """Where the server keeps the recording, from its own record of the call."""
    if not call_id:
        return "none"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}) as client:
        answer = await client.get(f"{server.http}/v1/calls/{call_id}")
        return str(answer.json().get("recording_path")) if answer.is_success else "unknown"
