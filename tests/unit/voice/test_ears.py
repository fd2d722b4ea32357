"""What the ears of a call are made of: the activity gate, the utterance buffer, endpointing."""

import numpy as np

from tests.fakes.voice import LOUD, FakeActivity, FakeLeg
from voice.activity import ActivityGate
from voice.ears import Ears
from voice.endpointing import EndpointRules
from voice.events import Expectation, Expects, Readiness
from voice.frames import FRAME_SAMPLES, Pcm
from voice.turn_events import VoiceStarted, VoiceStopped
from voice.utterance import UtteranceBuffer


def changes(*probabilities: float) -> list[object]:
    gate = ActivityGate()
    return [gate.receive(probability) for probability in probabilities]


def test_voice_starts_after_forty_milliseconds_above_the_start_level():
    assert changes(0.9, 0.9) == [None, VoiceStarted()]


def test_one_loud_frame_is_not_a_voice():
    assert changes(0.9, 0.1, 0.9, 0.1, 0.9, 0.1) == [None] * 6


def test_levels_between_stop_and_start_change_nothing():
    assert changes(0.4, 0.4, 0.4, 0.4) == [None] * 4
    assert changes(0.9, 0.9, 0.4, 0.4, 0.4, 0.4, 0.4)[2:] == [None] * 5


def test_voice_stops_after_forty_milliseconds_below_the_stop_level():
    assert changes(0.9, 0.9, 0.1, 0.1)[2:] == [None, VoiceStopped()]


def frame(value: int) -> np.ndarray:
    return np.full(FRAME_SAMPLES, value, dtype=np.int16)


def test_utterance_begins_with_the_last_400_ms_before_it():
    buffer = UtteranceBuffer()
    for value in range(1, 31):
        buffer.push(frame(value))
    buffer.begin()
    buffer.push(frame(99))
    utterance = buffer.take().reshape(-1, FRAME_SAMPLES)
    assert utterance[:, 0].tolist() == [*range(11, 31), 99]


def test_second_utterance_holds_nothing_of_the_first():
    buffer = UtteranceBuffer()
    buffer.begin()
    for _ in range(40):
        buffer.push(frame(5))
    buffer.discard()
    for _ in range(20):
        buffer.push(frame(0))
    buffer.begin()
    buffer.push(frame(8))
    assert set(buffer.take().tolist()) == {0, 8}


def test_utterance_is_capped_at_thirty_seconds():
    buffer = UtteranceBuffer()
    buffer.begin()
    for _ in range(50 * 35):
        buffer.push(frame(1))
    assert len(buffer.take()) == 30 * 8000


def test_confirmation_ends_sooner_than_a_number_and_a_number_sooner_than_an_address():
    rules = EndpointRules()
    waits = [
        rules.silence_for(Expectation(kind=kind), Readiness.OPEN)
        for kind in (Expects.YES_NO, Expects.FREE, Expects.DIGITS, Expects.ADDRESS)
    ]
    assert waits == sorted(waits)
    assert len(set(waits)) == 4


def test_every_kind_of_answer_has_its_rule():
    rules = EndpointRules()
    for kind in Expects:
        expects = Expectation(kind=kind)
        complete, open_, incomplete = (rules.silence_for(expects, each) for each in Readiness)
        assert 0 < complete < open_ <= incomplete
        assert rules.silence_for(expects, None) == open_, "not known yet: neither hasty nor slow"


CLOSE, BEHIND = 10 * LOUD, LOUD
"""A caller, and somebody 20 dB below them."""


def changes_over_us(*sounds: Pcm) -> list[object]:
    """What changes when a caller of whom we know how they sound is heard like this over us."""
    leg, activity = FakeLeg(), FakeActivity()
    ears = Ears(leg, activity)
    ears.learn(np.concatenate([CLOSE] * 20))
    found: list[object] = []
    for sound in sounds:
        leg.incoming = sound
        ears.listen()
        found.append(ears.voice(over_us=True))
    return found


def test_somebody_behind_the_caller_begins_no_interruption():
    assert changes_over_us(*[BEHIND] * 20) == [None] * 20
    assert changes_over_us(CLOSE, CLOSE) == [None, VoiceStarted()]


def test_caller_who_trails_off_over_us_is_heard_to_the_end():
    assert changes_over_us(CLOSE, CLOSE, *[BEHIND] * 20)[2:] == [None] * 20


def test_turn_model_decides_where_the_words_cannot_and_nowhere_else():
    rules = EndpointRules()
    free = Expectation(kind=Expects.FREE)
    by_words = rules.silence_for(free, Readiness.OPEN)
    assert rules.silence_for(free, Readiness.OPEN, finished=0.9) < by_words
    assert rules.silence_for(free, Readiness.OPEN, finished=0.5) == by_words
    assert rules.silence_for(free, Readiness.OPEN, finished=0.1) > by_words
    for told in (Readiness.COMPLETE, Readiness.INCOMPLETE):
        assert rules.silence_for(free, told, finished=0.9) == rules.silence_for(free, told)
        assert rules.silence_for(free, told, finished=0.1) == rules.silence_for(free, told)


def test_number_of_which_nobody_knows_the_words_gets_the_time_of_half_a_number():
    rules, digits = EndpointRules(), Expectation(kind=Expects.DIGITS)
    assert rules.silence_for(digits, None, blind=True) > rules.silence_for(digits, None)
