"""What workers and a shared recogniser tell each other comes out as it went in."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import constraint
from models.errors import EngineError, SpeechOverloadedError
from models.request import Request
from models.speech import Word
from models.transcript import Hypothesis, Transcript
from server.framing import HEAD, MAX_BODY
from server.recognition.messages import (
    Asked,
    Failed,
    Heard,
    Look,
    Message,
    Shown,
    State,
    Withdrawn,
    pack,
    unpack,
)
from server.recognition.stream import read

numbers = st.integers(0, 2**64 - 1)
scores = st.floats(-20, 0)
seconds = st.floats(0, 1e9)
vocabularies = st.sampled_from(
    [
        None,
        constraint.digits(4, 4),
        constraint.characters(5, 7),
        constraint.yes_no(),
        constraint.choices(["delivery status", "my éclair order"]),
        constraint.dates(),
    ]
)
requests = st.builds(
    Request,
    pcm=st.binary(max_size=400).map(
        lambda octets: np.frombuffer(octets[: len(octets) // 2 * 2], dtype=np.int16)
    ),
    hint=st.none() | st.text(max_size=40),
    within=vocabularies,
    words=st.booleans(),
)
questions = st.builds(
    Asked, number=numbers, request=requests, deadline_s=seconds, speculative=st.booleans()
)
hypotheses = st.lists(st.builds(Hypothesis, text=st.text(), log_prob=scores), max_size=5).map(tuple)
transcripts = st.builds(
    Transcript,
    hypotheses=hypotheses,
    constrained=hypotheses,
    words=st.lists(st.builds(Word, st.text(), seconds, seconds), max_size=5).map(tuple),
    no_speech_prob=st.floats(0, 1),
    confidence=st.floats(0, 1),
    cpu_s=seconds,
)
others = st.one_of(
    st.builds(Withdrawn, numbers),
    st.builds(Heard, numbers, transcripts),
    st.builds(State, waiting=st.integers(0, 1000), wait_s=seconds),
    st.just(Look()),
    st.builds(Shown, st.text()),
)


def through(message: Message) -> Message:
    frame = pack(message)
    kind, length, number = HEAD.unpack_from(frame)
    assert length == len(frame) - HEAD.size
    return unpack(kind, number, frame[HEAD.size :])


@given(questions)
def test_questions_come_out_as_they_went_in(asked: Asked):
    found = through(asked)
    assert isinstance(found, Asked)
    assert (found.number, found.deadline_s, found.speculative) == (
        asked.number,
        asked.deadline_s,
        asked.speculative,
    )
    assert found.request.pcm.dtype == np.int16
    np.testing.assert_array_equal(found.request.pcm, asked.request.pcm)
    assert (found.request.hint, found.request.words) == (asked.request.hint, asked.request.words)
    assert found.request.within == asked.request.within


@given(others)
def test_everything_else_comes_out_as_it_went_in(message: Message):
    assert through(message) == message


@pytest.mark.parametrize(
    "error", [SpeechOverloadedError("full"), EngineError("out of memory"), ValueError("no int16")]
)
def test_failures_keep_their_class_and_their_words(error: Exception):
    found = through(Failed(7, error))
    assert isinstance(found, Failed)
    assert (found.number, type(found.error), str(found.error)) == (7, type(error), str(error))


def test_scores_may_be_numpys():
    transcript = Transcript(hypotheses=(Hypothesis(text="yes", log_prob=np.float32(-0.5)),))  # pyright: ignore[reportArgumentType]
    assert through(Heard(1, transcript)) == Heard(1, transcript)


@given(st.integers(0, 255), st.binary(max_size=60))
def test_what_is_no_message_is_a_value_error(kind: int, body: bytes):
    with suppress(ValueError):
        unpack(kind, 1, body)


async def test_message_that_claims_to_be_huge_is_not_waited_for():
    reader = asyncio.StreamReader()
    reader.feed_data(HEAD.pack(0, MAX_BODY + 1, 1))
    with pytest.raises(ValueError, match="none of ours"):
        await read(reader)
