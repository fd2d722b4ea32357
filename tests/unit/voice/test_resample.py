import numpy as np
import pytest

from voice.frames import Pcm
from voice.resample import Resampler, resample

RATES = [(8000, 16000), (16000, 8000), (22050, 8000), (8000, 22050), (24000, 8000), (48000, 8000)]


def tone(rate_hz: int, hertz: float, *, seconds: float = 1.0, level: float = 8000.0) -> Pcm:
    times = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.rint(level * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def stream(resampler: Resampler, pcm: Pcm, frame: int) -> Pcm:
    frames = [resampler.process(pcm[at : at + frame]) for at in range(0, pcm.size, frame)]
    return np.concatenate([*frames, resampler.flush()])


def noise_db(pcm: Pcm, wanted: Pcm) -> float:
    """The error's level under the signal's, the edges left out, where the filter sees no signal."""
    inner = slice(300, min(pcm.size, wanted.size) - 300)
    error = pcm[inner].astype(float) - wanted[inner]
    return float(
        10 * np.log10((np.mean(error**2) + 1e-9) / np.mean(wanted[inner].astype(float) ** 2))
    )


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("hertz", [440, 3000])
def test_a_tone_in_the_telephone_band_stays_that_tone(from_hz: int, to_hz: int, hertz: int) -> None:
    output = stream(Resampler(from_hz, to_hz), tone(from_hz, hertz), from_hz // 50)
    assert noise_db(output, tone(to_hz, hertz)) < -60


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_frame_boundaries_leave_no_trace(from_hz: int, to_hz: int) -> None:
    pcm = tone(from_hz, 700)
    whole = stream(Resampler(from_hz, to_hz), pcm, pcm.size)
    for frame in (from_hz // 50, 37, 1000):
        assert np.array_equal(stream(Resampler(from_hz, to_hz), pcm, frame), whole)


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_every_frame_after_the_first_gives_a_full_frame(from_hz: int, to_hz: int) -> None:
    resampler, frame = Resampler(from_hz, to_hz), tone(from_hz, 700, seconds=0.02)
    sizes = [resampler.process(frame).size for _ in range(10)]
    assert sizes[1:] == [to_hz // 50] * 9
    assert to_hz // 50 - sizes[0] <= to_hz * 0.0031


@pytest.mark.parametrize("hertz", [4600, 6000, 7900])
def test_what_the_lower_rate_cannot_carry_is_removed(hertz: int) -> None:
    output = stream(Resampler(16000, 8000), tone(16000, hertz), 320)
    assert np.abs(output[300:-300]).max() < 8  # from 8000: 60 dB down


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_flushed_stream_has_the_length_of_its_time(from_hz: int, to_hz: int) -> None:
    pcm = tone(from_hz, 440, seconds=0.5)
    output = stream(Resampler(from_hz, to_hz), pcm, from_hz // 50)
    assert output.size == -(-pcm.size * to_hz // from_hz)


def test_a_flushed_resampler_starts_a_new_stream() -> None:
    resampler, pcm = Resampler(8000, 16000), tone(8000, 440)
    assert np.array_equal(stream(resampler, pcm, 160), stream(resampler, pcm, 160))


def test_full_scale_does_not_wrap_around() -> None:
    square = np.where(tone(8000, 500) >= 0, 32767, -32768).astype(np.int16)
    output = stream(Resampler(8000, 16000), square, 160)
    assert output.max() == 32767
    assert np.abs(np.diff(output.astype(np.int32))).max() < 50_000


def test_equal_rates_pass_through() -> None:
    resampler, pcm = Resampler(8000, 8000), tone(8000, 440)
    assert np.array_equal(stream(resampler, pcm, 160), pcm)
    assert resample(pcm, 8000, 8000) is pcm


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_recording_is_converted_at_once(from_hz: int, to_hz: int) -> None:
    output = resample(tone(from_hz, 440), from_hz, to_hz)
    assert noise_db(output, tone(to_hz, 440)) < -60
    assert np.array_equal(output, resample(tone(from_hz, 440), from_hz, to_hz))


def test_an_empty_recording_stays_empty() -> None:
    assert resample(np.zeros(0, dtype=np.int16), 8000, 16000).size == 0


@pytest.mark.parametrize(("from_hz", "to_hz"), [(0, 8000), (8000, -1)])
def test_rates_that_are_none_are_refused(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Resampler(from_hz, to_hz)
    with pytest.raises(ValueError, match="positive"):
        resample(np.zeros(1, dtype=np.int16), from_hz, to_hz)
