"""Log lines on their way out, written by a thread of their own.

Whoever logs must not wait for whoever reads: a full disk, a pipe that nobody empties, a file system
that is busy with recordings hold up the thread that writes to them, and that must never be the one
that serves calls. A line is put into words at once, where its context is; only writing waits.

The line is bounded: where it is full, new log lines are left out and counted, and the next one that
fits says how many.
"""

import logging
import queue
import threading
from typing import Final, TextIO

MOST_WAITING: Final = 10_000  # lines, some MB: half a minute of a very busy server
_LAST_WORDS_S: Final = 5.0  # for what waits, when the process ends
NAME: Final = "log"


class LogWriter(logging.Handler):
    """Writes formatted records to a stream, in their order; `close` waits for those on their way.

    Args:
        stream: where to; a failing one is given up silently, there is nobody to tell.
        most_waiting: lines.
    """

    def __init__(self, stream: TextIO, *, most_waiting: int = MOST_WAITING) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(most_waiting)
        self._left_out = 0
        self._thread = threading.Thread(target=self._write, name=NAME, daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the record into words and hand it on; never blocks."""
        try:
            line = self.format(record)
            if self._left_out:
                record = logging.makeLogRecord(
                    {
                        "name": __name__,
                        "levelno": logging.WARNING,
                        "levelname": "WARNING",
                        "msg": "log lines were left out: nobody took them in time",
                        "lines": self._left_out,
                    }
                )
                line = f"{self.format(record)}\n{line}"
            self._lines.put_nowait(f"{line}\n")
            self._left_out = 0
        except queue.Full:
            self._left_out += 1
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write what waits, but not for ever; idempotent."""
        if self._thread.is_alive():
            try:
                self._lines.put(None, timeout=_LAST_WORDS_S)
            except queue.Full:
                return
            self._thread.join(_LAST_WORDS_S)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line)
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):  # closed, or no room
                continue
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return
