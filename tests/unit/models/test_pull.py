"""Pulling models, from a hub of our own on the loopback interface."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from models import catalog
from models.catalog import State
from models.errors import DamagedModelError, MissingModelError, PullError, UnknownModelError
from models.pull import pull

COMMIT = "c0ffee" * 6 + "c0ff"
WEIGHTS = bytes(range(256)) * 1200
NAME = "whisper-tiny.en"


@dataclass
class Hub:
    """What the stand-in hub serves, and what it was asked for."""

    files: dict[str, bytes]
    sent_instead: dict[str, bytes] = field(default_factory=dict[str, bytes])
    cuts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    status: int = 200
    without_etag: bool = False
    unanswered: int = 0  # requests that get their connection closed instead of an answer
    requests: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    url: str = ""


def is_large(content: bytes) -> bool:
    """Whether the hub keeps it outside git, under its SHA-256, and sends clients elsewhere."""
    return len(content) > 1000


def etag_of(content: bytes) -> str:
    if is_large(content):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub = self.hub
        revision, _, name = self.path.partition("/resolve/")[2].partition("/")
        asked = self.headers.get("Range", "")
        hub.requests.append((self.command, f"{revision}/{name}", asked))
        if hub.unanswered:
            hub.unanswered -= 1
            self.close_connection = True
            return
        content = hub.files.get(name)
        if hub.status != 200 or content is None:
            self._refuse(404 if hub.status == 200 else hub.status)
            return
        if is_large(content) and not self.path.startswith("/cdn/"):
            self._redirect(content, f"/cdn/resolve/{revision}/{name}")
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if body and asked else 0
        sent = hub.sent_instead.get(name, content)[start:]
        self._head(content, start, len(sent))
        if body:
            cuts = hub.cuts.get(name)
            self.wfile.write(sent[: cuts.pop(0)] if cuts else sent)
            self.close_connection = bool(cuts is not None)

    def _redirect(self, content: bytes, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.hub.url}{where}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(len(content)))
        if not self.hub.without_etag:
            self.send_header("X-Linked-ETag", f'"{etag_of(content)}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _head(self, content: bytes, start: int, length: int) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(length))
        self.send_header("X-Repo-Commit", COMMIT)
        if not self.hub.without_etag:
            self.send_header("ETag", f'"{etag_of(content)}"')
        self.end_headers()

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {
        "config.json": b"{}",
        "model.bin": WEIGHTS,
        "tokenizer.json": b'{"version": "1.0"}',
        "vocabulary.txt": b"a\nb\n",
    }
    served = Hub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": served}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    # Also where a test forgets to say which hub: nothing here may leave the machine.
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setenv("FRONTDESK_MODELS", str(tmp_path / "models"))
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def state_of(name: str, *, check: bool = False) -> State:
    return next(row.state for row in catalog.listing(check=check) if row.name == name)


def test_pulled_model_is_located_and_verified(hub: Hub):
    with pytest.raises(MissingModelError, match=r"run \./frontdesk models pull"):
        catalog.locate(NAME)

    folder = pull(NAME)

    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert catalog.locate(NAME) == catalog.verify(NAME) == folder
    assert state_of(NAME, check=True) is State.READY
    leftovers = {path.name for path in folder.parent.iterdir() if path.is_dir()} - {folder.name}
    assert leftovers == set()


def test_progress_rises_to_the_whole_size(hub: Hub):
    seen: list[tuple[int, int]] = []
    pull(NAME, progress=lambda done, total: seen.append((done, total)))

    total = sum(len(content) for content in hub.files.values())
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (total, total)


def test_all_files_come_from_the_commit_of_the_first(hub: Hub):
    pull(NAME)
    asked = [path for _, path, _ in hub.requests]
    assert asked[0] == "main/config.json"
    assert all(path.startswith(COMMIT) for path in asked[1:])


def test_a_model_that_is_here_is_not_downloaded_again(hub: Hub):
    pull(NAME)
    hub.requests.clear()
    pull(NAME)
    assert hub.requests == []


def test_a_damaged_model_is_reported_and_pulled_again(hub: Hub):
    folder = pull(NAME)
    (folder / "model.bin").write_bytes(b"x" * len(WEIGHTS))
    assert state_of(NAME) is State.READY  # its size is right: only hashing finds out
    assert state_of(NAME, check=True) is State.DAMAGED
    with pytest.raises(DamagedModelError) as raised:
        catalog.verify(NAME)
    sha256 = hashlib.sha256(b"x" * len(WEIGHTS)).hexdigest()
    assert str(raised.value) == (
        f"model file {folder / 'model.bin'} is damaged (sha256 {sha256});"
        f" run ./frontdesk models pull {NAME}"
    )

    pull(NAME)
    assert (folder / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("file", ["model.bin", "config.json"])
def test_a_file_damaged_on_the_way_is_not_installed(hub: Hub, file: str):
    hub.sent_instead[file] = b"?" * len(hub.files[file])
    with pytest.raises(PullError, match=f"{file} of {NAME} arrived damaged") as raised:
        pull(NAME)
    assert raised.value.retryable
    assert state_of(NAME) is State.NOT_PULLED

    del hub.sent_instead[file]
    assert pull(NAME) == catalog.verify(NAME)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client without its pauses, writing to disk in small pieces."""

    def at_once(_: float) -> None: ...

    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", at_once)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)


