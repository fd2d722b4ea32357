"""One running system for the interop tests, and the speech that their phones play."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.espeak import EspeakVoice
from tests.fakes.postgres import PostgresForTests
from tests.fakes.system import System, system_running


@pytest.fixture(scope="session")
def system(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests
) -> Iterator[System]:
    """Shop and server as processes, shared by the tests of this folder."""
    folder = tmp_path_factory.mktemp("system")
    databases = postgres.fresh_database(), postgres.fresh_database()
    with system_running(folder, *databases) as running:
        yield running


@pytest.fixture(scope="session")
def question() -> np.ndarray:
    """What the phones say: silence until the greeting is over, then a question; int16, 8 kHz."""
    speech = EspeakVoice("en-gb+m3", rate_wpm=160).render("where is my order").pcm
    lead_in = np.zeros(11 * 8000, dtype=np.int16)
    return np.concatenate([lead_in, speech, np.zeros(6 * 8000, dtype=np.int16)])


def peer(program: str) -> Path:
    """The program's path; the test is skipped without it, or fails where peers are required."""
    found = shutil.which(program)
    if found is None:
        assert "FRONTDESK_REQUIRE_PEERS" not in os.environ, f"{program} is not installed"
        pytest.skip(f"{program} is not installed")
    return Path(found)
