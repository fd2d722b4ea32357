"""Killing things in the middle of a call: what the caller hears, and what the records say."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.caller import SimulatedCaller
from loadtest.phone import Item, Press, Say
from loadtest.report import CallerSaid, CallEvent, Outcome
from loadtest.scenario import load_scenario
from tests.fakes.phones import CHANGE_ADDRESS, phone_call
from tests.fakes.postgres import PostgresForTests
from tests.fakes.system import System, system_running, wait_for

pytestmark = [pytest.mark.crash, pytest.mark.e2e, pytest.mark.timeout(180)]

YES = Say(text="yes")
NO = Say(text="no")
WHERE_IS_MY_ORDER = """
name: where_is_my_order
voice: {name: en-gb+m3, rate_wpm: 160, pitch: 50}
answers:
  - {hears: How can I help you, says: where is my order}
  - {hears: What is your order number, keys: "4815"}
  - {hears: I cannot reach our order system right now, says: "yes"}
  - {hears: anything else, says: no thank you}
goal:
  - I cannot reach our order system right now
  - A colleague will call you back
"""
CHANGES_ADDRESS = """
name: changes_address
voice: {name: en-gb+m3, rate_wpm: 160, pitch: 50}
answers:
  - {hears: How can I help you, says: i'd like to change my shipping address}
  - {hears: What is your order number, keys: "4815"}
  - {hears: postcode on the order, keys: "90210"}
  - {hears: What is the new address, says: forty two oak street springfield}
  - {hears: Is that right, says: "yes"}
  - {hears: anything else, says: no thank you}
goal:
  - Thank you for calling Oakline
"""
STATUS: tuple[Item, ...] = (
    Say(text="where is my order"),
    Press(digits="4815"),
    Press(digits="90210"),
)


@pytest.fixture
def system(tmp_path: Path, postgres: PostgresForTests) -> Iterator[System]:
    databases = postgres.fresh_database(), postgres.fresh_database()
    settings = {"FRONTDESK_RTP__MEDIA_TIMEOUT_S": "2"}
    with system_running(tmp_path, *databases, **settings) as running:
        yield running


def test_caller_killed_in_mid_call_is_noticed_and_recorded_and_the_next_call_is_served(
    system: System, tmp_path: Path
):
    caller = subprocess.Popen(
        [sys.executable, "-m", "loadtest.caller", "change_address", system.sip, "--events", "-"],
        stdout=subprocess.PIPE,
    )
    assert caller.stdout is not None
    for line in caller.stdout:
        if b'"caller_said"' in line:
            break
    caller.kill()
    caller.wait()
    caller.stdout.close()
    call = system.last_call()
    assert call["end_reason"] == "media_timeout"
    assert call["turns"][0]["heard"].startswith("Welcome to Oakline")
    heard = asyncio.run(phone_call(system.sip, STATUS, tmp_path))
    assert heard.contains("Your order is being prepared")


def test_shop_killed_after_its_commit_is_admitted_as_unsure_and_settled_as_done(
    system: System, tmp_path: Path
):
    system.shop.stop()
    system.start_shop("--fault", "die-after-commit")
    heard = asyncio.run(phone_call(system.sip, (*CHANGE_ADDRESS, YES), tmp_path))
    assert heard.contains("I could not confirm that the change went through")
    assert heard.contains("A colleague will check and call you back")
    call = system.last_call()
    assert action(call, "change_address")["status"] == "unknown"
    assert action(call, "request_callback")["status"] == "succeeded"
    system.start_shop()
    settled(system, "succeeded")
    order = system.order()
    agreed = action(system.last_call(), "change_address")["arguments"]["address"]
    assert (order["shipping_address"], order["version"]) == (agreed, 2)


def test_shop_killed_before_its_commit_is_settled_as_never_done(system: System, tmp_path: Path):
    system.shop.stop()
    system.start_shop("--fault", "die-before-commit")
    heard = asyncio.run(phone_call(system.sip, (*CHANGE_ADDRESS, YES), tmp_path))
    assert heard.contains("I could not confirm that the change went through")
    system.start_shop()
    settled(system, "unavailable")
    order = system.order()
    assert (order["shipping_address"], order["version"]) == ("7 Cedar Lane, Portland", 1)


def test_shop_that_is_down_is_said_so_and_a_callback_is_offered(system: System, tmp_path: Path):
    system.shop.kill()
    # A caller who answers what they hear: a filler may come before it, and is no question.
    (tmp_path / "down.yaml").write_text(WHERE_IS_MY_ORDER)
    caller = SimulatedCaller(load_scenario(tmp_path / "down.yaml"), system.sip)
    report = asyncio.run(caller.run())
    assert report.outcome is Outcome.COMPLETED, report.detail
    assert action(system.last_call(), "request_callback")["status"] == "succeeded"


def test_postgres_killed_in_mid_call_is_not_noticed_by_the_caller_and_no_turn_is_lost(
    system: System, postgres: PostgresForTests, tmp_path: Path
):
    # A caller who answers what they hear: a filler may come while the database starts again.
    (tmp_path / "changes.yaml").write_text(CHANGES_ADDRESS)

    def kill_at_the_order_number(event: CallEvent) -> None:
        if isinstance(event, CallerSaid) and event.keys == "4815":
            postgres.kill()

    scenario = load_scenario(tmp_path / "changes.yaml")
    caller = SimulatedCaller(scenario, system.sip, on_event=kill_at_the_order_number)
    report = asyncio.run(caller.run())
    assert report.outcome is Outcome.COMPLETED, report.detail
    call = system.last_call()
    assert [turn["index"] for turn in call["turns"]] == list(range(len(call["turns"])))
    assert len(call["turns"]) >= 7
    change = action(call, "change_address")
    assert change["status"] == "succeeded"
    assert system.order()["shipping_address"] == change["arguments"]["address"]


def test_change_is_refused_in_words_while_postgres_is_away_and_records_catch_up(
    tmp_path: Path, postgres: PostgresForTests
):
    """The server's own database is away; the shop's is another server and stays."""
    own = PostgresForTests(tmp_path / "own-postgres")
    own.start()

    def stop(item: int) -> None:
        if item == len(CHANGE_ADDRESS):
            own.pause()

    try:
        with system_running(tmp_path, own.fresh_database(), postgres.fresh_database()) as system:
            items = (*CHANGE_ADDRESS, YES, NO, NO)
            heard = asyncio.run(phone_call(system.sip, items, tmp_path, on_sent=stop))
            assert heard.contains("I cannot reach our order system right now")
            assert heard.contains("so nothing was changed")
            assert system.order()["version"] == 1
            own.resume()
            call = system.last_call()
            said = " ".join(turn["said"] for turn in call["turns"])
            assert "so nothing was changed" in said
    finally:
        own.stop()


def test_server_killed_in_mid_call_comes_back_and_says_so_in_the_records(
    system: System, tmp_path: Path
):
    def kill(item: int) -> None:
        if item == 1:
            system.server.kill()

    asyncio.run(phone_call(system.sip, STATUS, tmp_path, on_sent=kill))
    system.start_server()
    call = system.last_call()
    assert call["end_reason"] == "server_crash"
    assert call["turns"][0]["heard"].startswith("Welcome to Oakline")


def action(call: dict[str, Any], name: str) -> dict[str, Any]:
    """The one action of that name in a call's record."""
    [found] = [each for each in call["actions"] if each["name"] == name]
    return found


def settled(system: System, status: str) -> None:
    """Wait until the change of the last call has this status."""

    def look() -> bool | None:
        return action(system.last_call(), "change_address")["status"] == status or None

    wait_for(look)
