"""Dialogs of their own: where requests of ours go, and the states a call can be in."""

import pytest

from telephony.sip.call_state import TRANSITIONS, CallState
from telephony.sip.dialog import Dialog
from telephony.sip.errors import DialogError, NoCommonCodecError
from telephony.sip.outputs import CallOffered
from tests.fakes.sip_desk import CALLER, LOCAL, Desk


def dialog_of(*lines: str) -> Dialog:
    desk = Desk()
    desk.invite(*lines)
    (offered,) = desk.events(CallOffered)
    assert isinstance(offered, CallOffered)
    return Dialog.from_invite(offered.invite, local_tag="t", source=CALLER, local=LOCAL)


def test_request_of_ours_follows_loose_routes():
    dialog = dialog_of("Record-Route: <sip:192.0.2.50:5070;lr>, <sip:192.0.2.51;lr>")
    bye = dialog.make_request("BYE", branch="x")
    assert str(bye.uri) == "sip:caller@192.0.2.1:5062"
    assert [str(route.uri) for route in bye.routes] == [
        *("sip:192.0.2.50:5070;lr", "sip:192.0.2.51;lr")
    ]
    assert dialog.next_hop == ("192.0.2.50", 5070)


def test_request_of_ours_follows_a_strict_router():
    bye = dialog_of("Record-Route: <sip:192.0.2.50>, <sip:192.0.2.51;lr>").make_request(
        "BYE", branch="x"
    )
    assert str(bye.uri) == "sip:192.0.2.50"
    assert [str(route.uri) for route in bye.routes] == [
        *("sip:192.0.2.51;lr", "sip:caller@192.0.2.1:5062")
    ]


def test_next_hop_that_is_a_name_is_where_the_caller_is_heard_from():
    assert dialog_of("Record-Route: <sip:proxy.example.com;lr>").next_hop == CALLER


def test_requests_of_ours_count_up():
    dialog = dialog_of()
    numbers = [dialog.make_request("OPTIONS", branch=str(n)).cseq.number for n in range(3)]
    assert numbers == [1, 2, 3]


def test_older_request_changes_nothing():
    desk, dialog = Desk(), dialog_of()
    desk.invite()
    (offered,) = desk.events(CallOffered)
    assert isinstance(offered, CallOffered)
    dialog.remote_sequence = 9
    with pytest.raises(DialogError):
        dialog.receive(offered.invite, ("203.0.113.1", 1))
    assert (dialog.remote_sequence, dialog.peer) == (9, CALLER)


def test_every_state_of_a_call_leads_to_its_end():
    reaching = {CallState.ENDED}
    for _ in CallState:
        reaching |= {
            state for state, events in TRANSITIONS.items() if reaching & set(events.values())
        }
    assert reaching == set(CallState)


def test_errors_carry_the_status_that_answers_them():
    assert NoCommonCodecError("x").status == 488
    assert DialogError("x", status=491).retry_after_s is None
