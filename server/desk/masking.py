"""What a board on a wall may show of a caller: pure."""

import re
from typing import Final

_NUMBER: Final = re.compile(r"\+?[0-9]{5,}")
_HIDDEN: Final = "•••"


def mask_caller(caller: str) -> str:
    """A caller's address with its middle hidden: `sip:+491701234567@…` gives `+491 ••• 567`.

    Names keep their first letter; an empty or anonymous address is `withheld`.
    """
    user = re.sub(r"^(sips?|tel):", "", caller.strip(), flags=re.IGNORECASE).partition("@")[0]
    user = user.partition(";")[0]
    if not user or user.lower() in ("anonymous", "unknown", "unavailable"):
        return "withheld"
    if _NUMBER.fullmatch(user):
        head = 4 if len(user) > 9 else 2
        return f"{user[:head]} {_HIDDEN} {user[-3:] if len(user) > 7 else user[-1:]}"
    return f"{user[0]}{_HIDDEN}"
