"""Bringing models onto the machine, from the Hugging Face hub.

Files are downloaded beside their final place, so that a broken download goes on where it stopped;
checked against the catalogue where it knows them and against what the hub states in any case; and
moved into place together with a manifest by one rename. A model is therefore either there, whole,
or not there.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from models import catalog
from models.catalog import Entry, Source
from models.errors import DamagedModelError, MissingModelError, PullError

HUB: Final = "https://huggingface.co"

CONNECT_TIMEOUT_S: Final = 5.0
"""For the hub's first answer. Without a network the error must come while the user looks."""

_SPARE: Final = 50 * 2**20  # bytes that must stay free on the disk

_WRITE_ERRORS: Final = frozenset(
    {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT}
)

_CLOSED: Final = frozenset({"RemoteProtocolError", "ReadError", "WriteError", "CloseError"})
"""How the client names a connection that ended without an answer; which library it takes them from
depends on its version."""

_CLOSED_MOST: Final = 2  # in a row; another is the hub's own doing

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes of the whole model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remote:
    """A file as the hub states it."""

    name: str  # in our folder
    size: int
    etag: str  # SHA-256 of large files, git's blob id of small ones
    commit: str
    url: str

    @property
    def part(self) -> str:
        """The file's name while it is incomplete; another content has another."""
        return f"{self.etag}.part"


