"""The answer to a request that could not be read."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from zlib import crc32

from telephony.sip.errors import AnswerableMessageError, MalformedValueError
from telephony.sip.headers import Headers, parse_via
from telephony.sip.message import REASONS, Response
from telephony.sip.outputs import Address

_COPIED: Final = ("From", "To", "Call-ID", "CSeq")


def refuse_malformed(
    error: AnswerableMessageError, source: Address, server_fields: Iterable[tuple[str, str]]
) -> Response:
    """A stateless refusal that copies what was readable, as it stood.

    The tag is made from the request alone, so that its repetitions get the same one (§8.2.7).
    """
    vias = [value for name, value in error.fields if name == "Via"]
    with suppress(MalformedValueError):  # then the sender gets its own text back
        vias[0] = str(parse_via(vias[0]).arrived_from(*source))
    fields = [("Via", via) for via in vias]
    for name in _COPIED:
        value = next((value for key, value in error.fields if key == name), None)
        if value is not None:
            fields.append((name, _tagged(value, error) if name == "To" else value))
    return Response(
        status=error.status,
        reason=REASONS.get(error.status, "Bad Request"),
        headers=Headers([*fields, *server_fields]),
    )


def _tagged(to: str, error: AnswerableMessageError) -> str:
    if "tag=" in to.lower().replace(" ", "").replace("\t", ""):
        return to
    tag = crc32(repr(error.fields).encode("utf-8", "surrogateescape"))
    return f"{to};tag={tag:08x}"
