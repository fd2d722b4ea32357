"""A dialog: the two ends of a call, the way between them, and the order of their requests.

RFC 3261 §12, for either side. The dialog knows which request may come next and how to make one of
its own; what requests mean for the call is call.py's business.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from telephony.sip.errors import DialogError
from telephony.sip.headers import MAGIC_COOKIE, CSeq, NameAddress
from telephony.sip.message import MAX_FORWARDS, Headers, Request, Response
from telephony.sip.outputs import Address, DialogId
from telephony.sip.uri import Uri, bracketed

CREDENTIAL_FIELDS: Final = ("Authorization", "Proxy-Authorization")
_UNHEARD: Final = -1  # any request of theirs may be the first


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
        local_sequence: the number of our latest request.
        through: where requests of ours go whatever the target says, as long as no proxy asked to
            stay on the way: a phone behind NAT is reached where it registered from.
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
    through: Address | None = None

    @classmethod
    def calling(
        cls,
        *,
        id: DialogId,
        local_party: str,
        target: Uri,
        routes: tuple[NameAddress, ...],
        destination: Address,
        local: Address,
    ) -> "Dialog":
        """What a call of ours stands on before anybody answers (§8.1.1).

        Args:
            id: with an empty remote tag.
            local_party: our From, with our tag.
            routes: proxies to go through.
            destination: where the INVITE is sent.
        """
        return cls(
            id=id,
            local_party=local_party,
            remote_party=f"<{target.identity}>",
            remote_target=target,
            route_set=routes,
            remote_sequence=_UNHEARD,
            peer=destination,
            local=local,
        )

    def answered_by(self, response: Response) -> "Dialog":
        """The dialog that this response to our INVITE opens (§12.1.2); self stays as it is."""
        contacts = response.contacts
        return replace(
            self,
            id=replace(self.id, remote_tag=response.to_tag or ""),
            remote_party=response.headers.get("To") or self.remote_party,
            remote_target=contacts[0].uri if contacts else self.remote_target,
            route_set=tuple(reversed(response.record_routes)),
        )

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

    def refresh_target(self, message: Request | Response) -> None:
        """Aim at the Contact of a re-INVITE or UPDATE, or of its 2xx (§12.2.1.2, §12.2.2)."""
        if message.contacts:
            self.remote_target = message.contacts[0].uri

    def make_request(
        self,
        method: str,
        *,
        branch: str,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """The next request of ours in this dialog (§12.2.1.1).

        Args:
            branch: random text, unique for this request.
            fields: more header fields.
        """
        self.local_sequence += 1
        return self._make(method, self.local_sequence, branch, fields, body)

    def make_ack(self, invite: Request, *, branch: str) -> Request:
        """The ACK for a 2xx to that INVITE, with the INVITE's credentials (§13.2.2.4)."""
        fields = [field for field in invite.headers if field[0] in CREDENTIAL_FIELDS]
        return self._make("ACK", invite.cseq.number, branch, fields, b"")

    def renew(self, request: Request, *, branch: str) -> Request:
        """The same request as a new one, without the credentials it may have had (§22.2)."""
        self.local_sequence += 1
        anew = {
            "Via": self._via(branch),
            "CSeq": str(CSeq(number=self.local_sequence, method=request.method)),
        }
        return request.with_headers(
            (name, anew.get(name, value))
            for name, value in request.headers
            if name not in CREDENTIAL_FIELDS
        )

    def _make(
        self,
        method: str,
        number: int,
        branch: str,
        fields: Iterable[tuple[str, str]],
        body: bytes,
    ) -> Request:
        uri, routes = self._route()
        own = [("Via", self._via(branch)), *(("Route", route) for route in routes)]
        own += [("Max-Forwards", MAX_FORWARDS), ("From", self.local_party)]
        own += [("To", self.remote_party), ("Call-ID", self.id.call_id)]
        own += [("CSeq", str(CSeq(number=number, method=method)))]
        return Request(method=method, uri=uri, headers=Headers([*own, *fields]), body=body)

    def _via(self, branch: str) -> str:
        host, port = self.local
        return f"SIP/2.0/UDP {bracketed(host)}:{port};branch={MAGIC_COOKIE}{branch};rport"

    @property
    def next_hop(self) -> Address:
        """Where requests of ours are sent: the first route, or the target.

        A host that is a name would have to be looked up; it is taken to be where the peer's own
        requests come from, which is also right behind NAT.
        """
        if self.through is not None and not self.route_set:
            return self.through
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
