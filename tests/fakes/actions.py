"""A scripted back end and a ledger in memory, for tests of what stands on their ports."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from actions.contract import Action, Catalogue, read_catalogue
from actions.errors import KeyReusedError, LedgerUnavailableError
from actions.ports import LedgerEntry, LocalAction, Reply
from actions.request import ActionOutcome, ActionRequest, ActionStatus

_DOCUMENT: Mapping[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/orders/{order_number}": {
            "get": {
                "operationId": "get_order",
                "parameters": [
                    {"name": "order_number", "in": "path", "schema": {"type": "string"}}
                ],
            }
        },
        "/change_address": {
            "post": {
                "operationId": "change_address",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"type": "object", "required": ["order_number"]}
                        }
                    }
                },
            }
        },
    },
}


class ScriptedBackEnd:
    """Ends every call with `status`; `gate`, when set, holds calls until it is opened."""

    def __init__(self, status: ActionStatus = ActionStatus.SUCCEEDED) -> None:
        self.status = status
        self.calls: list[ActionRequest] = []
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None
        self.catalogue_error: Exception | None = None
        self.settlements: dict[str, ActionStatus] = {}
        self.on_call: Callable[[], None] = lambda: None

    async def catalogue(self) -> Catalogue:
        if self.catalogue_error is not None:
            raise self.catalogue_error
        return read_catalogue(_DOCUMENT)

    async def call(self, action: Action, request: ActionRequest, budget_s: float) -> Reply:
        self.calls.append(request)
        self.on_call()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        outcome = ActionOutcome(
            name=request.name, key=request.key, status=self.status, result={"n": len(self.calls)}
        )
        return Reply(outcome=outcome, attempts=1)

    async def settle(self, name: str, key: str, *, age_s: float) -> ActionOutcome | None:
        status = self.settlements.get(key)
        if status is None:
            return None
        return ActionOutcome(name=name, key=key, status=status, result={"settled": True})


class MemoryLedger:
    """The Ledger port in a dict; `down` makes every method raise."""

    def __init__(self) -> None:
        self.entries: dict[str, LedgerEntry] = {}
        self.down = False

    async def begin(self, request: ActionRequest) -> LedgerEntry | None:
        self._check()
        standing = self.entries.get(request.key)
        if standing is not None:
            if (standing.name, standing.arguments) != (request.name, request.arguments):
                raise KeyReusedError(request.key)
            return standing
        now = datetime.now(UTC)
        self.entries[request.key] = LedgerEntry(
            key=request.key, call_id=request.call_id, name=request.name,
            arguments=request.arguments, status=None, result={}, error=None, attempts=0,
            created_at=now, updated_at=now,
        )  # fmt: skip
        return None

    async def finish(self, outcome: ActionOutcome, *, attempts: int) -> bool:
        self._check()
        entry = self.entries[outcome.key]
        if entry.status not in (None, ActionStatus.UNKNOWN):
            return False
        self.entries[outcome.key] = LedgerEntry(
            key=entry.key, call_id=entry.call_id, name=entry.name, arguments=entry.arguments,
            status=outcome.status, result=outcome.result, error=outcome.error,
            attempts=entry.attempts + attempts,
            created_at=entry.created_at, updated_at=entry.updated_at,
        )  # fmt: skip
        return True

    async def perform_local(self, request: ActionRequest, action: LocalAction) -> ActionOutcome:
        raise LedgerUnavailableError("a ledger in memory has no transactions to run it in")

    async def unsettled(
        self, *, unknown_for_s: float, pending_for_s: float, limit: int
    ) -> Sequence[LedgerEntry]:
        self._check()
        open_statuses = (None, ActionStatus.UNKNOWN)
        return [entry for entry in self.entries.values() if entry.status in open_statuses][:limit]

    def _check(self) -> None:
        if self.down:
            raise LedgerUnavailableError("down")
