"""A server without agents keeps no caller waiting for one."""

import asyncio
from pathlib import Path

import pytest

from loadtest.phone import Press, Say
from tests.fakes.phones import phone_call
from tests.fakes.postgres import PostgresForTests
from tests.fakes.system import system_running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def test_caller_who_asks_for_a_person_is_told_the_truth_and_called_back(
    tmp_path: Path, postgres: PostgresForTests
) -> None:
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(tmp_path, *databases) as system:
        items = (Say(text="where is my order"), Press(digits="4815"), Say(text="agent"))
        heard = asyncio.run(phone_call(system.sip, items, tmp_path))
        call = system.last_call()
    assert heard.contains("I'll put you through to a colleague")
    assert heard.contains("A colleague will call you back")
    (back,) = [turn for turn in call["turns"] if turn["caller_kind"] == "return"]
    assert "no colleague is free right now" in back["said"]
    (asked,) = [each for each in call["actions"] if each["name"] == "request_callback"]
    assert asked["status"] == "succeeded"
    assert asked["arguments"]["facts"] == {"order_number": "4815", "intent": "order_status"}
    assert [turn["index"] for turn in call["turns"]] == list(range(len(call["turns"])))
