"""`./frontdesk test` tries again, alone, the few tests that failed beside others."""

from pathlib import Path

import pytest

from server.suite import run_tests

pytestmark = pytest.mark.timeout(120)

_PASSES = "def test_passes(): pass\n"
_WANTS_QUIET = """
import os
def test_wants_quiet():
    assert "PYTEST_XDIST_WORKER" not in os.environ
"""
_IS_WRONG = """
def test_is_wrong(): assert 1 == 2
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose tests this test writes; as if pytest had not been started here before."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return tmp_path


def test_what_fails_only_beside_others_passes(suite: Path) -> None:
    (suite / "test_it.py").write_text(_PASSES + _WANTS_QUIET)
    assert run_tests(suite, []) == 0


def test_what_fails_alone_too_fails_the_run(suite: Path) -> None:
    (suite / "test_it.py").write_text(_PASSES + _WANTS_QUIET + _IS_WRONG)
    assert run_tests(suite, []) == 1


def test_many_failures_are_not_tried_again(suite: Path) -> None:
    quiet = [_WANTS_QUIET.replace("test_wants_quiet", f"test_{number}") for number in range(11)]
    (suite / "test_it.py").write_text("\n".join(quiet))
    assert run_tests(suite, []) == 1


def test_arguments_mean_one_run(suite: Path) -> None:
    (suite / "test_it.py").write_text(_WANTS_QUIET)
    assert run_tests(suite, ["test_it.py"]) == 1
