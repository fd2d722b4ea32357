"""Commands that a caller may give at any time."""

import pytest

from dialog.repair import Command, command_in, is_closing


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("agent", Command.AGENT),
        ("Representative!", Command.AGENT),
        ("can i speak to a real person please", Command.AGENT),
        ("i want to talk to someone", Command.AGENT),
        ("get me a human", Command.AGENT),
        ("could you put me through to an operator", Command.AGENT),
        ("customer service", Command.AGENT),
        ("say that again", Command.REPEAT),
        ("can you repeat that please", Command.REPEAT),
        ("sorry what was that", Command.REPEAT),
        ("pardon", Command.REPEAT),
        ("i didn't catch that", Command.REPEAT),
        ("help", Command.HELP),
        ("what can i say", Command.HELP),
        ("where do i find my order number", Command.HELP),
        ("i don't know", Command.HELP),
        ("start over", Command.START_OVER),
        ("main menu please", Command.START_OVER),
        ("never mind", Command.START_OVER),
        ("goodbye", Command.GOODBYE),
        ("no that's all thank you", Command.GOODBYE),
        ("okay bye bye", Command.GOODBYE),
    ],
)
def test_command_is_recognised_in_plain_speech(said: str, command: Command) -> None:
    assert command_in(said) is command


@pytest.mark.parametrize(
    "said",
    [
        *("", "where is my order", "change my address", "forty two operator street"),
        *("help me change my address", "no", "four eight one five", "cancel my order"),
        *("the agent said it was shipped", "start street ten"),
    ],
)
def test_what_says_more_than_a_command_is_none(said: str) -> None:
    assert command_in(said) is None


@pytest.mark.parametrize("said", ["thanks", "no that's it", "i'm good thank you", "nothing"])
def test_closing_words_decline_anything_else(said: str) -> None:
    assert is_closing(said)


@pytest.mark.parametrize("said", ["where is it", "thanks where is my order", ""])
def test_other_words_do_not_close(said: str) -> None:
    assert not is_closing(said)
