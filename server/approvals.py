"""Actions at the back end that wait for a person's word before they run.

Which ones is the operator's to say, by name. A call's actions pass through a gate: an action that
needs a word is shown to whoever may give it, and runs, under its own key, when they approve. The
caller is kept waiting for it only for a while; after that the dialog hears that it was refused with
the code `awaits_approval`, and can put the caller through to a person. The action then still waits,
as long as the call lasts, and what comes of it is told to the call's story.

    approved    runs; the dialog, or later the story, gets the back end's outcome
    refused     never runs: refused with the code `not_approved`
    call over   never runs
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from voice.events import ActionOutcome, ActionStatus, PerformAction
from voice.ports import Actions

AWAITS_APPROVAL: Final = "awaits_approval"
NOT_APPROVED: Final = "not_approved"


class NothingToDecideError(LookupError):
    """The action does not wait any more: somebody else decided, or the call is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """One action that waits; since when by the clock of the approvals."""

    id: str
    call_id: UUID
    action: PerformAction
    detail: str  # for people: what it will do
    since_s: float
    decision: asyncio.Future[bool] = field(repr=False, compare=False)


class Approvals:
    """All that wait, in the order of asking.

    Attributes:
        on_change: told of a call in which something began or ceased to wait, or was settled late.
    """

    def __init__(
        self,
        actions: Iterable[str] = (),
        *,
        wait_s: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            actions: names of those that need a word.
            wait_s: how long a caller is kept waiting for it.
            clock: monotonic seconds.
        """
        self.on_change: Callable[[UUID], None] = lambda call_id: None
        self.clock = clock
        self._needed, self._wait_s = frozenset(actions), wait_s
        self._pending: dict[str, Pending] = {}

    def gate(
        self, call_id: UUID, actions: Actions, describe: Callable[[PerformAction], str]
    ) -> "Gate":
        """The call's way to its actions; `describe` says for people what one would do."""
        return Gate(self, call_id, actions, describe, needed=self._needed, wait_s=self._wait_s)

    def pending(self) -> Sequence[Pending]:
        return tuple(self._pending.values())

    def of(self, call_id: UUID) -> Sequence[Pending]:
        return tuple(each for each in self._pending.values() if each.call_id == call_id)

    def get(self, call_id: UUID, action_id: str) -> Pending:
        """
        Raises:
            NothingToDecideError: see there.
        """
        found = self._pending.get(action_id)
        if found is None or found.call_id != call_id:
            raise NothingToDecideError(action_id)
        return found

    def decide(self, call_id: UUID, action_id: str, *, approved: bool) -> None:
        """Let it run, or not.

        Raises:
            NothingToDecideError: see there.
        """
        found = self.get(call_id, action_id)
        del self._pending[action_id]
        found.decision.set_result(approved)
        self.on_change(call_id)

    def over(self, call_id: UUID) -> None:
        """The call is over: nothing of it waits any more."""
        gone = self.of(call_id)
        for each in gone:
            del self._pending[each.id]
            each.decision.cancel()
        if gone:
            self.on_change(call_id)

    def mirror(self, pending: Pending) -> None:
        """Show what waits in another process, which learns by `decision` what is decided here."""
        self._pending[pending.id] = pending
        self.on_change(pending.call_id)

    def withdraw(self, action_id: str) -> None:
        """It does not wait any more, wherever that was decided; idempotent."""
        gone = self._pending.pop(action_id, None)
        if gone is not None:
            gone.decision.cancel()
            self.on_change(gone.call_id)

    def ask(self, call_id: UUID, action: PerformAction, detail: str) -> Pending:
        """Show it to whoever may decide."""
        pending = Pending(
            id=uuid4().hex,
            call_id=call_id,
            action=action,
            detail=detail,
            since_s=self.clock(),
            decision=asyncio.get_running_loop().create_future(),
        )
        self._pending[pending.id] = pending
        self.on_change(call_id)
        return pending


class Gate:
    """voice.ports.Actions of one call.

    Attributes:
        on_settled: told of an action whose outcome came after the dialog had gone on.
    """

    def __init__(
        self,
        approvals: Approvals,
        call_id: UUID,
        actions: Actions,
        describe: Callable[[PerformAction], str],
        *,
        needed: frozenset[str],
        wait_s: float,
    ) -> None:
        self.on_settled: Callable[[PerformAction, ActionOutcome], None] = lambda action, outcome: (
            None
        )
        self._approvals, self._call_id = approvals, call_id
        self._actions, self._describe = actions, describe
        self._needed, self._wait_s = needed, wait_s
        self._late: set[asyncio.Task[None]] = set()

    async def perform(self, action: PerformAction) -> ActionOutcome:
        """See voice.ports.Actions."""
        if action.name not in self._needed:
            return await self._actions.perform(action)
        pending = self._approvals.ask(self._call_id, action, self._describe(action))
        decided, _ = await asyncio.wait({pending.decision}, timeout=self._wait_s)
        if decided:
            return await self._carry_out(pending)
        task = asyncio.create_task(self._settle_late(pending), name="late approval")
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return _refused(action, AWAITS_APPROVAL, "it waits for a person's approval")

    async def _carry_out(self, pending: Pending) -> ActionOutcome:
        if pending.decision.cancelled() or not pending.decision.result():
            return _refused(pending.action, NOT_APPROVED, "it was not approved")
        return await self._actions.perform(pending.action)

    async def _settle_late(self, pending: Pending) -> None:
        await asyncio.wait({pending.decision})
        outcome = await self._carry_out(pending)
        self.on_settled(pending.action, outcome)
        self._approvals.on_change(self._call_id)


def _refused(action: PerformAction, code: str, error: str) -> ActionOutcome:
    return ActionOutcome(
        name=action.name,
        key=action.key,
        status=ActionStatus.REFUSED,
        result={"code": code},
        error=error,
    )
