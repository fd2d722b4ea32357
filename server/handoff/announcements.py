"""What callers on hold are told."""

from dataclasses import dataclass
from typing import Final

_SOON_S: Final = 45.0  # "less than a minute" is what people take this for
_MINUTE_S: Final = 60.0
_LONGEST_STATED_MIN: Final = 20  # a longer wait is not worth a figure, and no figure is right


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """The texts; {position} and {wait} are filled in."""

    hold: str = "One moment please, I am looking for a colleague."
    next_in_line: str = "You are next in line."
    position: str = "You are number {position} in line."
    wait: str = "Please expect to wait {wait}."
    offer_callback: str = (
        "You do not have to wait: press 1, and we will call you back without losing your place."
    )
    offer_message: str = "To leave a message instead of waiting, press 2."
    callback_promised: str = "Thank you. We will call you back when it is your turn. Goodbye."
    calling_back: str = "Thank you. I am calling them now."
    called_back: str = "Hello. This is the call back you asked for. Here is my colleague."
    reconnecting: str = "The line to my colleague was lost. Please stay, I will reach them again."
    on_hold: str = "My colleague has put you on hold for a moment."

    def standing(self, position: int, estimated_wait_s: float | None) -> str:
        """Where the caller stands, and for how long if that can be said."""
        place = self.next_in_line if position <= 1 else self.position.format(position=position)
        if estimated_wait_s is None:
            return place
        return f"{place} {self.wait.format(wait=in_words(estimated_wait_s))}"


def in_words(seconds: float) -> str:
    """A wait as one says it, rounded up: "about three minutes" that become four are a lie."""
    if seconds <= _SOON_S:
        return "less than a minute"
    minutes = -int(-seconds // _MINUTE_S)
    if minutes > _LONGEST_STATED_MIN:
        return f"more than {_LONGEST_STATED_MIN} minutes"
    return "about one minute" if minutes == 1 else f"about {minutes} minutes"
