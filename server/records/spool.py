"""The spool: an append-only file that every write goes through on its way to the database.

`append` hands the line to the kernel before it returns, so that it outlives this process; `sync`
makes it outlive the machine. A line that a crash cut short was never acknowledged and is dropped.
"""

import fcntl
import os
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from server.records.errors import RecordsSetupError

_SCAN_BYTES: Final = 65_536


class Spool:
    """One folder, one owner. Every method but `read` and `sync` belongs to the event loop."""

    def __init__(self, folder: Path) -> None:
        """Open, or make, the spool in `folder`.

        Raises:
            RecordsSetupError: the folder cannot be written, or another process has it.
        """
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(folder / "records.jsonl", flags, 0o600)
            self._lock()
            self.instance = self._read_instance()
            self.size = self._whole_size()
            os.ftruncate(self._file, self.size)
        except OSError as error:
            raise RecordsSetupError(
                f"cannot write the spool in {folder} ({error.strerror}): choose another folder"
            ) from error

    def append(self, line: bytes) -> None:
        """Hand one line, with its line feed, to the kernel.

        Raises:
            OSError: the disk is full or gone; the file is as it was.
        """
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:
            if written:
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(line)

    def read(self, offset: int, limit: int) -> bytes:
        """Whole lines from `offset`, about `limit` bytes, at least one line; callable anywhere."""
        data = os.pread(self._file, limit, offset)
        while data and b"\n" not in data:
            more = os.pread(self._file, limit, offset + len(data))
            if not more:
                return b""
            data += more
        return data[: data.rfind(b"\n") + 1]

    def sync(self) -> None:
        """Wait until all is on the disk; slow; callable anywhere."""
        os.fdatasync(self._file)

    def clear(self) -> None:
        """Forget all lines: the database has them."""
        os.ftruncate(self._file, 0)
        self.size = 0

    def set_aside(self, line: bytes) -> None:
        """Keep a line that the database will never take, for people to look at."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self._folder / "rejected.jsonl", flags, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def close(self) -> None:
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise RecordsSetupError(
                f"the spool in {self._folder} is in use by another server: give each its own folder"
            ) from error

    def _read_instance(self) -> UUID:
        """Who we are, the same in every life: the folder has one owner at a time."""
        path = self._folder / "instance"
        try:
            return UUID(path.read_text().strip())
        except (FileNotFoundError, ValueError):
            instance = uuid4()
            fresh = path.with_suffix(".new")
            fresh.write_text(f"{instance}\n")
            fresh.replace(path)
            return instance

    def _whole_size(self) -> int:
        """The size up to the last line feed."""
        end = os.fstat(self._file).st_size
        while end > 0:
            start = max(end - _SCAN_BYTES, 0)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0