def pull(
    name: str,
    *,
    progress: Progress | None = None,
    endpoint: str | None = None,
    force: bool = False,
) -> Path:
    """Have the model on this machine; returns its folder, as `catalog.locate` will.

    What is already here and whole is not downloaded again, unless `force`. Bundled and built-in
    models are only verified.

    Args:
        progress: called on this thread as bytes arrive.
        endpoint: another hub, an in-house mirror; $HF_ENDPOINT when None, else huggingface.co.

    Raises:
        UnknownModelError: not in the catalogue.
        DamagedModelError: a bundled model is damaged.
        PullError: unreachable, no such file, interrupted, damaged on the way, or no room; nothing
            is installed, and what was downloaded is kept for the next attempt.
    """
    found = catalog.entry(name)
    if found.source is not Source.HUGGINGFACE:
        return catalog.verify(name)
    hub = (endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    with _alone(found) as staging:
        if not force and (here := _already_here(name)) is not None:
            return here
        with _errors_of(hub, found):
            remotes = _remotes(found, hub)
            _check_room(staging, sum(remote.size for remote in remotes))
            _download(found, hub, remotes, staging, progress)
        return _install(found, remotes, staging)


def _already_here(name: str) -> Path | None:
    try:
        return catalog.verify(name)
    except (MissingModelError, DamagedModelError):
        return None


@contextmanager
def _alone(found: Entry) -> Generator[Path]:
    """The staging folder, which only one process at a time uses."""
    target = catalog.pulled_folder(found)
    staging = target.with_name(f".{target.name}.part")
    try:
        staging.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f".{target.name}.lock").open("w")
    except OSError as error:
        raise PullError(
            f"cannot write to {target.parent} ({error.strerror})", retryable=False
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        staging.mkdir(exist_ok=True)  # the process before may have moved it into place
        yield staging


def _remotes(found: Entry, hub: str) -> list[_Remote]:
    """The files, all of one commit: the revision may move between two requests."""
    import huggingface_hub

    hub_client: Any = huggingface_hub
    revision = found.revision
    remotes: list[_Remote] = []
    for name in found.files:
        path = f"{found.folder}/{name}" if found.folder else name
        url = hub_client.hf_hub_url(found.repo, path, revision=revision, endpoint=hub)
        stated = _stated(url, hub)
        if stated.etag is None or stated.size is None or stated.commit_hash is None:
            raise PullError(f"{_host(hub)} does not answer like a hub for {path}", retryable=False)
        revision = str(stated.commit_hash)
        remotes.append(
            _Remote(
                name=name,
                size=int(stated.size),
                etag=str(stated.etag),
                commit=revision,
                url=hub_client.hf_hub_url(found.repo, path, revision=revision, endpoint=hub),
            )
        )
    return remotes


def _stated(url: str, hub: str) -> Any:
    """What the hub says of a file.

    The client keeps connections, and a server may close one just when the next question goes out
    on it. That is no failure of the hub: the question is put again, at once, on another.
    """
    import huggingface_hub

    hub_client: Any = huggingface_hub
    for _ in range(_CLOSED_MOST):
        try:
            return hub_client.get_hf_file_metadata(url, timeout=CONNECT_TIMEOUT_S, endpoint=hub)
        except Exception as error:
            if type(error).__name__ not in _CLOSED:
                raise
    return hub_client.get_hf_file_metadata(url, timeout=CONNECT_TIMEOUT_S, endpoint=hub)


def _download(
    found: Entry, hub: str, remotes: list[_Remote], staging: Path, progress: Progress | None
) -> None:
    total = sum(remote.size for remote in remotes)
    before = 0
    for remote in remotes:
        _fetch(remote, staging / remote.part, _reporting(progress, before, total))
        _check(found, remote, staging / remote.part)
        before += remote.size
        if progress is not None:
            progress(before, total)


def _fetch(remote: _Remote, part: Path, bar: Any) -> None:
    """Append to the file what it lacks.

    The client's hf_hub_download starts again in every process, lest two of them write to one file;
    here a lock keeps them apart.
    """
    from huggingface_hub import file_download, utils

    client: Any = file_download
    headers: dict[str, str] = dict(cast(Any, utils).build_hf_headers())
    with part.open("ab") as file:
        client.http_get(
            remote.url,
            file,
            resume_size=file.tell(),
            headers=headers,
            expected_size=remote.size,
            tqdm_class=bar,
        )


def _check(found: Entry, remote: _Remote, path: Path) -> None:
    """Compare a downloaded file with what it must be; a wrong one is removed."""
    known = found.files[remote.name].sha256
    sha256 = catalog.sha256_of(path)
    stated = sha256 if len(remote.etag) == 64 else _git_blob_id(path)
    whole = path.stat().st_size == remote.size and stated == remote.etag
    if whole and known in (None, sha256):
        return
    path.unlink()
    raise PullError(
        f"{remote.name} of {found.name} arrived damaged (sha256 {sha256}); try again",
        retryable=True,
    )


def _install(found: Entry, remotes: list[_Remote], staging: Path) -> Path:
    """Move the checked files into place together."""
    target = catalog.pulled_folder(found)
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    files: dict[str, dict[str, Any]] = {}
    for remote in remotes:
        path = (staging / remote.part).rename(fresh / remote.name)
        files[remote.name] = {"size": remote.size, "sha256": catalog.sha256_of(path)}
    manifest = {"repo": found.repo, "revision": remotes[0].commit, "files": files}
    (fresh / catalog.MANIFEST).write_text(json.dumps(manifest, indent=1))
    if target.exists():
        # Who has the old files open keeps them; who opens them right now finds nothing.
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        fresh.rename(target)
    shutil.rmtree(staging, ignore_errors=True)
    return target


def _check_room(folder: Path, needed: int) -> None:
    here = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if needed - here + _SPARE > free:
        raise PullError(
            f"no room in {folder.parent}: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free",
            retryable=False,
        )


@contextmanager
def _errors_of(hub: str, found: Entry) -> Generator[None]:
    """The hub client's errors as PullError, in one line."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        FileMetadataError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except PullError:
        raise
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        message = f"{_host(hub)} has no {found.repo} with all of {found.name} (404)"
        raise PullError(message, retryable=False) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        message = f"{_host(hub)} refuses {found.name} (HTTP {status})"
        raise PullError(message, retryable=status >= 500 or status == 429) from error
    except FileMetadataError as error:
        message = f"{_host(hub)} does not answer like a hub ({_reason(error)})"
        raise PullError(message, retryable=False) from error
    except Exception as error:
        raise _unreachable(hub, found, error) from error


def _unreachable(hub: str, found: Entry, error: Exception) -> PullError:
    if isinstance(error, OSError) and error.errno in _WRITE_ERRORS:
        return PullError(
            f"cannot write {found.name} to {catalog.cache_dir()} ({error.strerror})",
            retryable=False,
        )
    return PullError(
        f"cannot reach {_host(hub)} ({_reason(error)}): nothing was installed,"
        f" try again or set HF_ENDPOINT to a mirror",
        retryable=True,
    )


def _host(hub: str) -> str:
    return urlsplit(hub).netloc or hub


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."


def _git_blob_id(path: Path) -> str:
    """What git calls the file: the hub's etag for files outside LFS."""
    content = path.read_bytes()
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _reporting(progress: Progress | None, before: int, total: int) -> Any:
    """A progress bar for the hub's client that draws nothing and reports instead."""
    from huggingface_hub.utils import tqdm

    base: Any = tqdm

    class Reporting(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self._done = int(options.get("initial") or 0)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self._done += int(n or 0)
            if progress is not None:
                progress(min(before + self._done, total), total)
            return None

    return Reporting
