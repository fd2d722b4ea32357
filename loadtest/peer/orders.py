"""The prompts of frontdesk's orders flow as a fixed order of questions; pure.

A bot for comparison must ask the same questions in the same words, so that callers find their way
and prompts are as long. It looks nothing up and changes nothing, which only saves it time.
"""

import re
from enum import StrEnum
from typing import Final

_ANYTHING_ELSE: Final = "Is there anything else I can do for you?"
_DIGIT: Final = re.compile(r"\d|\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b")
_STATUS: Final = re.compile(r"\b(?:where|status|track)\b")
_CHANGE: Final = re.compile(r"\b(?:change|address|another)\b")
_YES: Final = re.compile(r"\b(?:yes|yeah|right|correct|1)\b")


class Question(StrEnum):
    """What was asked last."""

    OPEN = "How can I help you?"
    ORDER_NUMBER = "What is your order number?"
    POSTCODE = "What is the postcode on the order?"
    ADDRESS = "What is the new address?"
    CONFIRM = "Is that right?"


class OrdersDialog:
    """One call: what to say to what was heard."""

    def __init__(self) -> None:
        self._asked = Question.OPEN
        self._wants_status = False
        self._verified = False
        self._address = ""
        self._said = ""

    def greeting(self) -> str:
        """The first words of the call."""
        return self._say(
            "Welcome to Oakline. You can change the address on an order, or ask where an order "
            f"is. {Question.OPEN}"
        )

    def repeat(self) -> str:
        """What was said last, again."""
        return self._said

    def silence(self) -> str:
        """What to say when the caller says nothing."""
        return f"Sorry, I did not hear you. {self._asked}"

    def reply(self, heard: str) -> str:
        """The answer to what the caller said."""
        text = heard.lower()
        match self._asked:
            case Question.OPEN:
                return self._say(self._task(text))
            case Question.ORDER_NUMBER | Question.POSTCODE:
                return self._say(self._number(text))
            case Question.ADDRESS:
                self._address = heard.strip(" .")
                return self._say(self._ask(Question.CONFIRM, f"I have {self._address}. "))
            case Question.CONFIRM:
                return self._say(self._confirmed(text))

    def _task(self, text: str) -> str:
        if not (_STATUS.search(text) or _CHANGE.search(text)):
            return f"Sorry, I did not understand. {Question.OPEN}"
        self._wants_status = _STATUS.search(text) is not None
        if self._wants_status and self._verified:
            return self._status()
        return self._ask(Question.ORDER_NUMBER)

    def _number(self, text: str) -> str:
        if not _DIGIT.search(text):
            return f"Sorry, {self._asked[0].lower()}{self._asked[1:]}"
        if self._asked is Question.ORDER_NUMBER:
            return self._ask(Question.POSTCODE)
        self._verified = True
        return self._status() if self._wants_status else self._ask(Question.ADDRESS)

    def _confirmed(self, text: str) -> str:
        if not _YES.search(text):
            return self._ask(Question.ADDRESS)
        self._asked = Question.OPEN
        return f"The address is changed to {self._address}. {_ANYTHING_ELSE}"

    def _status(self) -> str:
        self._asked = Question.OPEN
        when = "and should arrive on Friday, December 4"
        return f"Your order is being prepared, {when}. {_ANYTHING_ELSE}"

    def _ask(self, question: Question, before: str = "") -> str:
        self._asked = question
        return f"{before}{question}"

    def _say(self, text: str) -> str:
        self._said = text
        return text
