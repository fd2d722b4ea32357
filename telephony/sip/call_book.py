"""The calls of an endpoint: found by what the user, the far end or an INVITE names them by."""

from collections.abc import Iterator
from dataclasses import replace

from telephony.sip.call import Call
from telephony.sip.call_state import CallState
from telephony.sip.deadlines import Deadlines
from telephony.sip.errors import DialogError
from telephony.sip.message import Request
from telephony.sip.outputs import DialogId
from telephony.sip.received_call import ReceivedCall
from telephony.sip.replaces import Replaces
from telephony.sip.transaction_layer import ServerTransaction


class CallBook:
    """All calls whose dialog lives, those on their way out included, and when they want a tick."""

    def __init__(self) -> None:
        self._calls: dict[DialogId, Call] = {}
        self._by_invite: dict[ServerTransaction, ReceivedCall] = {}
        self._deadlines: Deadlines[DialogId] = Deadlines()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        self._calls[call.id] = call
        if isinstance(call, ReceivedCall):
            self._by_invite[call.invite] = call
        self.update(call)

    def get(self, call_id: DialogId) -> Call | None:
        """By what the call goes by for its user."""
        return self._calls.get(call_id)

    def of_invite(self, invite: ServerTransaction) -> ReceivedCall | None:
        """By the transaction that opened it."""
        return self._by_invite.get(invite)

    def of_request(self, request: Request) -> Call | None:
        """By a request of the far end within it."""
        return self.of_dialog(DialogId(request.call_id, request.to_tag or "", request.from_tag))

    def of_dialog(self, dialog_id: DialogId) -> Call | None:
        """By the dialog it stands on now."""
        call = self._calls.get(dialog_id) or self._calls.get(replace(dialog_id, remote_tag=""))
        return call if call is not None and call.dialog.id == dialog_id else None

    def replaced_by(self, replaces: Replaces) -> DialogId:
        """The call that an INVITE wants to replace (RFC 3891 §3).

        Raises:
            DialogError: it must not: 481 unless it is ours and up, 603 when it is ending, 486 when
                only a call that is not up was meant.
        """
        call = self.of_dialog(replaces.dialog_id)
        if call is None or call.state in (CallState.OFFERED, CallState.CALLING):
            raise DialogError("no such call", status=481)
        if call.state not in (CallState.ACCEPTED, CallState.CONFIRMED):
            raise DialogError("the call is over", status=603)
        if replaces.early_only:
            raise DialogError("the call is answered", status=486)
        return call.id

    def update(self, call: Call) -> None:
        """Move the call's deadline, and forget the call when it is over."""
        if call.state is CallState.ENDED:
            self._calls.pop(call.id, None)
            if isinstance(call, ReceivedCall):
                self._by_invite.pop(call.invite, None)
        self._deadlines.set(call.id, call.next_deadline_s())

    def next_deadline_s(self) -> float | None:
        return self._deadlines.next_s()

    def due(self, now_s: float) -> Iterator[Call]:
        """The calls that want a tick now; `update` each afterwards."""
        for call_id in self._deadlines.due(now_s):
            yield self._calls[call_id]
