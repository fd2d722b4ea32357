"""Hold music: pleasant by its figures, without a seam, and any WAV file in its place."""

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

from telephony.hold_music import LEVEL_DBFS, MusicFileError, hold_music, load_music
from tests.fakes.rooms import TONES_HZ, tone, voices
from voice.frames import RATE_HZ, Pcm


def dbfs(pcm: Pcm) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(pcm.astype(float) ** 2)) / 32768))


def band_share_db(pcm: Pcm, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(pcm)) ** 2
    hertz = np.fft.rfftfreq(len(pcm), 1 / RATE_HZ)
    inside = power[(hertz >= low_hz) & (hertz < high_hz)].sum()
    return float(10 * np.log10(inside / power.sum()))


def surprise_at_the_seam(pcm: Pcm) -> float:
    """How far the first samples of the loop stray from what its end lets expect, to its RMS.

    Expected by linear prediction from the 40 samples before each, as learnt from the last 150 ms.
    """
    order, learnt, tried = 40, 1200, 4
    around = np.concatenate((pcm[-learnt:], pcm[:tried])).astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(around, order + 1)
    past, present = windows[:, :-1], windows[:, -1]
    weights = np.linalg.lstsq(past[:-tried], present[:-tried], rcond=None)[0]
    errors = present[-tried:] - past[-tried:] @ weights
    return float(np.abs(errors).max() / np.sqrt(np.mean(around**2)))


def test_the_piece_is_48_s_at_its_level_and_never_clips():
    music = hold_music()
    assert music.shape == (48 * RATE_HZ,)
    assert dbfs(music) == pytest.approx(LEVEL_DBFS, abs=0.1)
    assert np.abs(music.astype(int)).max() < 16_000


def test_the_piece_has_no_silent_and_no_loud_passage():
    levels = [dbfs(second) for second in np.split(hold_music(), 48)]
    assert min(levels) > LEVEL_DBFS - 6
    assert max(levels) < LEVEL_DBFS + 4


def test_the_piece_stays_in_the_telephone_band():
    assert band_share_db(hold_music(), 0, 290) < -50
    assert band_share_db(hold_music(), 3410, 4001) < -50


def test_the_loop_has_no_seam():
    assert surprise_at_the_seam(hold_music()) < 0.1
    assert surprise_at_the_seam(hold_music()[:-2000]) > 0.3  # so it would sound, cut anywhere


def test_the_piece_is_computed_once_and_nobody_can_spoil_it():
    assert hold_music() is hold_music()
    with pytest.raises(ValueError, match="read-only"):
        hold_music()[0] = 1


def test_the_piece_moves_every_chord_is_another():
    chords = [np.abs(np.fft.rfft(chord)) for chord in np.split(hold_music(), 12)]
    for one, other in zip(chords, chords[1:] + chords[:1], strict=True):
        likeness = np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)
        assert likeness < 0.9


# --- files ---


def sine(hertz: float, seconds: float, rate_hz: int) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)


FORMATS: dict[str, tuple[float, float, type[np.generic]]] = {  # scale, zero, type
    "8 bit": (127, 128, np.uint8),
    "16 bit": (2**15 - 1, 0, np.int16),
    "32 bit": (2**31 - 1, 0, np.int32),
    "float": (1, 0, np.float32),
    "double": (1, 0, np.float64),
}


def as_format(sound: NDArray[np.float64], name: str) -> NDArray[np.generic]:
    scale, zero, dtype = FORMATS[name]
    scaled = sound * scale + zero
    return (np.rint(scaled) if np.issubdtype(dtype, np.integer) else scaled).astype(dtype)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000])
@pytest.mark.parametrize("sample_format", list(FORMATS))
def test_a_file_of_any_rate_and_format_is_heard_as_it_is(
    tmp_path: Path, rate_hz: int, sample_format: str
):
    sound = sine(TONES_HZ["music"], 2.0, rate_hz)
    wavfile.write(tmp_path / "a.wav", rate_hz, as_format(sound, sample_format))
    music = load_music(tmp_path / "a.wav")
    assert len(music) == pytest.approx(1.95 * RATE_HZ, abs=2)
    assert dbfs(music) == pytest.approx(LEVEL_DBFS, abs=0.1)
    assert voices(music[: RATE_HZ // 10]) == {"music"}


def test_24_bits_are_read(tmp_path: Path):
    ints = np.rint(sine(TONES_HZ["music"], 1.5, RATE_HZ) * (2**23 - 1)).astype("<i4")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(RATE_HZ)
        file.writeframes(ints.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    assert voices(load_music(tmp_path / "a.wav")[:1600]) == {"music"}


def test_channels_are_mixed(tmp_path: Path):
    both = np.stack([tone(TONES_HZ[name], 100) for name in ("caller", "agent")], axis=1)
    wavfile.write(tmp_path / "a.wav", RATE_HZ, both)
    assert voices(load_music(tmp_path / "a.wav")[:1600]) == {"caller", "agent"}


def test_the_end_of_a_file_is_faded_over_its_beginning(tmp_path: Path):
    sound = sine(333.3, 1.7771, RATE_HZ)
    pcm = np.rint(sound * 32767).astype(np.int16)
    wavfile.write(tmp_path / "a.wav", RATE_HZ, pcm)
    assert surprise_at_the_seam(pcm) > 0.3
    assert surprise_at_the_seam(load_music(tmp_path / "a.wav")) < 0.01


def test_a_file_is_read_once_until_it_changes(tmp_path: Path):
    path = tmp_path / "a.wav"
    wavfile.write(path, RATE_HZ, tone(TONES_HZ["music"], 100))
    first = load_music(path)
    assert load_music(path) is first
    wavfile.write(path, RATE_HZ, tone(TONES_HZ["brief"], 120))
    assert voices(load_music(path)[:1600]) == {"brief"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(MusicFileError, match=r"none\.wav: No such file"):
        load_music(tmp_path / "none.wav")


def test_a_folder_is_no_music(tmp_path: Path):
    with pytest.raises(MusicFileError, match="directory"):
        load_music(tmp_path)


@pytest.mark.parametrize("content", [b"", b"ID3\x04 not a wave", b"RIFF\x24\0\0\0WAVEfmt "])
def test_a_file_that_is_no_wav_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "song.wav").write_bytes(content)
    with pytest.raises(MusicFileError, match=r"song\.wav: not a WAV file"):
        load_music(tmp_path / "song.wav")


def test_a_wav_of_a_compressed_format_is_refused(tmp_path: Path):
    path = tmp_path / "a.wav"
    wavfile.write(path, RATE_HZ, tone(500, 100))
    content = bytearray(path.read_bytes())
    content[20:22] = (0x55).to_bytes(2, "little")  # WAVE_FORMAT_MPEGLAYER3
    path.write_bytes(content)
    with pytest.raises(MusicFileError, match="MPEGLAYER3"):
        load_music(path)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 601.0])
def test_a_file_that_is_too_short_or_too_long_is_refused(tmp_path: Path, seconds: float):
    wavfile.write(tmp_path / "a.wav", 1000, np.ones(round(seconds * 1000), dtype=np.int16))
    with pytest.raises(MusicFileError, match="1 to 600 s"):
        load_music(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [0.0, 0.25, float("nan")])
def test_a_silent_file_is_refused(tmp_path: Path, value: float):
    wavfile.write(tmp_path / "a.wav", RATE_HZ, np.full(2 * RATE_HZ, value, dtype=np.float32))
    with pytest.raises(MusicFileError, match="silent"):
        load_music(tmp_path / "a.wav")
