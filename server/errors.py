"""Which failures a person can act on, and the one line that says how."""

import errno
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast


class StartError(Exception):
    """The server cannot start; the message is one line and names the fix."""


def one_line(error: BaseException) -> str | None:
    """What to tell the person at the terminal; None for a defect, whose traceback is wanted."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        lines = [one_line(inner) for inner in group.exceptions]
        return lines[0] if lines and all(lines) else None
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full: make room and start again"
    for module, names in _EXPECTED.items():
        if type(error).__module__.partition(".")[0] == module and _is_a(error, names):
            return str(error)
    return None


@contextmanager
def told_in_one_line() -> Generator[None]:
    """End the process with status 2 and the one line of an error that a person can act on."""
    try:
        yield
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        print(f"frontdesk: {line}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None


# By name, so that a command which needs none of these packages does not load them.
_EXPECTED = {
    "server": {"StartError", "ConfigError", "PostgresError", "RecordsError", "AccountsError"},
    "dialog": {"FlowError"},
    "models": {"ModelError"},
    "actions": {"ActionsError"},
    "loadtest": {"LoadtestError"},
}


def _is_a(error: BaseException, names: set[str]) -> bool:
    return any(cls.__name__ in names for cls in type(error).__mro__)
