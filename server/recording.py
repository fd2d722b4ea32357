"""Recordings of calls: WAV, 8 kHz, 16 bit, one channel a track, all sample-aligned.

A call is recorded in stereo from its first to its last tick: the caller left, what they were sent
right. While it is handed to a person a second file has a track for each voice, and for what each
was sent.

The media tick only notes which frames there were. A thread puts them together and writes a second
at a time, so that neither this nor a slow disk delays a frame. A recording that cannot be written
is given up with one log line: the call matters more.
"""

import logging
import wave
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm, silence

log = logging.getLogger(__name__)

_BLOCK_FRAMES = 50  # one second

_Row: TypeAlias = Sequence[Pcm | None]
"""20 ms of every track, in the order of the channels; None: silent."""


class TrackRecorder:
    """A recording of named tracks; `close` it to make the file complete.

    Args:
        path: the WAV file, made with the first second; its folder is made if need be.
        tracks: their names, in the order of the channels.
        writer: one thread, so that blocks are written in their order.

    Raises:
        ValueError: no track, or two of the same name.
    """

    def __init__(self, path: Path, tracks: Sequence[str], writer: ThreadPoolExecutor) -> None:
        if not tracks or len(set(tracks)) != len(tracks):
            raise ValueError(f"tracks need names, each its own, not {list(tracks)}")
        self.path, self.tracks = path, tuple(tracks)
        self.samples = 0  # of each track, written so far: where an event lies in the recording
        self._writer = writer
        self._rows: list[_Row] = []
        self._file: wave.Wave_write | None = None
        self._failed = self._closed = False

    def write(self, frames: Mapping[str, Pcm]) -> None:
        """Add 20 ms, each frame of shape (160,); never blocks; ignored once closed.

        A track without a frame is silent for that long: who joins late lies where they joined.
        Frames of other names are not recorded. Frames must not be written to afterwards.
        """
        self.add([frames.get(track) for track in self.tracks])

    def add(self, row: _Row) -> None:
        """`write` for who has the frames in the order of the tracks."""
        if self._closed:
            return
        self._rows.append(row)
        self.samples += FRAME_SAMPLES
        if len(self._rows) == _BLOCK_FRAMES:
            self._flush()

    def tap(self, said: Mapping[str, Pcm], sent: Mapping[str, Pcm]) -> None:
        """A tap of a room: what `agent` says is the track `agent`, what they hear `to_agent`."""
        self.write({**said, **{f"to_{name}": frame for name, frame in sent.items()}})

    def close(self) -> None:
        """Write what is left and close the file, in the background; idempotent."""
        if not self._closed:
            self._closed = True
            self._flush()
            self._submit(self._close)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._submit(lambda: self._append(rows))

    def _submit(self, work: Callable[[], None]) -> None:
        try:
            self._writer.submit(self._guarded, work)
        except RuntimeError:  # the writer was shut down before us
            self._give_up()

    def _guarded(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        if not self._failed:
            log.exception("the recording cannot be written", extra={"path": str(self.path)})
        self._failed = True

    # --- on the writer's thread ---

    def _opened(self) -> wave.Wave_write:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = wave.open(str(self.path), "wb")  # noqa: SIM115  open until the call ends
        file.setnchannels(len(self.tracks))
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        return file

    def _append(self, rows: Sequence[_Row]) -> None:
        if self._file is None:  # with the first block: a call never answered leaves no file
            self._file = self._opened()
        # writeframes, not writeframesraw: the header is right after every block, so that a
        # recording is playable up to the last second even when the process is killed.
        self._file.writeframes(_interleaved(rows))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _interleaved(rows: Sequence[_Row]) -> bytes:
    """The rows' samples as a WAV file holds them."""
    nothing = silence()
    block = np.empty((len(rows) * FRAME_SAMPLES, len(rows[0])), dtype="<i2")
    for channel in range(block.shape[1]):
        frames = [nothing if (frame := row[channel]) is None else frame for row in rows]
        block[:, channel] = np.concatenate(frames)
    return block.tobytes()


class StereoRecorder:
    """One call's recording, through every hand-off: the caller left, what they were sent right."""

    def __init__(self, path: Path, writer: ThreadPoolExecutor) -> None:
        self.path = path
        self._tracks = TrackRecorder(path, ("caller", "ours"), writer)

    @property
    def samples(self) -> int:
        """Of each side, written so far: where something that happens now lies in the recording."""
        return self._tracks.samples

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """Add 20 ms of both sides, each of shape (160,); never blocks.

        Neither must be written to afterwards.
        """
        self._tracks.add((caller, ours))

    def following(self, name: str) -> Callable[[Mapping[str, Pcm], Mapping[str, Pcm]], None]:
        """A tap of a room that goes on with this recording while the caller is its member."""

        def tap(said: Mapping[str, Pcm], sent: Mapping[str, Pcm]) -> None:
            if name in said:
                self.write(said[name], sent[name])

        return tap

    def close(self) -> None:
        """Write what is left and close the file, in the background; idempotent."""
        self._tracks.close()


class NoRecorder:
    """A call that is not recorded."""

    path = None

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """Forget both sides."""

    def close(self) -> None:
        """Nothing to complete."""
