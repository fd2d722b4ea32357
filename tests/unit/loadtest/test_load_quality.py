"""Jitter, underruns and the E-model against the standards' own numbers."""

import numpy as np
import pytest

from loadtest.pcm import FRAME_SAMPLES, SILENCE, Pcm
from loadtest.quality import Histogram, Transit, Underruns, call_mos, mos, r_factor

LOUD: Pcm = np.full(FRAME_SAMPLES, 8_000, dtype=np.int16)


def transit(arrivals_ms: list[float]) -> Transit:
    """Packets of 20 ms that arrive at these moments."""
    found = Transit(8_000)
    for index, at_ms in enumerate(arrivals_ms):
        found.packet(at_ms / 1000, index * FRAME_SAMPLES)
    return found


def test_packets_in_step_have_no_jitter():
    assert transit([20 * k for k in range(50)]).jitter_ms == pytest.approx(0)


def test_jitter_is_smoothed_by_a_sixteenth():
    # RFC 3550 §6.4.1: J = J + (|D| - J) / 16; one packet 16 ms late, D = 16.
    assert transit([0, 36]).jitter_ms == pytest.approx(1.0)
    assert transit([0, 36, 40]).jitter_ms == pytest.approx(1.0 + (16 - 1) / 16)


def test_lateness_counts_from_the_fastest_packet():
    found = transit([10, 20, 40, 90, 80])
    assert found.lateness.percentile_ms(100) == pytest.approx(30, abs=1)


def test_sender_that_stalled_is_late_no_more_once_it_goes_on():
    found = transit([20 * k if k < 10 else 20 * k + 500 for k in range(200)])
    assert found.lateness.percentile_ms(90) < 1
    assert found.lateness.percentile_ms(100) == pytest.approx(500, abs=1)


def test_reordered_packets_do_not_shift_those_after_them():
    found = Transit(8_000)
    for at_ms, index in ((0, 0), (40, 2), (41, 1), (60, 3), (80, 4)):
        found.packet(at_ms / 1000, index * FRAME_SAMPLES)
    assert found.lateness.percentile_ms(50) <= 0.5


def test_timestamps_may_wrap():
    found = Transit(8_000)
    found.packet(0.0, 0xFFFFFFFF - 79)
    found.packet(0.02, 80)
    assert found.jitter_ms == pytest.approx(0)


def test_hole_between_sounds_is_an_underrun():
    underruns = Underruns()
    for frame in (LOUD, None, None, LOUD):
        underruns.frame(frame)
    assert underruns.count == 1


@pytest.mark.parametrize(
    "frames",
    [
        (LOUD, SILENCE, None, LOUD),  # a pause, then nothing was sent: the line is idle
        (LOUD, None, SILENCE),  # it had finished
        (LOUD, *[None] * 26, LOUD),  # another prompt
        (None, LOUD),  # the beginning
    ],
)
def test_hole_that_cuts_no_word_is_none(frames: tuple[Pcm | None, ...]):
    underruns = Underruns()
    for frame in frames:
        underruns.frame(frame)
    assert underruns.count == 0


def test_holes_that_a_buffer_would_have_hidden_are_not_heard():
    underruns = Underruns(buffered=3)
    for frame in (LOUD, None, None, LOUD, None, LOUD):
        underruns.frame(frame)
    assert underruns.count == 0
    for frame in (None, LOUD):
        underruns.frame(frame)
    assert underruns.count == 1


def test_new_stretch_of_speech_has_its_buffer_anew():
    underruns = Underruns(buffered=3)
    for frame in (LOUD, None, None, None, LOUD, *[None] * 30, LOUD, None, None, LOUD):
        underruns.frame(frame)
    assert underruns.count == 0


def test_hole_after_audio_was_taken_back_is_meant():
    underruns = Underruns()
    underruns.frame(LOUD)
    underruns.forget()
    underruns.frame(None)
    underruns.frame(LOUD)
    assert underruns.count == 0


def test_hole_while_the_listener_itself_stood_still_is_told_apart():
    stood_still = iter((True, False))
    underruns = Underruns(held_up=lambda: next(stood_still))
    for frame in (LOUD, None, LOUD, None, LOUD):
        underruns.frame(frame)
    assert (underruns.count, underruns.held_up) == (2, 1)


def test_perfect_line_has_the_default_rating():
    assert r_factor(loss=0, delay_ms=0) == pytest.approx(93.2)
    assert mos(93.2) == pytest.approx(4.41, abs=0.01)  # G.107 Annex B


def test_rating_falls_with_loss_and_faster_with_bursts():
    # Ie,eff = 95 · 5 / (5 + 25.1) = 15.8 for G.711 with concealment at 5% (G.107 §7.4).
    assert 93.2 - r_factor(loss=0.05, delay_ms=0) == pytest.approx(15.78, abs=0.01)
    assert r_factor(loss=0.05, delay_ms=0, burst_ratio=2) < r_factor(loss=0.05, delay_ms=0)


def test_delay_hurts_beyond_177_ms():
    assert 93.2 - r_factor(loss=0, delay_ms=100) == pytest.approx(2.4)
    assert 93.2 - r_factor(loss=0, delay_ms=277.3) == pytest.approx(0.024 * 277.3 + 11)


def test_score_stays_on_its_scale():
    assert mos(-5) == 1.0
    assert mos(0) == 1.0
    assert 1.0 <= mos(6.5) <= 4.5  # the cubic dips under 1 there
    assert call_mos(unusable=1.0, lateness_p99_ms=900, buffer_ms=60) == 1.0


def test_histograms_add_up_and_survive_being_written():
    one, other = Histogram(), Histogram()
    for delay_s in (0.001, 0.002, 0.050):
        one.add(delay_s)
    other.add(2.0)
    one.merge(Histogram(other.to_list()))
    assert one.count == 4
    assert one.percentile_ms(50) == pytest.approx(2.5)
    assert one.percentile_ms(100) == 1_000  # what is later than a second counts as that
    assert Histogram().percentile_ms(99) == 0
