"""Tracks, WAV files, and what the ledger reads off the recording."""

import wave
from pathlib import Path

import numpy as np
import pytest

from loadtest.conversation import Heard, Speak
from loadtest.errors import AudioFileError
from loadtest.ledger import Ledger
from loadtest.media import Sent
from loadtest.pcm import Pcm
from loadtest.recorder import Recorder, Track
from loadtest.wav import read_wav, write_wav

PROMPT = Heard(matched=("Your name",), score=0.8, start_s=0.0, end_s=1.0)


def tone(duration_s: float) -> Pcm:
    return (6_000 * np.sin(np.arange(round(duration_s * 8_000)) * 0.5)).astype(np.int16)


def test_track_is_written_out_of_order_and_silent_between() -> None:
    track = Track()
    track.write(6, np.array([4, 5], np.int16))
    track.write(1, np.array([1, 2], np.int16))
    assert track.read(-2, 10).tolist() == [0, 0, 0, 1, 2, 0, 0, 0, 4, 5, 0, 0]
    assert track.read(-5, -2).tolist() == [0, 0, 0]
    assert len(track) == 8


def test_track_grows_and_drops_what_lies_before_its_start() -> None:
    track = Track()
    track.write(-1, np.array([7, 8], np.int16))
    track.write(1_000_000, np.array([9], np.int16))
    assert track.read(0, 1).tolist() == [8]
    assert track.read(1_000_000, 1_000_001).tolist() == [9]


def numbered(start: int, count: int) -> Pcm:
    return (np.arange(start, start + count) % 30_000 + 1).astype(np.int16)


def test_track_that_keeps_its_end_has_it_whole_and_has_forgotten_the_beginning() -> None:
    track = Track(keep=16_000)
    for position in range(0, 1_600_000, 160):
        track.write(position, numbered(position, 160))
    assert track.read(1_584_000, 1_600_000).tolist() == numbered(1_584_000, 16_000).tolist()
    assert not track.read(0, 8_000).any()
    assert len(track) == 1_600_000


def test_what_comes_too_late_for_a_track_that_keeps_its_end_is_dropped() -> None:
    track = Track(keep=16_000)
    track.write(1_000_000, numbered(1_000_000, 160))
    track.write(100, numbered(100, 160))
    assert not track.read(0, 8_000).any()
    assert track.read(1_000_000, 1_000_160).tolist() == numbered(1_000_000, 160).tolist()


def test_track_that_went_on_in_silence_can_be_read_and_written_there() -> None:
    track = Track()
    track.reach(2_000_000)
    assert len(track) == 2_000_000
    assert not track.read(1_999_000, 2_000_100).any()
    track.write(2_000_000, np.array([7], np.int16))
    assert track.read(1_999_999, 2_000_002).tolist() == [0, 7, 0]


