"""Who approved or refused what: written down before it takes effect."""

from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from server.approvals import Approvals, NothingToDecideError, Pending
from server.desk.board import BoardApproval
from server.desk.errors import RefusedError
from server.desk.protocol import PendingAction


class Audit(Protocol):
    """Writes down what somebody did in a call."""

    def __call__(
        self, kind: str, user_id: str, call_id: UUID, /, **detail: str
    ) -> Awaitable[None]: ...


class Approving:
    """The approvals, as desks and boards see them."""

    def __init__(self, approvals: Approvals, audit: Audit) -> None:
        self._approvals, self._audit = approvals, audit

    def on_board(self) -> list[BoardApproval]:
        """All that wait, in any call."""
        now_s = self._approvals.clock()
        return [
            BoardApproval(
                **_shown(each).model_dump(), call_id=each.call_id, for_s=now_s - each.since_s
            )
            for each in self._approvals.pending()
        ]

    def at_desk(self, call_id: UUID) -> list[PendingAction]:
        """All that wait in this call."""
        return [_shown(each) for each in self._approvals.of(call_id)]

    async def decide(self, call_id: UUID, user_id: str, action_id: str, approved: bool) -> None:
        """Let a pending action go on, or refuse it.

        Raises:
            RefusedError: it does not wait any more, or the audit cannot be written.
        """
        try:
            pending = self._approvals.get(call_id, action_id)
            kind = "action_approved" if approved else "action_refused"
            action = pending.action
            await self._audit(kind, user_id, call_id, action=action.name, key=action.key)
            self._approvals.decide(call_id, action_id, approved=approved)
        except NothingToDecideError as error:
            raise RefusedError("somebody else has decided this", code="gone") from error


def _shown(pending: Pending) -> PendingAction:
    return PendingAction(id=pending.id, name=pending.action.name, detail=pending.detail)


Decide = Callable[[UUID, str, str, bool], Awaitable[None]]
"""Approving.decide."""
