"""The prompts of the orders flow that a caller answers, known by how they end."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Prompt(StrEnum):
    """What frontdesk wants to know."""

    OPEN = "open"  # what the call is about
    ANYTHING_ELSE = "anything else"
    ORDER_NUMBER = "order number"
    POSTCODE = "postcode"
    ADDRESS = "address"
    YES_NO = "yes or no"
    MESSAGE = "message"  # for a colleague who will call back
    GOODBYE = "goodbye"  # wants no answer


ENDINGS: Final[Mapping[str, Prompt]] = {
    "How can I help you?": Prompt.OPEN,
    "You can say, change my address, or, where is my order.": Prompt.OPEN,
    "Please say what you need, or press 0 and a colleague will call you back.": Prompt.OPEN,
    "where is my order. Or press 0 for a colleague.": Prompt.OPEN,
    "Is there anything else I can do for you?": Prompt.ANYTHING_ELSE,
    "What is your order number?": Prompt.ORDER_NUMBER,
    "Please say the four digits of your order number, one by one.": Prompt.ORDER_NUMBER,
    "Please key in the four digits of your order number.": Prompt.ORDER_NUMBER,
    "What is the postcode on the order?": Prompt.POSTCODE,
    "Please say the five digits of the postcode, one by one.": Prompt.POSTCODE,
    "Please key in the five digits of the postcode.": Prompt.POSTCODE,
    "What is the new address?": Prompt.ADDRESS,
    "Please say the house number, the street and the town.": Prompt.ADDRESS,
    "Ashford. Or press 0 for a colleague.": Prompt.ADDRESS,
    "Please say your message now.": Prompt.MESSAGE,
    "Please say your message.": Prompt.MESSAGE,
    "Please say your message again.": Prompt.MESSAGE,
    "Please say what a colleague should know when they call you back.": Prompt.MESSAGE,
    "Is that right?": Prompt.YES_NO,
    "Do you want to change the address on an order?": Prompt.YES_NO,
    "Do you want to hear where an order is?": Prompt.YES_NO,
    "Shall we call you back?": Prompt.YES_NO,
    "Thank you for calling Oakline. Goodbye.": Prompt.GOODBYE,
}
"""How a prompt ends, and what it asks: frontdesk has said all of it when it has said this."""

FILLERS: Final = frozenset(
    {
        "One moment, please.",
        "I am still on it.",
        "Thank you for waiting.",
        "This takes a little longer than usual. Please stay on the line.",
        "I am still waiting for an answer.",
    }
)
"""Said while the caller waits: no reply."""

APOLOGIES: Final = frozenset({"Sorry, I did not understand.", "Sorry, I did not hear you."})
"""A prompt with one of these in it is a new turn, not the rest of an earlier prompt."""
