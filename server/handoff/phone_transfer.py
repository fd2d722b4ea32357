"""The transfer key of an agent's telephone: its REFER (RFC 3515) transfers the caller on here.

Whom the phone asked first, in a call of its own, takes the caller at once: consulted.py.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable
from urllib.parse import unquote

from server.handoff.ports import ConsultedElsewhere
from telephony.sip.errors import MalformedValueError
from telephony.sip.referral import ReferRequest
from telephony.sip.uri import parse_uri
from telephony.transfer_events import AgentTransferredOn
from voice.ports import AudioLeg


@runtime_checkable
class CanReferUs(Protocol):
    """Asks us to call somebody else; SIP."""

    on_refer: Callable[[ReferRequest], None] | None


def take_transfers(
    leg: AudioLeg,
    report: Callable[[AgentTransferredOn | ConsultedElsewhere], None],
    *,
    has_caller: Callable[[], bool],
) -> None:
    """Report whom this telephone gives its caller to.

    Args:
        has_caller: whether there is a caller to give away now; else the phone is told no.
    """

    def asked(request: ReferRequest) -> None:
        if not has_caller():
            request.decline()
            return
        if request.replaces is not None:
            report(ConsultedElsewhere(request=request))
            return
        request.accept()
        report(AgentTransferredOn(target=as_dialled(request.target)))
        request.report(200)  # the caller is in our hands: the phone may hang up

    if isinstance(leg, CanReferUs):
        leg.on_refer = asked


def as_dialled(uri: str) -> str:
    """The number that was dialled, which goes the way all our calls go; else the URI itself."""
    try:
        user = unquote(parse_uri(uri).user or "")
    except MalformedValueError:
        return uri
    return user if user.lstrip("+").isdigit() else uri
