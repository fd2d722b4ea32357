"""Rules of performing actions."""

import asyncio

import pytest

from actions.errors import BackEndUnavailableError
from actions.executor import ActionExecutor
from actions.request import ActionRequest, ActionStatus
from tests.fakes.actions import MemoryLedger, ScriptedBackEnd

CHANGE = ActionRequest(name="change_address", arguments={"order_number": "4815"}, key="call-1:2:0")
LOOK_UP = ActionRequest(name="get_order", arguments={"order_number": "4815"}, key="call-1:1:0")


@pytest.fixture
def shop() -> ScriptedBackEnd:
    return ScriptedBackEnd()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def executor(shop: ScriptedBackEnd, ledger: MemoryLedger) -> ActionExecutor:
    return ActionExecutor(back_end=shop, ledger=ledger)


async def test_an_effect_is_pending_in_the_ledger_before_it_is_sent(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    seen: list[ActionStatus | None] = []
    shop.on_call = lambda: seen.append(ledger.entries[CHANGE.key].status)
    await executor.perform(CHANGE)
    assert seen == [None]
    assert ledger.entries[CHANGE.key].status is ActionStatus.SUCCEEDED
    assert ledger.entries[CHANGE.key].call_id == "call-1"


async def test_without_a_ledger_an_effect_is_not_sent(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    ledger.down = True
    assert (await executor.perform(CHANGE)).status is ActionStatus.UNAVAILABLE
    assert shop.calls == []


async def test_a_look_up_needs_no_ledger(executor: ActionExecutor, ledger: MemoryLedger) -> None:
    ledger.down = True
    assert (await executor.perform(LOOK_UP)).status is ActionStatus.SUCCEEDED
    assert ledger.entries == {}


@pytest.mark.parametrize("status", list(ActionStatus))
async def test_the_same_key_gives_the_stored_outcome(
    executor: ActionExecutor, shop: ScriptedBackEnd, status: ActionStatus
) -> None:
    shop.status = status
    first = await executor.perform(CHANGE)
    second = await executor.perform(CHANGE)
    assert second == first
    assert second.status is status
    assert len(shop.calls) == 1


async def test_an_effect_still_pending_from_another_life_is_unknown_and_not_sent_again(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    await ledger.begin(CHANGE)
    assert (await executor.perform(CHANGE)).status is ActionStatus.UNKNOWN
    assert shop.calls == []


async def test_two_at_once_under_one_key_are_one(
    executor: ActionExecutor, shop: ScriptedBackEnd
) -> None:
    first, second = await asyncio.gather(executor.perform(CHANGE), executor.perform(CHANGE))
    assert first == second
    assert len(shop.calls) == 1


async def test_one_key_for_two_effects_is_refused(
    executor: ActionExecutor, shop: ScriptedBackEnd
) -> None:
    other = ActionRequest(name=CHANGE.name, arguments={"order_number": "1659"}, key=CHANGE.key)
    shop.gate = asyncio.Event()
    first = asyncio.create_task(executor.perform(CHANGE))
    await asyncio.sleep(0)
    at_once = await executor.perform(other)
    shop.gate.set()
    await first
    afterwards = await executor.perform(other)
    for outcome in (at_once, afterwards):
        assert outcome.status is ActionStatus.REFUSED
        assert outcome.result == {"code": "key_reused"}
    assert len(shop.calls) == 1


async def test_wrong_arguments_are_refused_before_anything_is_written(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    wrong = ActionRequest(name="change_address", arguments={}, key="c:1:0")
    outcome = await executor.perform(wrong)
    assert outcome.status is ActionStatus.REFUSED
    assert outcome.result == {"code": "invalid_arguments"}
    assert (shop.calls, ledger.entries) == ([], {})


async def test_an_action_nobody_knows_is_unavailable(executor: ActionExecutor) -> None:
    outcome = await executor.perform(ActionRequest(name="fly", arguments={}, key="c:1:0"))
    assert outcome.status is ActionStatus.UNAVAILABLE


async def test_without_a_contract_nothing_is_sent(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    shop.catalogue_error = BackEndUnavailableError("down")
    assert (await executor.perform(CHANGE)).status is ActionStatus.UNAVAILABLE
    assert ledger.entries == {}


async def test_a_defect_of_the_adapter_leaves_an_effect_unknown_and_a_look_up_unavailable(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    shop.error = RuntimeError("bug")
    assert (await executor.perform(CHANGE)).status is ActionStatus.UNKNOWN
    assert ledger.entries[CHANGE.key].status is ActionStatus.UNKNOWN
    assert (await executor.perform(LOOK_UP)).status is ActionStatus.UNAVAILABLE


async def test_a_caller_who_hangs_up_leaves_no_half_effect(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    shop.gate, sent = asyncio.Event(), asyncio.Event()
    shop.on_call = sent.set
    asking = asyncio.create_task(executor.perform(CHANGE))
    await sent.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    shop.gate.set()
    await executor.close()
    assert ledger.entries[CHANGE.key].status is ActionStatus.SUCCEEDED


async def test_an_outcome_that_cannot_be_recorded_is_told_all_the_same(
    executor: ActionExecutor, shop: ScriptedBackEnd, ledger: MemoryLedger
) -> None:
    def lose_ledger() -> None:
        ledger.down = True

    shop.on_call = lose_ledger
    assert (await executor.perform(CHANGE)).status is ActionStatus.SUCCEEDED
    assert ledger.entries[CHANGE.key].status is None  # left to the reconciler


@pytest.mark.parametrize(("key", "call_id"), [("a:b:3:0", "a:b"), ("x", ""), ("", "")])
def test_the_call_is_the_key_without_turn_and_number(key: str, call_id: str) -> None:
    assert ActionRequest(name="x", arguments={}, key=key).call_id == call_id
