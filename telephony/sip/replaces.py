"""Replaces: the call whose place an INVITE wants to take (RFC 3891)."""

from dataclasses import dataclass

from telephony.sip.errors import MalformedValueError
from telephony.sip.grammar import parse_parameters
from telephony.sip.message import Request
from telephony.sip.outputs import DialogId


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaces:
    """A dialog as the field names it: the tags are seen from whoever receives the INVITE."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def of(cls, dialog: DialogId) -> "Replaces":
        """What names a dialog of ours to its far end."""
        return cls(call_id=dialog.call_id, to_tag=dialog.remote_tag, from_tag=dialog.local_tag)

    @property
    def dialog_id(self) -> DialogId:
        """The dialog, when it is one of ours."""
        return DialogId(self.call_id, self.to_tag, self.from_tag)

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def parse_replaces(text: str) -> Replaces:
    """Parse the field.

    Raises:
        MalformedValueError: the Call-ID or a tag is missing.
    """
    call_id, semicolon, rest = text.partition(";")
    parameters = parse_parameters(semicolon + rest)
    to_tag, from_tag = parameters.get("to-tag"), parameters.get("from-tag")
    if not call_id.strip() or to_tag is None or from_tag is None:
        raise MalformedValueError(f"malformed Replaces: {text[:60]!r}")
    return Replaces(
        call_id=call_id.strip(),
        to_tag=to_tag,
        # §6.1: "0" stands for the tag that RFC 2543 clients do not have.
        from_tag="" if from_tag == "0" else from_tag,
        early_only="early-only" in parameters,
    )


def read_replaces(invite: Request) -> Replaces | None:
    """What the INVITE wants to replace; None when it is a call like any other.

    Raises:
        MalformedValueError: there is more than one Replaces, or a Join beside it (§3).
    """
    fields = invite.headers.get_all("Replaces")
    if not fields:
        return None
    if len(fields) != 1 or "Join" in invite.headers:
        raise MalformedValueError("an INVITE may replace one call")
    return parse_replaces(fields[0])
