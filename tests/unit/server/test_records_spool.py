"""Rules of the spool file."""

import os
from pathlib import Path

import pytest

from server.records.errors import RecordsSetupError
from server.records.spool import Spool


def test_lines_outlive_the_one_who_wrote_them(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    first.append(b"one\n")
    first.append(b"two\n")
    first.close()
    second = Spool(tmp_path)
    assert second.read(0, 100) == b"one\ntwo\n"
    assert second.instance == first.instance


def test_a_line_cut_short_by_a_crash_is_dropped(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    first.append(b"one\n")
    first.close()
    with (tmp_path / "records.jsonl").open("ab") as file:
        file.write(b"x" * 200_000)
    second = Spool(tmp_path)
    assert second.size == 4
    second.append(b"two\n")
    assert second.read(0, 100) == b"one\ntwo\n"


def test_reading_gives_whole_lines_even_beyond_the_limit(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"a" * 50 + b"\n")
    spool.append(b"b\n")
    assert spool.read(0, 60) == b"a" * 50 + b"\nb\n"
    assert spool.read(0, 10).startswith(b"a" * 50 + b"\n")
    assert spool.read(51, 1) == b"b\n"


def test_a_cleared_spool_begins_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(b"one\n")
    spool.clear()
    spool.append(b"two\n")
    assert spool.read(0, 100) == b"two\n"


def test_one_folder_has_one_owner(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(RecordsSetupError, match="in use"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path)


def test_nobody_else_may_read_what_callers_said(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.set_aside(b"bad\n")
    for name in ("records.jsonl", "rejected.jsonl"):
        assert (tmp_path / "spool" / name).stat().st_mode & 0o077 == 0


def test_a_full_disk_leaves_no_part_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(b"one\n")
    real_write, calls = os.write, 0

    def failing(file: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(28, "No space left on device")
        return real_write(file, data[:2])

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(OSError, match="No space"):
        spool.append(b"two\n")
    monkeypatch.undo()
    spool.append(b"three\n")
    assert spool.read(0, 100) == b"one\nthree\n"
