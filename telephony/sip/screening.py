"""Whether a request is one we can serve at all (RFC 3261 §8.2), judged by itself alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from telephony.sip.info_keys import KEY_TYPES
from telephony.sip.message import KNOWN_METHODS, Request

ALLOW: Final = (
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE"),
    *("REFER", "NOTIFY"),  # within a call
)
SDP_TYPE: Final = "application/sdp"
SUPPORTED: Final = frozenset({"replaces"})  # option tags a peer may require

ALLOW_FIELD: Final = ("Allow", ", ".join(ALLOW))
SUPPORTED_FIELD: Final = ("Supported", ", ".join(SUPPORTED))
CAPABILITIES: Final = (  # what an answer to OPTIONS says (§11.2)
    ALLOW_FIELD,
    ("Accept", SDP_TYPE),
    ("Accept-Encoding", "identity"),
    ("Accept-Language", "en"),
    SUPPORTED_FIELD,
)

_SCHEMES: Final = ("sip", "sips", "tel")
_BODY_TYPES: Final = {"INVITE": (SDP_TYPE,), "UPDATE": (SDP_TYPE,), "INFO": KEY_TYPES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A final response that turns a request away."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()


def screen(request: Request, *, registers: bool = False) -> Refusal | None:
    """The refusal a request deserves whatever dialog it belongs to; None when it may pass.

    Max-Forwards is not looked at: it limits forwarding, and this is where the way ends, so that a
    request that arrives with zero is served (RFC 4475 §3.3.11).

    Args:
        registers: REGISTER is served too.
    """
    if not (registers and request.method == "REGISTER") and request.method not in ALLOW:
        status = 405 if request.method in KNOWN_METHODS else 501
        return Refusal(status=status, fields=(ALLOW_FIELD,))
    for check in (_check_scheme, _check_extensions, _check_body, _check_accept):
        refusal = check(request)
        if refusal is not None:
            return refusal
    return None


def _check_scheme(request: Request) -> Refusal | None:
    return None if request.uri.scheme in _SCHEMES else Refusal(status=416)


def _check_extensions(request: Request) -> Refusal | None:
    if request.method == "CANCEL":  # §8.2.2.3
        return None
    unknown = [tag for tag in request.headers.get_list("Require") if tag not in SUPPORTED]
    if not unknown:
        return None
    return Refusal(status=420, fields=(("Unsupported", ", ".join(unknown)),))


def _check_body(request: Request) -> Refusal | None:
    accepted = _BODY_TYPES.get(request.method)
    if accepted is None or not request.body or is_optional(request):
        return None
    encodings = [e.lower() for e in request.headers.get_list("Content-Encoding")]
    if any(encoding != "identity" for encoding in encodings):
        return Refusal(status=415, fields=(("Accept-Encoding", "identity"),))
    if request.content_type is None:
        return Refusal(status=400)  # §20.15: it must be there when there is a body
    if request.content_type not in accepted:
        return Refusal(status=415, fields=(("Accept", ", ".join(accepted)),))
    return None


def is_optional(request: Request) -> bool:
    """The sender does not mind when the body is not understood (§20.11)."""
    disposition = (request.headers.get("Content-Disposition") or "").lower()
    return "handling=optional" in disposition.replace(" ", "")


def _check_accept(request: Request) -> Refusal | None:
    """An INVITE whose answer may hold no session description cannot be answered (§3.3.16 there)."""
    if request.method not in ("INVITE", "UPDATE") or "Accept" not in request.headers:
        return None
    ranges = _media_ranges(request.headers.get_list("Accept"))
    if any(accepted in (SDP_TYPE, "application/*", "*/*") for accepted in ranges):
        return None
    return Refusal(status=406)


def _media_ranges(elements: Sequence[str]) -> list[str]:
    return [element.partition(";")[0].strip().lower() for element in elements]
