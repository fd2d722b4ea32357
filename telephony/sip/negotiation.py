"""Our side of a call's offers and answers, from one edition of our description to the next."""

from dataclasses import replace

from telephony.sip.errors import MalformedSdpError
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.message import Request
from telephony.sip.offer_answer import LocalMedia, accept_answer, answer_offer, make_offer
from telephony.sip.screening import SDP_TYPE
from telephony.sip.sdp import SessionDescription, parse_sdp


class Negotiation:
    """Describes our end; the edition counts up with each change and only then (RFC 3264 §8)."""

    def __init__(self, local_host: str, local_port: int, session_id: str) -> None:
        self._local = LocalMedia(host=local_host, port=local_port, session_id=session_id)
        self._last: SessionDescription | None = None

    @property
    def direction(self) -> Direction:
        """What we want."""
        return self._local.direction

    @direction.setter
    def direction(self, wanted: Direction) -> None:
        self._local = replace(self._local, direction=wanted)

    def answer(self, offer: SessionDescription) -> tuple[MediaAgreement, SessionDescription]:
        """Agree with an offer.

        Raises:
            NoCommonCodecError: there is nothing in it for us; nothing changed.
        """
        agreement, description = answer_offer(offer, self._local)
        if self._last is not None and description != self._last:
            self._local = self._local.next_version
            agreement, description = answer_offer(offer, self._local)
        self._last = description
        return agreement, description

    def offer(self) -> SessionDescription:
        """Our own offer, with all we can do."""
        last = self._last
        description = make_offer(self._local, last)
        if last is not None and description != last:
            self._local = self._local.next_version
            description = make_offer(self._local, last)
        self._last = description
        return description

    def settle(self, offer: SessionDescription, body: bytes) -> MediaAgreement:
        """What the answer, in an ACK or a 2xx, makes of our offer.

        Raises:
            MalformedSdpError: there is no answer, or none that fits.
            NoCommonCodecError: it refuses the stream.
        """
        if not body:
            raise MalformedSdpError("there is no answer to our offer")
        return accept_answer(offer, parse_sdp(body))


def read_offer(request: Request) -> SessionDescription | None:
    """The offer in a request; None when there is none.

    Raises:
        MalformedSdpError: there is one, and it cannot be read.
    """
    if request.content_type != SDP_TYPE or not request.body:
        return None
    return parse_sdp(request.body)
