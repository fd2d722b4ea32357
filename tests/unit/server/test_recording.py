"""Rules of recordings: complete, aligned to the sample, and never in a call's way."""

import logging
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.recording import StereoRecorder, TrackRecorder
from tests.fakes.recordings import read_stereo
from tests.fakes.rooms import ToneRoom, voices
from voice.frames import FRAME_SAMPLES, Pcm, silence


@pytest.fixture
def writer() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def numbered(n: int) -> Pcm:
    """A frame that tells where it belongs."""
    return np.full(FRAME_SAMPLES, n, dtype=np.int16)


def numbers(track: NDArray[np.int16]) -> list[int]:
    """The frames' numbers; fails when a frame is not whole."""
    frames = track.reshape(-1, FRAME_SAMPLES)
    assert (frames == frames[:, :1]).all()
    return frames[:, 0].tolist()


def read_tracks(recorder: TrackRecorder) -> dict[str, NDArray[np.int16]]:
    with wave.open(str(recorder.path)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        channels = file.getnchannels()
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)
    return {name: data[:, n].astype(np.int16) for n, name in enumerate(recorder.tracks)}


def finished(writer: ThreadPoolExecutor, recorder: TrackRecorder | StereoRecorder) -> None:
    recorder.close()
    writer.submit(int).result()


def test_a_stereo_recording_has_the_caller_left_and_us_right(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    recorder = StereoRecorder(tmp_path / "deep" / "call.wav", writer)
    for n in range(123):
        recorder.write(numbered(n), numbered(-n))
    finished(writer, recorder)
    left, right = read_stereo(recorder.path)
    assert numbers(left) == list(range(123))
    assert numbers(right) == [-n for n in range(123)]


def test_a_recording_is_playable_up_to_the_last_second_while_it_grows(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav", writer)
    for n in range(120):
        recorder.write(numbered(n), silence())
    writer.submit(int).result()
    assert numbers(read_stereo(recorder.path)[0]) == list(range(100))


def test_tracks_stay_aligned_when_members_join_and_leave(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    recorder = TrackRecorder(tmp_path / "t.wav", ("caller", "agent", "to_agent"), writer)
    for n in range(1, 131):
        frames = {"caller": numbered(n), "stranger": numbered(999)}
        if 40 <= n < 90:
            frames |= {"agent": numbered(n), "to_agent": numbered(2 * n)}
        recorder.write(frames)
    finished(writer, recorder)
    tracks = read_tracks(recorder)
    assert numbers(tracks["caller"]) == list(range(1, 131))
    assert numbers(tracks["agent"]) == [n if 40 <= n < 90 else 0 for n in range(1, 131)]
    assert numbers(tracks["to_agent"]) == [2 * n if 40 <= n < 90 else 0 for n in range(1, 131)]


def test_a_hand_off_is_recorded_in_tracks_beside_the_stereo_that_goes_on(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    stereo = StereoRecorder(tmp_path / "call.wav", writer)
    tracks = TrackRecorder(
        tmp_path / "handoff.wav", ("caller", "agent", "to_caller", "to_agent"), writer
    )
    for n in range(70):  # the dialog with frontdesk
        stereo.write(numbered(n), numbered(n))
    began = stereo.samples
    world = ToneRoom("caller")
    world.room.taps += [stereo.following("caller"), tracks.tap]
    world.tick(10)
    world.join("agent")
    world.room.bridge("caller", "agent")
    world.tick(60)
    world.room.remove("caller")
    world.tick(5)
    for n in range(70, 100):  # frontdesk has them back
        stereo.write(numbered(n), numbered(n))
    finished(writer, stereo)
    finished(writer, tracks)

    left, right = read_stereo(stereo.path)
    assert began == 70 * FRAME_SAMPLES
    assert len(left) == (70 + 70 + 30) * FRAME_SAMPLES
    room = slice(began, began + 70 * FRAME_SAMPLES)
    recorded = read_tracks(tracks)
    same = slice(0, 70 * FRAME_SAMPLES)
    assert np.array_equal(left[room], recorded["caller"][same])
    assert np.array_equal(right[room], recorded["to_caller"][same])
    assert np.array_equal(right[room], np.concatenate(world.legs["caller"].sent))
    assert np.array_equal(recorded["to_agent"][10 * FRAME_SAMPLES : same.stop], left[room][1600:])
    assert not recorded["agent"][: 10 * FRAME_SAMPLES].any()
    assert voices(recorded["agent"][10 * FRAME_SAMPLES :]) == {"agent"}
    assert numbers(left[room.stop :]) == list(range(70, 100))


def test_a_whisper_is_recorded_for_the_agent_and_for_nobody_else(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    tracks = TrackRecorder(tmp_path / "t.wav", ("to_caller", "to_agent"), writer)
    world = ToneRoom("caller", "agent", "supervisor")
    world.room.bridge("caller", "agent")
    world.room.whisper("supervisor", "agent")
    world.room.taps.append(tracks.tap)
    world.tick(20)
    finished(writer, tracks)
    recorded = read_tracks(tracks)
    assert voices(recorded["to_caller"]) == {"agent"}
    assert voices(recorded["to_agent"]) == {"caller", "supervisor"}


def test_what_a_muted_agent_says_is_not_recorded(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    tracks = TrackRecorder(tmp_path / "t.wav", ("agent",), writer)
    world = ToneRoom("caller", "agent")
    world.room.taps.append(tracks.tap)
    world.tick(3)
    world.room.mute("agent")
    world.tick(3)
    finished(writer, tracks)
    agent = read_tracks(tracks)["agent"]
    assert agent[: 3 * FRAME_SAMPLES].any()
    assert not agent[3 * FRAME_SAMPLES :].any()


def test_nothing_is_added_to_a_closed_recording(tmp_path: Path, writer: ThreadPoolExecutor) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav", writer)
    recorder.write(numbered(1), numbered(1))
    finished(writer, recorder)
    for _ in range(60):
        recorder.write(numbered(2), numbered(2))
    finished(writer, recorder)
    assert numbers(read_stereo(recorder.path)[0]) == [1]


def test_a_call_that_was_never_answered_leaves_no_file(
    tmp_path: Path, writer: ThreadPoolExecutor
) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav", writer)
    finished(writer, recorder)
    assert not recorder.path.exists()


@pytest.mark.parametrize("tracks", [(), ("a", "a")])
def test_tracks_without_names_of_their_own_are_refused(
    tmp_path: Path, writer: ThreadPoolExecutor, tracks: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="track"):
        TrackRecorder(tmp_path / "t.wav", tracks, writer)


def test_a_disk_that_cannot_be_written_costs_one_log_line_and_no_call(
    tmp_path: Path, writer: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    recorder = StereoRecorder(tmp_path / "file" / "call.wav", writer)
    with caplog.at_level(logging.ERROR, logger="server.recording"):
        for n in range(200):
            recorder.write(numbered(n), numbered(n))
        finished(writer, recorder)
    assert [record.message for record in caplog.records] == ["the recording cannot be written"]


def test_a_writer_that_was_shut_down_does_not_break_the_tick(
    tmp_path: Path, writer: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav", writer)
    writer.shutdown()
    for n in range(200):
        recorder.write(numbered(n), numbered(n))
    recorder.close()
    assert [record.message for record in caplog.records] == ["the recording cannot be written"]
