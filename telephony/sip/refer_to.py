"""Refer-To: whom to call, and what the INVITE there should carry (RFC 3515 §2.1, RFC 3891 §4).

Fields for that INVITE ride behind the "?" of the URI, where everything that has a meaning there
must be escaped: "%3B" for the semicolons of a Replaces, "%40" for the at-sign of a Call-ID.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import quote, unquote

from telephony.sip.errors import MalformedValueError
from telephony.sip.headers import NameAddress
from telephony.sip.replaces import Replaces, parse_replaces
from telephony.sip.uri import Uri
from telephony.sip.user_to_user import FIELD as USER_TO_USER
from telephony.sip.user_to_user import UserToUser

_PLAIN: Final = "-_.!~*'()[]/?:+$"  # hnv-unreserved and unreserved (RFC 3261 §25.1)


def make_refer_to(
    target: Uri, *, replaces: Replaces | None = None, user_to_user: UserToUser | None = None
) -> str:
    """The field's value. Header fields the target carries already stay."""
    fields: list[tuple[str, str]] = []
    if replaces is not None:
        fields.append(("Replaces", str(replaces)))
    if user_to_user is not None:
        fields.append((USER_TO_USER, str(user_to_user)))
    extra = "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in fields)
    headers = "&".join(part for part in (target.headers, extra) if part)
    return f"<{replace(target, headers=headers)}>"


def header_fields(refer_to: NameAddress) -> Iterable[tuple[str, str]]:
    """What the URI of a Refer-To wants in the INVITE, unescaped.

    Yields names and values; a part without "=" has an empty value.
    """
    for part in refer_to.uri.headers.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield unquote(name), unquote(value, errors="surrogateescape")


def replaces_of(refer_to: NameAddress) -> Replaces | None:
    """The call that the INVITE shall replace.

    Raises:
        MalformedValueError: it is named wrongly.
    """
    for name, value in header_fields(refer_to):
        if name.lower() == "replaces":
            return parse_replaces(value)
    return None


def target_of(refer_to: NameAddress) -> Uri:
    """Whom to call, without the header fields.

    Raises:
        MalformedValueError: it names another method than INVITE.
    """
    method = refer_to.uri.parameters.get("method")
    if method is not None and method.upper() != "INVITE":
        raise MalformedValueError(f"cannot be asked to send {method[:20]}")
    return replace(refer_to.uri, headers="")
