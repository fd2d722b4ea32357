"""What callers say to steer the call rather than to answer, at any time and in any state."""

import re
from enum import StrEnum
from typing import Final

from dialog.entities.words import plain


class Command(StrEnum):
    AGENT = "agent"  # a person, please
    REPEAT = "repeat"  # say that again
    HELP = "help"  # what can I say here
    START_OVER = "start_over"  # forget all this
    GOODBYE = "goodbye"  # that was all


_LEAD: Final = (
    r"(?:(?:hi|hello|hey|ok|okay|well|so|no|yes|yeah|please|sorry|thanks|thank you|just|but|and|"
    r"can you|could you|would you|can i|could i|may i|i want to|i wanna|i want|i would like to|"
    r"i'd like to|i would like|i'd like|i need to|i need|i'll|let me|let's|you|will you|to) )*"
)
_TAIL: Final = r"(?: (?:please|now|thanks|thank you|for me|instead|bye|goodbye|again))*"
_PERSON: Final = (
    r"(?:(?:a|an|the|some|any|your|real|live|actual|human|another|different) )*"
    r"(?:agent|agents|representative|representatives|rep|operator|human|human being|person|people|"
    r"colleague|adviser|advisor|attendant|receptionist|customer service|customer support|"
    r"customer care)"
)
_SOMEONE: Final = (
    rf"(?:{_PERSON}|someone|somebody|someone else|anyone|anybody|the manager|a manager)"
)
_REACH: Final = (
    r"(?:(?:speak|talk|connect|transfer|put|switch|pass|get|give|hand)"
    r"(?: (?:me|us|this call|over|through|on))* ?(?:(?:to|with|through to|hold of) )?)"
)

_PATTERNS: Final[tuple[tuple[Command, str], ...]] = (
    (Command.AGENT, _PERSON),
    (Command.AGENT, rf"{_REACH}{_SOMEONE}"),
    (Command.AGENT, r"call me back|have someone call me(?: back)?|callback"),
    (
        Command.REPEAT,
        r"repeat(?: (?:that|it|this|the question|yourself|please))*|"
        r"say (?:that|it|this)(?: one more time)?|come|pardon(?: me)?|excuse me|"
        r"what(?: was that| did you say| is that| was the question)?|one more time|again|"
        r"i (?:didn't|did not|couldn't|could not|can't|don't) (?:hear|catch|get|understand)"
        r"(?: you| that| it| what you said)*",
    ),
    (
        Command.HELP,
        r"help(?: me)?|some help|what can (?:i|you) (?:say|do)(?: here)?|(?:my )?options|"
        r"what are (?:my|the) options|what do (?:you mean|i say|i do|i need)|what does that mean|"
        r"i (?:don't|do not) (?:know|have)(?: (?:it|that|my|the|what|to|say|one|order|number|"
        r"postcode|which|handy|any|with|me))*|what is (?:that|it)|"
        r"where (?:do|can) i (?:find|get|see) (?:it|that|this|my \w+(?: \w+)?|the \w+(?: \w+)?)",
    ),
    (
        Command.START_OVER,
        r"start (?:over|again|from the (?:start|beginning))|begin again|restart|main menu|"
        r"(?:from|go back to) the (?:start|beginning|main menu)|go back|never mind|nevermind|"
        r"forget (?:it|that|about it)|cancel(?: that| this| it)?|start",
    ),
    (
        Command.GOODBYE,
        r"goodbye|good bye|bye(?: bye)?|that's all|that is all|that was all|that'll be all|"
        r"that will be all|i'm done|we're done|i am done|that's everything|hang up|end the call|"
        r"nothing else|have a (?:nice|good|great) day|see you",
    ),
)
_COMPILED: Final = tuple(
    (command, re.compile(rf"{_LEAD}(?:{pattern}){_TAIL}")) for command, pattern in _PATTERNS
)
_CLOSING: Final = re.compile(
    r"(?:(?:no|nope|nah|okay|ok|great|perfect|good|all|very much|and) )*"
    r"(?:that's it|that is it|thanks|thank you|all good|i'm good|we're good|i'm fine|all set|"
    r"i'm all set|nothing|not today|not right now)(?: (?:thanks|thank you|very much|so much|bye))*"
)


def command_in(text: str) -> Command | None:
    """The command that the whole of `text` is, politeness aside; None when it says more."""
    words = " ".join(plain(text))
    for command, pattern in _COMPILED:
        if pattern.fullmatch(words):
            return command
    return None


def is_closing(text: str) -> bool:
    """Does this answer "anything else?" with no, without the word: "thanks, that's it"?"""
    return _CLOSING.fullmatch(" ".join(plain(text))) is not None
