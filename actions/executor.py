"""Performs actions: look-ups at once, effects through the ledger, each key at most once.

Theory of operation of an effect: it is written into the ledger as pending, then sent, then its
outcome is written. If the first write fails nothing is sent. If the last one fails, or we die
before it, the row stays pending, and the reconciler asks the back end what became of it. The work
goes on when the one who asked for it is cancelled: a caller who hangs up leaves no half effect.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from actions.contract import Action
from actions.errors import (
    BackEndUnavailableError,
    ContractError,
    KeyReusedError,
    LedgerUnavailableError,
)
from actions.ports import BackEnd, Ledger, LocalAction, Reply
from actions.request import ActionOutcome, ActionRequest, ActionStatus

_log = logging.getLogger(__name__)

_CATALOGUE_TIMEOUT_S: Final = 2.0  # half a budget; the catalogue is fetched once
_CLOSE_TIMEOUT_S: Final = 10.0  # more than any action's budget


class ActionExecutor:
    """The way in to actions."""

    def __init__(
        self,
        *,
        back_end: BackEnd,
        ledger: Ledger,
        local: Mapping[str, LocalAction] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            back_end: performs every action that is not local.
            ledger: where effects are written down.
            local: effects in our own database, by name; they come before the back end's.
            clock: monotonic seconds.
        """
        self._back_end = back_end
        self._ledger = ledger
        self._local = dict(local or {})
        self._clock = clock
        self._running: dict[str, tuple[ActionRequest, asyncio.Task[ActionOutcome]]] = {}

    async def perform(self, request: ActionRequest) -> ActionOutcome:
        """Perform an action at most once under its key; the outcome says what is known.

        Never raises for a failure of the back end, of the ledger, or of the request itself. Asked
        again with the same key it gives the stored outcome and calls nobody.
        """
        running = self._running.get(request.key)
        if running is None:
            task = asyncio.create_task(self._perform(request), name=f"action {request.key}")
            self._running[request.key] = (request, task)
            task.add_done_callback(lambda _: self._running.pop(request.key, None))
        else:
            earlier, task = running
            if (earlier.name, earlier.arguments) != (request.name, request.arguments):
                return _refused(request, "key_reused", "one key was used for two actions")
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is out; what takes longer than its budget is left to the reconciler."""
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_TIMEOUT_S)

    async def _perform(self, request: ActionRequest) -> ActionOutcome:
        started_s = self._clock()
        try:
            outcome = await self._perform_somewhere(request, started_s)
        except LedgerUnavailableError as error:
            outcome = _unavailable(request, str(error))
        except KeyReusedError as error:
            outcome = _refused(request, "key_reused", str(error))
        _log.info(
            "action ended",
            extra={
                "action": request.name,
                "key": request.key,
                "status": outcome.status.value,
                "took_s": round(self._clock() - started_s, 3),
            },
        )
        return outcome

    async def _perform_somewhere(self, request: ActionRequest, started_s: float) -> ActionOutcome:
        local = self._local.get(request.name)
        if local is not None:
            return await self._perform_local(local, request)
        try:
            async with asyncio.timeout(_CATALOGUE_TIMEOUT_S):
                catalogue = await self._back_end.catalogue()
        except (BackEndUnavailableError, ContractError, TimeoutError) as error:
            return _unavailable(request, f"no contract with the back end: {error}")
        action = catalogue.actions.get(request.name)
        if action is None:
            _log.error("unknown action", extra={"action": request.name, "key": request.key})
            return _unavailable(request, f"the back end has no action {request.name}")
        wrong = action.violations(request.arguments)
        if wrong:
            return _refused(request, "invalid_arguments", "; ".join(wrong))
        if action.read_only:
            return (await self._call(action, request, started_s)).outcome
        return await self._perform_effect(action, request, started_s)

    async def _perform_local(self, local: LocalAction, request: ActionRequest) -> ActionOutcome:
        try:
            return await self._ledger.perform_local(request, local)
        except (LedgerUnavailableError, KeyReusedError):
            raise
        except Exception as error:
            # A defect of the action; its transaction was rolled back.
            _log.exception("local action failed", extra={"key": request.key})
            return _unavailable(request, f"{request.name} failed: {type(error).__name__}")

    async def _perform_effect(
        self, action: Action, request: ActionRequest, started_s: float
    ) -> ActionOutcome:
        standing = await self._ledger.begin(request)
        if standing is not None:
            return standing.outcome
        reply = await self._call(action, request, started_s)
        try:
            await self._ledger.finish(reply.outcome, attempts=reply.attempts)
        except LedgerUnavailableError:
            _log.warning("outcome not recorded; left to the reconciler", extra={"key": request.key})
        return reply.outcome

    async def _call(self, action: Action, request: ActionRequest, started_s: float) -> Reply:
        budget_s = action.timeout_s - (self._clock() - started_s)
        try:
            return await self._back_end.call(action, request, budget_s)
        except Exception:
            # A defect of an adapter must not take the call down, nor hide that something was sent.
            _log.exception("back end adapter failed", extra={"key": request.key})
            status = ActionStatus.UNAVAILABLE if action.read_only else ActionStatus.UNKNOWN
            outcome = _outcome(request, status, {}, "the adapter of the back end failed")
            return Reply(outcome=outcome, attempts=1)


def _unavailable(request: ActionRequest, error: str) -> ActionOutcome:
    return _outcome(request, ActionStatus.UNAVAILABLE, {}, error)


def _refused(request: ActionRequest, code: str, error: str) -> ActionOutcome:
    return _outcome(request, ActionStatus.REFUSED, {"code": code}, error)


def _outcome(
    request: ActionRequest, status: ActionStatus, result: Mapping[str, str], error: str
) -> ActionOutcome:
    return ActionOutcome(
        name=request.name, key=request.key, status=status, result=result, error=error
    )