def ranges_of(hub: Hub) -> set[str]:
    return {asked for method, _, asked in hub.requests if method == "GET" and asked}


@pytest.mark.usefixtures("impatient")
def test_a_dropped_connection_goes_on_where_it_stopped(hub: Hub):
    hub.cuts["model.bin"] = [100_000]
    folder = pull(NAME)
    assert ranges_of(hub) == {"bytes=100000-"}
    assert (folder / "model.bin").read_bytes() == WEIGHTS


def test_a_connection_that_the_hub_closed_meanwhile_is_replaced(hub: Hub):
    hub.unanswered = 1
    assert pull(NAME) == catalog.verify(NAME)
    first, again = hub.requests[:2]
    assert first == again == ("HEAD", "main/config.json", "")


def test_a_hub_that_closes_every_connection_is_given_up(hub: Hub):
    hub.unanswered = 1_000
    with pytest.raises(PullError, match="cannot reach") as raised:
        pull(NAME)
    assert raised.value.retryable
    assert len(hub.requests) == 3


@pytest.mark.usefixtures("impatient")
def test_the_next_pull_goes_on_where_a_failed_one_stopped(hub: Hub):
    hub.cuts["model.bin"] = [100_000, *[0] * 20]
    with pytest.raises(PullError, match="cannot reach") as raised:
        pull(NAME)
    assert raised.value.retryable
    assert state_of(NAME) is State.NOT_PULLED

    hub.cuts.clear()
    hub.requests.clear()
    folder = pull(NAME)
    assert ranges_of(hub) == {"bytes=100000-"}
    assert (folder / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("status", "retryable", "message"),
    [
        (404, False, "has no Systran/faster-whisper-tiny.en"),
        (503, True, r"HTTP 503"),
        (403, False, r"HTTP 403"),
    ],
)
def test_a_refusal_is_one_line_with_its_verdict(
    hub: Hub, status: int, retryable: bool, message: str
):
    hub.status = status
    with pytest.raises(PullError, match=message) as raised:
        pull(NAME)
    assert raised.value.retryable is retryable
    assert "\n" not in str(raised.value)
    assert state_of(NAME) is State.NOT_PULLED


def test_a_missing_file_is_not_retryable(hub: Hub):
    del hub.files["tokenizer.json"]
    with pytest.raises(PullError, match="404") as raised:
        pull(NAME)
    assert not raised.value.retryable


def test_something_that_is_no_hub_is_recognised(hub: Hub):
    hub.without_etag = True
    with pytest.raises(PullError, match="does not answer like a hub"):
        pull(NAME)


def test_an_unreachable_hub_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRONTDESK_MODELS", str(tmp_path))
    with pytest.raises(PullError) as raised:
        pull(NAME, endpoint="http://127.0.0.1:1")
    assert str(raised.value).startswith("cannot reach 127.0.0.1:1 (")
    assert "\n" not in str(raised.value)
    assert raised.value.retryable


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FRONTDESK_MODELS", str(tmp_path / "file"))
    with pytest.raises(PullError, match="cannot write to"):
        pull(NAME)


def test_a_piper_voice_comes_from_its_folder_in_the_repository(hub: Hub):
    hub.files = {
        "en/en_GB/alba/medium/en_GB-alba-medium.onnx": WEIGHTS,
        "en/en_GB/alba/medium/en_GB-alba-medium.onnx.json": b"{}",
    }
    folder = pull("en_GB-alba-medium")
    assert {path.name for path in folder.glob("*.onnx*")} == {
        "en_GB-alba-medium.onnx",
        "en_GB-alba-medium.onnx.json",
    }


def test_bundled_and_built_in_models_need_no_hub(hub: Hub):
    assert pull("frontdesk-small") == catalog.locate("frontdesk-small")
    pull("espeak")
    assert hub.requests == []


def test_an_unknown_name_is_not_looked_for_at_the_hub(hub: Hub):
    with pytest.raises(UnknownModelError, match="did you mean whisper-tiny"):
        pull("whisper-tinny")
    assert hub.requests == []
