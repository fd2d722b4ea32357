"""A dialog: the two ends of a call, the way between them, and the order of their requests.

RFC 3261 §12, as the side that was called. The dialog knows which request may come next and how to
make one of its own; what requests mean for the call is call.py's business.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from telephony.sip.errors import DialogError
from telephony.sip.headers import MAGIC_COOKIE, CSeq, NameAddress
from telephony.sip.message import MAX_FORWARDS, Headers, Request
from telephony.sip.outputs import Address, DialogId
from telephony.sip.uri import Uri, bracketed


@dataclass(slots=True, kw_only=True)
class Dialog:
    """One dialog.

    Attributes:
        id: Call-ID and both tags.
        local_party: our From in requests of ours, with our tag.
        remote_party: their To in the same.
        remote_target: where requests of ours are aimed at (their Contact).
        route_set: proxies that asked to stay on the way, nearest first.
        peer: where their latest request came from.
        local: our signalling address as this peer reaches it.
    """

    id: DialogId
    local_party: str
    remote_party: str
    remote_target: Uri
    route_set: tuple[NameAddress, ...]
    remote_sequence: int
    peer: Address
    local: Address
    local_sequence: int = 0

    @classmethod
    def from_invite(
        cls, invite: Request, *, local_tag: str, source: Address, local: Address
    ) -> "Dialog":
        """The dialog that an INVITE opens once it is given our tag (§12.1.1).

        RFC 2543 clients may send no Contact: then their From is the best target there is.
        """
        contact = invite.contacts[0] if invite.contacts else invite.from_
        return cls(
            id=DialogId(invite.call_id, local_tag, invite.from_tag),
            local_party=f"{invite.headers.get('To')};tag={local_tag}",
            remote_party=invite.headers.get("From") or "",
            remote_target=contact.uri,
            route_set=invite.record_routes,
            remote_sequence=invite.cseq.number,
            peer=source,
            local=local,
        )

    @property
    def contact(self) -> str:
        """Our Contact field."""
        host, port = self.local
        return f"<sip:{bracketed(host)}:{port}>"

    def receive(self, request: Request, source: Address) -> None:
        """Take note of a request that came in this dialog, other than ACK and CANCEL.

        Raises:
            DialogError: 500, it is older than one that came before (§12.2.2); nothing changed.
        """
        if request.cseq.number < self.remote_sequence:
            raise DialogError("request out of order", status=500)
        self.remote_sequence = request.cseq.number
        self.peer = source

    def refresh_target(self, request: Request) -> None:
        """Aim at the Contact of a re-INVITE or UPDATE that was accepted (§12.2.2)."""
        if request.contacts:
            self.remote_target = request.contacts[0].uri

    def make_request(
        self, method: str, *, branch: str, fields: Iterable[tuple[str, str]] = ()
    ) -> Request:
        """The next request of ours in this dialog (§12.2.1.1).

        Args:
            branch: random text, unique for this request.
            fields: more header fields.
        """
        self.local_sequence += 1
        uri, routes = self._route()
        host, port = self.local
        via = f"SIP/2.0/UDP {bracketed(host)}:{port};branch={MAGIC_COOKIE}{branch};rport"
        own = [("Via", via), *(("Route", route) for route in routes)]
        own += [("Max-Forwards", MAX_FORWARDS), ("From", self.local_party)]
        own += [("To", self.remote_party), ("Call-ID", self.id.call_id)]
        own += [("CSeq", str(CSeq(number=self.local_sequence, method=method)))]
        return Request(method=method, uri=uri, headers=Headers([*own, *fields]))

    @property
    def next_hop(self) -> Address:
        """Where requests of ours are sent: the first route, or the target.

        A host that is a name would have to be looked up; it is taken to be where the peer's own
        requests come from, which is also right behind NAT.
        """
        uri = self.route_set[0].uri if self.route_set else self.remote_target
        host, port = uri.address
        host = uri.parameters.get("maddr") or host
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return self.peer
        return host, port

    def _route(self) -> tuple[Uri, list[str]]:
        """Request-URI and Route values; a first hop without "lr" wants them swapped (§12.2.1.1)."""
        if not self.route_set or "lr" in self.route_set[0].uri.parameters:
            return self.remote_target, [str(route) for route in self.route_set]
        first, *others = self.route_set
        return first.uri, [*(str(route) for route in others), f"<{self.remote_target}>"]
