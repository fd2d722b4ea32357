"""A run as JSON, and back: schema `frontdesk.loadtest`, version 1.

{"schema": …, "version": 1, "summary": {…}, "calls": [{…}, …]}: the summary is what the report
shows; the calls are what another program, or `loadtest compare`, can work on. Keys may be added
within a version, but what a key means never changes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from loadtest.errors import LoadtestError
from loadtest.load.records import CallRecord, rounded
from loadtest.load.run import RunData
from loadtest.load.summary import Summary

SCHEMA: Final = "frontdesk.loadtest"
VERSION: Final = 1


class ReportFileError(LoadtestError):
    """A report cannot be read or written; the message names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A run read back from its file."""

    name: str
    summary: dict[str, Any]
    calls: Sequence[CallRecord]


def to_json(summary: Summary, data: RunData) -> str:
    """The whole report."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "summary": rounded(asdict(summary)),
            "calls": [call.to_dict() for call in data.calls],
        },
        indent=1,
    )


def write_text(path: Path, text: str) -> None:
    """Write a report, making its folder if need be.

    Raises:
        ReportFileError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_run(path: Path) -> SavedRun:
    """Read a report of this version.

    Raises:
        ReportFileError: no such file, another schema, or a newer version.
    """
    try:
        content = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ReportFileError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ReportFileError(f"{path}: not JSON: {error}") from error
    if content.get("schema") != SCHEMA or content.get("version") != VERSION:
        raise ReportFileError(f"{path}: not a {SCHEMA} report of version {VERSION}")
    try:
        calls = [CallRecord.from_dict(call) for call in content["calls"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ReportFileError(f"{path}: a call in it cannot be read: {error!r}") from error
    return SavedRun(name=path.stem, summary=content["summary"], calls=calls)
