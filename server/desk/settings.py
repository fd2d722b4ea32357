"""The `[desk]` section: what agents choose from.

    [desk]
    dispositions = ["Resolved", { code = "rma", label = "Goods come back" }]
    away_reasons = ["Lunch", "Back office"]

A text alone is a label; its code, which the records keep, is the text in small letters.
"""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from server.desk.options import DeskOptions
from server.desk.presence import NOT_READY_YET, SET_BY_SUPERVISOR, WINDOW_CLOSED
from server.desk.protocol import Choice
from telephony.queue_agents import NOT_ANSWERING

_MOST: Final = 24  # to choose from: more cannot be taken in while the next caller waits
_LABEL: Final = 40  # characters: more do not fit the buttons of the page
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
_OURS: Final = frozenset({NOT_READY_YET, WINDOW_CLOSED, SET_BY_SUPERVISOR, NOT_ANSWERING})
_USUAL: Final = DeskOptions()


def _choice(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    code = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")
    if not code:
        raise ValueError(f"{given!r} has no letters to make a code of: give code and label")
    return {"code": code[:40], "label": given}


def _usable(choice: Choice) -> Choice:
    if not _CODE.fullmatch(choice.code):
        raise ValueError("a code is made of small letters, digits and _, at most 40 of them")
    if not choice.label.strip() or len(choice.label) > _LABEL or not choice.label.isprintable():
        raise ValueError(f"a label is text in one line, of at most {_LABEL} characters")
    return choice


def _told_apart(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    for what, values in (
        ("code", [each.code for each in choices]),
        ("label", [each.label for each in choices]),
    ):
        twice = next((each for each in values if values.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f"the {what} {twice!r} is there twice: remove or rename one")
    return choices


def _chosen(reasons: tuple[Choice, ...]) -> tuple[Choice, ...]:
    taken = next((each.code for each in reasons if each.code in _OURS), None)
    if taken is not None:
        raise ValueError(f"the code {taken!r} is what frontdesk says itself: give another code")
    return reasons


_Choice = Annotated[Choice, BeforeValidator(_choice), AfterValidator(_usable)]
_Choices = Annotated[tuple[_Choice, ...], AfterValidator(_told_apart)]


class DeskConfig(BaseModel):
    """What agents choose from on their desks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Without any, no wrap-up could be finished.
    dispositions: Annotated[_Choices, Field(min_length=1, max_length=_MOST)] = _USUAL.dispositions
    away_reasons: Annotated[_Choices, Field(max_length=_MOST), AfterValidator(_chosen)] = (
        _USUAL.away_reasons
    )
