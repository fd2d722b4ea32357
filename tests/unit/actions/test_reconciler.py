"""Rules of settling what is not known."""

import pytest

from actions.errors import LedgerUnavailableError
from actions.reconciler import Reconciler
from actions.request import ActionOutcome, ActionRequest, ActionStatus
from tests.fakes.actions import MemoryLedger, ScriptedBackEnd

CHANGE = ActionRequest(name="change_address", arguments={}, key="c:1:0")


@pytest.mark.parametrize("unknown", [True, False])
async def test_open_effects_take_the_outcome_that_the_back_end_knows(unknown: bool) -> None:
    shop, ledger = ScriptedBackEnd(), MemoryLedger()
    await ledger.begin(CHANGE)
    if unknown:
        await ledger.finish(_outcome(ActionStatus.UNKNOWN), attempts=1)
    shop.settlements[CHANGE.key] = ActionStatus.UNAVAILABLE
    assert await Reconciler(back_end=shop, ledger=ledger).settle_once() == 1
    assert ledger.entries[CHANGE.key].status is ActionStatus.UNAVAILABLE
    assert shop.calls == []  # asked, never sent again


async def test_what_the_back_end_cannot_tell_stays_open() -> None:
    shop, ledger = ScriptedBackEnd(), MemoryLedger()
    await ledger.begin(CHANGE)
    assert await Reconciler(back_end=shop, ledger=ledger).settle_once() == 0
    assert ledger.entries[CHANGE.key].status is None


async def test_an_unreachable_ledger_ends_the_round() -> None:
    ledger = MemoryLedger()
    ledger.down = True
    with pytest.raises(LedgerUnavailableError):
        await Reconciler(back_end=ScriptedBackEnd(), ledger=ledger).settle_once()


def _outcome(status: ActionStatus) -> ActionOutcome:
    return ActionOutcome(name=CHANGE.name, key=CHANGE.key, status=status, result={})
