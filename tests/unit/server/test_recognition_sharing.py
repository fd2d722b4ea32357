"""When processes share a recogniser."""

from pathlib import Path
from typing import Any

import pytest

from models.errors import UnknownModelError
from server.config import Config, load_config
from server.recognition import sharing
from server.recognition.sharing import shares_recogniser


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sharing, "_GPUS", ())


def config(processes: int = 2, **speech: Any) -> Config:
    return load_config(serve={"processes": processes}, speech=speech)


@pytest.fixture
def large(tmp_path: Path) -> str:
    """As large as whisper-small.en, on a disk that keeps no zeros."""
    with (tmp_path / "model.bin").open("wb") as weights:
        weights.truncate(250_000_000)
    return str(tmp_path)


def test_bundled_model_is_each_processs_own():
    assert not shares_recogniser(config())


def test_large_model_is_loaded_once(large: str):
    assert shares_recogniser(config(stt=large))


def test_one_process_shares_with_nobody(large: str):
    assert not shares_recogniser(config(processes=1, stt=large))
    assert not shares_recogniser(config(processes=1, stt=large, shared=True))


def test_who_says_so_has_it_so(large: str, monkeypatch: pytest.MonkeyPatch):
    assert shares_recogniser(config(shared=True))
    assert not shares_recogniser(config(stt=large, shared=False))
    monkeypatch.setenv("FRONTDESK_SPEECH__SHARED", "true")
    assert shares_recogniser(config())


def test_where_there_is_no_gpu_the_engine_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    def asked() -> str:
        raise AssertionError("the engine was loaded for nothing")

    monkeypatch.setattr("models.loading.best_device", asked)
    assert not shares_recogniser(config())


def test_on_a_gpu_any_model_is_loaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sharing, "_GPUS", (tmp_path,))
    monkeypatch.setattr("models.loading.best_device", lambda: "cuda")
    assert shares_recogniser(config())
    monkeypatch.setattr("models.loading.best_device", lambda: "cpu")  # a driver too old
    assert not shares_recogniser(config())


def test_model_that_is_not_here_stops_the_start():
    with pytest.raises(UnknownModelError, match="frontdesk-smal"):
        shares_recogniser(config(stt="frontdesk-smal"))
