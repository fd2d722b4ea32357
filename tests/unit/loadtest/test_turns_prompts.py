"""The suite's callers know whatever the orders flow may say to them."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from dialog.flow import Flow
from loadtest.listening import PhraseBook
from loadtest.pcm import RATE_HZ
from loadtest.speech import VoiceSettings, render
from loadtest.turns.prompts import ENDINGS, FILLERS, Prompt
from loadtest.turns.spans import HeardSpan, learn_prompts, name_span, stretches_of
from server.flows import find_flow

FLOW = find_flow("orders")
ASKED = {
    "order_number": Prompt.ORDER_NUMBER,
    "postcode": Prompt.POSTCODE,
    "address": Prompt.ADDRESS,
    "message": Prompt.MESSAGE,
}


def questions(flow: Flow) -> Iterator[tuple[str, Prompt]]:
    """Every way in which something is asked, as far as it is the same in every call."""
    texts = [(flow.prompts.greeting, Prompt.OPEN)]
    asked = [(flow.open_reprompts, Prompt.OPEN)]
    for name, slot in flow.slots.items():
        texts.append((slot.ask, ASKED[name]))
        asked.append((slot.reprompts, ASKED[name]))
    for reprompts, prompt in asked:
        ways = (*reprompts.no_input, *reprompts.no_match, reprompts.help)
        texts += [(text, prompt) for text in ways]
    for text, prompt in texts:
        yield from ((form, prompt) for form in text.forms)


@pytest.fixture(scope="module")
def book() -> PhraseBook:
    return asyncio.run(learn_prompts(VoiceSettings()))


def heard(text: str, book: PhraseBook) -> list[HeardSpan]:
    """What a caller makes of it when frontdesk says it."""
    quiet = np.zeros(RATE_HZ, dtype=np.int16)
    speech = np.concatenate((quiet, render(text, VoiceSettings()), quiet))
    found: list[HeardSpan] = []
    for stretch in stretches_of(speech):
        start, end = stretch.window
        found.append(name_span(stretch, book.understand(speech[max(0, start) : end])))
    return found


@pytest.mark.parametrize(("text", "prompt"), dict.fromkeys(questions(FLOW)))
def test_every_question_of_the_flow_is_known_by_how_it_ends(
    text: str, prompt: Prompt, book: PhraseBook
):
    assert [span.ending for span in heard(text, book)] == [prompt]


@pytest.mark.parametrize("text", FLOW.fillers)
def test_every_filler_of_the_flow_is_known_to_be_one(text: str, book: PhraseBook):
    assert text in FILLERS
    assert [(span.ending, span.filler) for span in heard(text, book)] == [(None, True)]


def test_every_ending_is_one_of_the_flow():
    said = [form.casefold() for text in FLOW.texts for form in text.forms]
    asked = [text.casefold() for text, _ in questions(FLOW)]
    spoken = [*said, *asked]
    spoken += [f"do you want to {intent.says.casefold()}?" for intent in FLOW.intents.values()]
    for ending in ENDINGS:
        assert any(text.endswith(ending.casefold()) for text in spoken), ending
