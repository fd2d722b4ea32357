"""What the ears of a call are made of: the activity gate, the utterance buffer, endpointing."""

import numpy as np
import pytest

from tests.fakes.voice import LOUD, FakeActivity, FakeLeg
from voice.activity import ActivityGate
from voice.ears import Ears
from voice.endpointing import EndpointRules
from voice.events import Expectation, Expects, Readiness
from voice.frames import FRAME_S, FRAME_SAMPLES, Pcm
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


LONG_S = 9.0  # of voice: whatever was asked, it may have been answered


def wait(
    kind: Expects,
    readiness: Readiness | None,
    *,
    voiced_s: float = LONG_S,
    patience_s: float | None = None,
    finished: float | None = None,
) -> float:
    expects = Expectation(kind=kind, patience_s=patience_s)
    return EndpointRules().silence_for(expects, readiness, voiced_s=voiced_s, finished=finished)


def test_confirmation_ends_sooner_than_a_wish_and_a_wish_sooner_than_a_number():
    waits = [wait(kind, Readiness.OPEN) for kind in (Expects.YES_NO, Expects.FREE, Expects.DIGITS)]
    assert waits == sorted(waits)
    assert len(set(waits)) == 3


def test_every_kind_of_answer_has_its_rule():
    for kind in Expects:
        complete, open_, incomplete = (wait(kind, each) for each in Readiness)
        assert 0 < complete < open_ <= incomplete
        assert open_ <= wait(kind, None) <= incomplete, "until the words are known they may go on"


def test_address_that_is_too_short_for_one_gets_the_time_for_its_rest():
    whole = wait(Expects.ADDRESS, Readiness.OPEN, voiced_s=2.0)
    begun = wait(Expects.ADDRESS, Readiness.OPEN, voiced_s=0.6)
    assert whole < begun == wait(Expects.ADDRESS, Readiness.INCOMPLETE)
    assert wait(Expects.DIGITS, Readiness.OPEN, voiced_s=0.6) == wait(
        Expects.DIGITS, Readiness.OPEN
    ), "of numbers the words tell"


def test_patience_of_a_slot_counts_for_half_answers_alone():
    assert wait(Expects.DIGITS, Readiness.INCOMPLETE, patience_s=3.0) == 3.0
    assert wait(Expects.DIGITS, None, patience_s=3.0) == 3.0, "it may be half a number"
    assert wait(Expects.DIGITS, Readiness.COMPLETE, patience_s=3.0) < 0.5


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


def test_caller_who_fell_silent_is_not_heard_on_because_the_detector_lingers():
    softly = (CLOSE // 100).astype(np.int16)
    heard = changes_over_us(CLOSE, CLOSE, CLOSE, *[softly] * 5)
    assert heard[3:] == [None, None, None, VoiceStopped(), None]


def test_quiet_is_counted_from_the_last_sound():
    leg = FakeLeg()
    ears = Ears(leg, FakeActivity())
    for share in (1.0, 1.0, *[0.01] * 5, *[0.0] * 5):
        leg.incoming = (share * CLOSE).astype(np.int16)
        ears.listen()
        ears.voice(over_us=False)
    assert ears.quiet_s == pytest.approx(10 * FRAME_S)


class RoomActivity(FakeActivity):
    """Hears a voice in what is louder than the room, and knows that the room is no silence."""

    def push(self, pcm: Pcm) -> None:
        self.probability = 1.0 if np.abs(pcm).max() > 1000 else 0.05


def test_noise_of_the_room_is_learnt_while_we_speak():
    leg, noise = FakeLeg(), np.random.default_rng(2)
    ears = Ears(leg, RoomActivity())

    def hear(level: float, ticks: int) -> None:
        for _ in range(ticks):
            leg.incoming = (noise.standard_normal(FRAME_SAMPLES) * level).astype(np.int16)
            ears.listen()
            ears.voice(over_us=True)
            ears.sent(LOUD)  # which the guard may take the room for, coming back

    hear(300, 150)
    hear(3000, 25)
    hear(300, 10)
    assert ears.quiet_s == pytest.approx(10 * FRAME_S)


def test_turn_model_decides_where_the_words_cannot_and_nowhere_else():
    by_words = wait(Expects.FREE, Readiness.OPEN)
    assert wait(Expects.FREE, Readiness.OPEN, finished=0.9) < by_words
    assert wait(Expects.FREE, Readiness.OPEN, finished=0.5) == by_words
    assert wait(Expects.FREE, Readiness.OPEN, finished=0.1) > by_words
    for told in (Readiness.COMPLETE, Readiness.INCOMPLETE):
        assert wait(Expects.FREE, told, finished=0.9) == wait(Expects.FREE, told)
        assert wait(Expects.FREE, told, finished=0.1) == wait(Expects.FREE, told)
