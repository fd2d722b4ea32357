"""What the executor asks of a back end and of the ledger, as small Protocols.

The shipped ones are adapters/rest.py and ledger.py; another engine for durable actions takes their
place here.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from actions.contract import Action, Catalogue
from actions.database import Connection
from actions.request import ActionOutcome, ActionRequest, ActionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a call to the back end ended, and how many requests it took."""

    outcome: ActionOutcome
    attempts: int


class BackEnd(Protocol):
    async def catalogue(self) -> Catalogue:
        """What the back end can do.

        Raises:
            BackEndUnavailableError: its document could not be fetched; try again later.
            ContractError: its document cannot be used.
        """
        ...

    async def call(self, action: Action, request: ActionRequest, budget_s: float) -> Reply:
        """Perform `action` under `request.key` within `budget_s`, retries included.

        Never raises for a failure of the back end. UNKNOWN only when a request may have been
        applied; of a read-only action never.
        """
        ...

    async def settle(self, name: str, key: str, *, age_s: float) -> ActionOutcome | None:
        """What became of `key`, sent `age_s` ago; None while that cannot be said for certain."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A row of the ledger; `status` is None while the effect is pending."""

    key: str
    call_id: str
    name: str
    arguments: Mapping[str, Any]
    status: ActionStatus | None
    result: Mapping[str, Any]
    error: str | None
    attempts: int
    created_at: datetime
    updated_at: datetime

    @property
    def outcome(self) -> ActionOutcome:
        """What is known by now; of a pending effect, nothing."""
        return ActionOutcome(
            name=self.name,
            key=self.key,
            status=self.status or ActionStatus.UNKNOWN,
            result=self.result,
            error=self.error if self.status else "no outcome has been recorded yet",
        )


LocalAction: TypeAlias = Callable[[Connection, ActionRequest], Awaitable[Mapping[str, Any]]]
"""An effect in our own database: runs in the transaction of its ledger row; returns the result.

Raises ActionRefusedError where its rules forbid it.
"""


class Ledger(Protocol):
    """Every method raises LedgerUnavailableError when the ledger does not answer in time."""

    async def begin(self, request: ActionRequest) -> LedgerEntry | None:
        """Write `request` down as pending; None when done, else the entry that has the key.

        Raises:
            KeyReusedError: the key stands for another action or other arguments.
        """
        ...

    async def finish(self, outcome: ActionOutcome, *, attempts: int) -> bool:
        """Record the outcome of a pending or unknown effect; False when it is settled already."""
        ...

    async def perform_local(self, request: ActionRequest, action: LocalAction) -> ActionOutcome:
        """Run `action` and record it, both or neither; once per key.

        UNKNOWN when the transaction was not confirmed: asked again, it is done or found done.

        Raises:
            KeyReusedError: the key stands for another action or other arguments.
        """
        ...

    async def unsettled(
        self, *, unknown_for_s: float, pending_for_s: float, limit: int
    ) -> Sequence[LedgerEntry]:
        """Effects whose outcome is not known, longest untouched first."""
        ...
