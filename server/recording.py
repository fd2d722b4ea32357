"""The stereo recording of a call: caller left, frontdesk right, 8 kHz, 16 bit.

The media tick only copies; a thread writes a second at a time, so that a slow disk never delays a
frame. A recording that cannot be written is given up with one log line: the call matters more.
"""

import logging
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

log = logging.getLogger(__name__)

_BLOCK_FRAMES = 50  # one second


class StereoRecorder:
    """One call's recording; `close` it to make the file complete."""

    def __init__(self, path: Path, writer: ThreadPoolExecutor) -> None:
        self.path = path
        self._writer = writer
        self._block = np.zeros((_BLOCK_FRAMES * FRAME_SAMPLES, 2), dtype="<i2")
        self._filled = 0
        self._file: wave.Wave_write | None = None
        self._failed = False

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """Add 20 ms of both sides, each of shape (160,); never blocks."""
        end = self._filled + FRAME_SAMPLES
        self._block[self._filled : end, 0] = caller
        self._block[self._filled : end, 1] = ours
        self._filled = end
        if end == len(self._block):
            self._flush()

    def close(self) -> None:
        """Write what is left and close the file, in the background."""
        self._flush()
        self._submit(self._close)

    def _flush(self) -> None:
        if self._filled:
            data = self._block[: self._filled].tobytes()
            self._filled = 0
            self._submit(lambda: self._append(data))

    def _submit(self, work: Callable[[], None]) -> None:
        self._writer.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except OSError:
            self._failed = True
            log.exception("the recording cannot be written", extra={"path": str(self.path)})

    # --- on the writer's thread ---

    def _opened(self) -> wave.Wave_write:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = wave.open(str(self.path), "wb")  # noqa: SIM115  open until the call ends
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        return file

    def _append(self, data: bytes) -> None:
        if self._file is None:  # with the first block: a call never answered leaves no file
            self._file = self._opened()
        # writeframes, not writeframesraw: the header is right after every block, so that a
        # recording is playable up to the last second even when the process is killed.
        self._file.writeframes(data)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class NoRecorder:
    """A call that is not recorded."""

    path = None

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """Forget both sides."""

    def close(self) -> None:
        """Nothing to complete."""