def test_recording_has_the_caller_left_and_the_frontdesk_right(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.sent.write(0, np.array([1, 2], np.int16))
    recorder.heard.write(1, np.array([3, 4, 5], np.int16))
    recorder.save_stereo(tmp_path / "deep" / "call.wav")
    with wave.open(str(tmp_path / "deep" / "call.wav"), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8_000, 2, 2)
        samples = np.frombuffer(file.readframes(9), "<i2").reshape(-1, 2)
    assert samples.tolist() == [[1, 0], [2, 3], [0, 4], [0, 5]]


def write_raw(path: Path, data: bytes, *, rate: int, width: int, channels: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def test_call_that_goes_on_while_its_recording_is_saved_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    recorder.sent.write(0, np.full(160, 1, np.int16))
    read = recorder.sent.read

    def hear_meanwhile(start: int, end: int) -> Pcm:
        recorder.heard.write(0, np.full(480, 2, np.int16))
        return read(start, end)

    monkeypatch.setattr(recorder.sent, "read", hear_meanwhile)
    recorder.save_stereo(tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav")) as saved:
        assert saved.getnframes() == 160


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_of_any_width_rate_and_channel_count_becomes_8_khz_mono(
    tmp_path: Path, width: int
) -> None:
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    if width == 1:
        mono = (wanted * 127 + 128).astype(np.uint8).reshape(-1, 1)
    else:
        full = (wanted * (2**31 - 1)).astype("<i4")
        mono = full.view(np.uint8).reshape(-1, 4)[:, 4 - width :]
    stereo = np.repeat(mono[:, None, :], 2, axis=1).tobytes()
    path = write_raw(tmp_path / "in.wav", stereo, rate=48_000, width=width, channels=2)
    pcm = read_wav(path)
    expected = 0.5 * 32_767 * np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)
    assert pcm.size == pytest.approx(8_000, abs=2)
    middle = slice(1_000, 7_000)
    assert np.abs(pcm[middle] - expected[middle]).max() < 500


def test_wav_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not audio")
    write_raw(tmp_path / "empty.wav", b"", rate=8_000, width=2, channels=1)
    for name in ("missing.wav", "text.wav", "empty.wav"):
        with pytest.raises(AudioFileError, match=name) as caught:
            read_wav(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_recording_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match="cannot be written"):
        write_wav(tmp_path / "file" / "call.wav", tone(0.1))


class Call:
    """A recording with the caller speaking from 1.0 to 2.0 s."""

    def __init__(
        self, *, interrupting: bool = False, wordless: bool = False, keep_s: float | None = None
    ) -> None:
        self.recorder = Recorder(keep_s=keep_s)
        self.ledger = Ledger(self.recorder)
        # Half a second of silence around the words: what is measured is the sound.
        self.recorder.sent.write(8_000, tone(1.0))
        self.ledger.prompt_started(0)
        self.ledger.caller_began(
            Speak(prompt=PROMPT, text="hi", interrupting=interrupting, wordless=wordless),
            Sent(start=4_000, end=20_000),
        )


def test_gap_runs_from_the_last_sound_of_the_caller_to_the_first_of_the_frontdesk() -> None:
    call = Call()
    call.ledger.caller_finished()
    call.ledger.prompt_started(18_400)
    assert call.ledger.gaps_ms == [300.0]
    turn = call.ledger.turns()[0]
    assert (turn.said_start_s, turn.said_end_s, turn.gap_ms) == (1.0, 2.0, None)


def test_reply_into_our_trailing_silence_is_a_gap_and_not_a_cut_off() -> None:
    call = Call()
    call.ledger.prompt_started(16_800)
    call.ledger.caller_finished()
    assert (call.ledger.gaps_ms, call.ledger.cut_offs) == ([100.0], 0)


def test_frontdesk_speaking_into_our_words_is_a_cut_off() -> None:
    call = Call()
    call.ledger.prompt_started(12_000)
    call.ledger.caller_finished()
    assert (call.ledger.gaps_ms, call.ledger.cut_offs) == ([], 1)


def test_only_the_first_prompt_after_the_caller_has_a_gap() -> None:
    call = Call()
    call.ledger.caller_finished()
    call.ledger.prompt_started(18_400)
    call.ledger.prompt_started(40_000)
    assert len(call.ledger.gaps_ms) == 1


def test_prompt_after_a_noise_of_the_caller_answers_nothing_and_has_no_gap() -> None:
    call = Call(wordless=True)
    call.ledger.caller_finished()
    call.ledger.prompt_started(36_000)
    call.ledger.prompt_heard(PROMPT)
    assert (call.ledger.gaps_ms, call.ledger.turns()[-1].gap_ms) == ([], None)


def test_frontdesk_speaking_over_a_noise_of_the_caller_cuts_nobody_off() -> None:
    call = Call(wordless=True)
    call.ledger.prompt_started(12_000)
    call.ledger.caller_finished()
    assert call.ledger.cut_offs == 0


def test_interruption_is_timed_from_our_onset_to_the_silence() -> None:
    call = Call(interrupting=True)
    call.recorder.heard.write(0, tone(1.15))
    call.recorder.heard.write(16_800, tone(1.0))
    call.ledger.caller_finished()
    assert call.ledger.turns()[0].silenced_ms == pytest.approx(150)


def test_interruption_is_timed_before_the_recording_forgets_it() -> None:
    call = Call(interrupting=True, keep_s=20)
    call.recorder.heard.write(0, tone(1.15))
    call.ledger.caller_finished()
    call.recorder.heard.write(9 * 8_000, tone(1.0))
    call.ledger.prompt_heard(PROMPT)
    for second in range(10, 120):
        call.recorder.heard.write(second * 8_000, tone(1.0))
    assert call.ledger.turns()[0].silenced_ms == pytest.approx(150)


def test_frontdesk_that_talks_on_was_never_silenced() -> None:
    call = Call(interrupting=True)
    call.recorder.heard.write(0, tone(10.0))
    call.ledger.caller_finished()
    assert call.ledger.turns()[0].silenced_ms is None


def test_prompt_without_an_answer_is_the_last_turn() -> None:
    call = Call()
    call.ledger.caller_finished()
    call.ledger.prompt_started(18_400)
    call.ledger.prompt_heard(PROMPT)
    last = call.ledger.turns()[-1]
    assert (last.heard, last.said, last.gap_ms) == (("Your name",), "", 300.0)
