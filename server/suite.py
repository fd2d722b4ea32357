"""`./frontdesk test`: the tests, three at a time, and what failed so once more by itself.

Hundreds of the tests are telephone calls between real programs in real time. Three of them share
two cores, and now and then one loses the frame it was about. Such a test is tried again with the
machine to itself: what fails there too fails the run, and what passes is named, so that whoever
reads the output sees which tests want quiet.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_BESIDE_OTHERS = ("-n", "3", "--dist", "worksteal")  # calls take as long as their audio
_MOST_TRIED_AGAIN = 10  # more than these is a change that broke something, not a busy machine
_LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")  # where pytest keeps them, by test id


def run_tests(root: Path, arguments: list[str]) -> int:
    """Run the tests below `root` and return pytest's exit code.

    With `arguments` (they go to pytest) there is one run and nothing is tried again.
    """
    if arguments:
        return _pytest(root, *_BESIDE_OTHERS, *arguments)
    code = _pytest(root, *_BESIDE_OTHERS, "--cache-clear")
    failed = _failed(root) if code == pytest.ExitCode.TESTS_FAILED else []
    if not 0 < len(failed) <= _MOST_TRIED_AGAIN:
        return code
    print(f"frontdesk test: once more, alone: {', '.join(failed)}", flush=True)
    return _pytest(root, "-n", "0", *failed)


def _pytest(root: Path, *arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=root, check=False).returncode  # noqa: S603


def _failed(root: Path) -> list[str]:
    kept = root / _LAST_FAILED
    return sorted(json.loads(kept.read_text())) if kept.exists() else []
