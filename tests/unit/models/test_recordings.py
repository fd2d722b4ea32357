"""Finished recordings as text: who said what when, whatever the file."""

import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models import recordings
from models.espeak import EspeakVoice
from models.recordings import RecordingError
from models.speech import RATE_HZ, Pcm, resample
from models.stt import SttEngine


@cache
def engine() -> SttEngine:
    return SttEngine()


def say(text: str) -> Pcm:
    return EspeakVoice("en-us").render(text).pcm


def quiet(seconds: float) -> Pcm:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def written(path: Path, *channels: Pcm, rate_hz: int = RATE_HZ, width: int = 2) -> Path:
    longest = max(map(len, channels))
    columns = np.stack([np.pad(one, (0, longest - len(one))) for one in channels], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(columns.astype("<i2").tobytes())
    return path


def at_rate(pcm: Pcm, rate_hz: int) -> Pcm:
    wide = resample(pcm.astype(np.float32) / 32768.0, RATE_HZ, rate_hz)
    return (wide * 32767).clip(-32768, 32767).astype(np.int16)


def test_speakers_of_a_stereo_recording_are_told_apart_and_in_turn(tmp_path: Path):
    caller = np.concatenate([say("where is my order"), quiet(4), say("yes please")])
    desk = np.concatenate([quiet(3), say("what is your order number"), quiet(1)])
    path = written(tmp_path / "call.wav", caller, desk)
    told = [(line.speaker, line.text) for line in transcribed(path)]
    assert [speaker for speaker, _ in told] == [0, 1, 0]
    assert told[0][1] == "where is my order"
    assert told[2][1] == "yes please"


def transcribed(path: Path) -> list[recordings.Line]:
    return recordings.transcribe(engine(), recordings.read(path))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_any_rate_is_read(tmp_path: Path, rate_hz: int):
    path = written(
        tmp_path / "voicemail.wav", at_rate(say("where is my order"), rate_hz), rate_hz=rate_hz
    )
    assert [line.text for line in transcribed(path)] == ["where is my order"]


def test_words_lie_where_they_sound():
    pcm = np.concatenate([quiet(2.0), say("yes please"), quiet(1.0)])
    (line,) = recordings.transcribe(engine(), (pcm,))
    assert [word.text for word in line.words] == ["yes", "please"]
    assert 1.9 <= line.start_s < line.words[0].end_s <= line.words[1].end_s
    assert line.end_s <= 2.0 + len(say("yes please")) / RATE_HZ + 0.1


def test_progress_ends_at_one():
    told: list[float] = []
    pcm = np.concatenate([say("yes please"), quiet(2), say("no")])
    recordings.transcribe(engine(), (pcm,), told.append)
    assert told == [0.5, 1.0]


def test_a_silent_recording_has_no_lines(tmp_path: Path):
    assert transcribed(written(tmp_path / "silence.wav", quiet(3))) == []


def test_an_empty_recording_has_no_lines(tmp_path: Path):
    assert transcribed(written(tmp_path / "empty.wav", quiet(0), quiet(0))) == []


def test_a_recording_cut_off_in_a_sample_is_read_up_to_there(tmp_path: Path):
    path = written(tmp_path / "cut.wav", say("where is my order"))
    path.write_bytes(path.read_bytes()[:-1])
    assert [line.text for line in transcribed(path)] == ["where is my order"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read"),
        (b"ID3 no wave at all", "cannot be read"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt \x10\x00\x00\x00", "cannot be read"),
    ],
)
def test_what_is_no_wav_file_is_refused(tmp_path: Path, content: bytes, says: str):
    path = tmp_path / "noise.wav"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=says):
        recordings.read(path)


def test_other_formats_are_refused_by_name(tmp_path: Path):
    with pytest.raises(RecordingError, match="32 bits"):
        recordings.read(written(tmp_path / "wide.wav", quiet(1), width=4))
    with pytest.raises(RecordingError, match="1000 Hz"):
        recordings.read(written(tmp_path / "slow.wav", quiet(1), rate_hz=1_000))
    with pytest.raises(RecordingError, match="9 channels"):
        recordings.read(written(tmp_path / "many.wav", *[quiet(1)] * 9))
    with pytest.raises(RecordingError, match="cannot be read"):
        recordings.read(tmp_path / "missing.wav")
