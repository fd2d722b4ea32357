"""A hand-off's id as other systems carry it: opaque octets in User-to-User (RFC 7433, RFC 7434)."""

from typing import Final
from uuid import UUID

from telephony.sip.user_to_user import UserToUser

# RFC 7434 §6: in isdn-uui the first octet is Q.931's protocol discriminator; 0 is user-specific.
_USER_SPECIFIC: Final = b"\x00"
_PURPOSE: Final = "isdn-uui"


def user_to_user_of(handoff_id: UUID) -> UserToUser:
    """What travels with the call to a PBX, which can ask us about it under /v1."""
    return UserToUser(data=_USER_SPECIFIC + handoff_id.bytes, purpose=_PURPOSE, content=_PURPOSE)


def handoff_id_in(value: UserToUser) -> UUID | None:
    """The id that `user_to_user_of` put there, with a discriminator or without; None: not ours."""
    data = value.data.removeprefix(_USER_SPECIFIC) if len(value.data) == 17 else value.data
    return UUID(bytes=data) if len(data) == 16 else None
