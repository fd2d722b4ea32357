"""An embedded PostgreSQL: the server's own database where no DATABASE_URL is given.

Theory of operation: `start` takes an exclusive lock on the data folder for the life of this
process, makes the cluster once (in a folder beside it, renamed when complete, so that a crash
leaves no half cluster), starts `postgres` listening on a Unix socket only, and watches it. When it
dies it is started again, with a growing pause. The kernel shuts it down when this process dies.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import quote

from server.postgres_programs import (
    INSTEAD,
    LOG_TAIL_LINES,
    PostgresError,
    PostgresPrograms,
    environment,
    one_line,
)

_log = logging.getLogger(__name__)

_SUPERUSER: Final = "frontdesk"
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT: Final = 107  # bytes of sun_path, the terminating zero left out
_DATABASE_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_POLL_S: Final = 0.02  # between two looks at postmaster.pid
_READY_TIMEOUT_S: Final = 60.0  # crash recovery replays the log first
_INITDB_TIMEOUT_S: Final = 120.0
_TOOL_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUTS_S: Final = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_BACKOFF_FIRST_S: Final = 0.1
_BACKOFF_MAX_S: Final = 5.0
_STEADY_S: Final = 60.0  # a server that ran this long starts again without the grown pause
_LOG_LIMIT_BYTES: Final = 5_000_000

# What PostgreSQL logs must hold nothing of a caller: no statement, no parameter, no row detail.
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class DataFolderInUseError(PostgresError):
    """Another process has this data folder open."""


class EmbeddedPostgres:
    """One PostgreSQL 18 cluster in `data_dir`, for the life of this process.

    Start it from a thread that lives as long as the database is needed (in a server: the main
    thread): the kernel shuts the database down when that thread ends.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """
        Args:
            data_dir: made if missing, mode 0700; holds cluster, lock, socket and log.
            settings: server settings in addition to ours, as in postgresql.conf.
        """
        self._folder = data_dir.absolute()
        self._cluster = self._folder / "cluster"
        self._log_path = self._folder / "postgres.log"
        self._settings = {**_SETTINGS, **(settings or {})}
        self._socket_dir = _socket_folder(self._folder)
        self._programs = PostgresPrograms(self._folder)
        self._lock: TextIO | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ready = False
        self.restarts = 0
        """How often the database died and was brought back."""

    @property
    def running(self) -> bool:
        """Whether the database accepts connections, as far as is known."""
        return self._ready

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def dsn(self, database: str = "postgres") -> str:
        """The URL of `database`; the same after every restart."""
        return f"postgresql://{_SUPERUSER}@/{database}?host={quote(str(self._socket_dir), safe='')}"

    async def start(self) -> None:
        """Bring the database up and keep it up; returns when it accepts connections.

        Raises:
            DataFolderInUseError: another process, or this one, has the folder open.
            PostgresError: it cannot be made or started.
        """
        self._take_lock()
        try:
            await self._programs.find_identity()
            self._make_folders()
            await self._stop_orphan()
            if not (self._cluster / "PG_VERSION").exists():
                await self._initialise()
            await self._launch()
        except BaseException:
            await self._terminate()
            self._release_lock()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="postgres-supervisor")

    async def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, what was committed is on disk."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._terminate()
        self._release_lock()

    async def ensure_database(self, name: str) -> str:
        """Make the database `name` unless it is there; returns its URL.

        Raises:
            ValueError: `name` is no plain lower-case identifier.
            PostgresError: the server refused.
        """
        if not _DATABASE_NAME.fullmatch(name):
            raise ValueError(f"database name {name!r}: use a-z, 0-9 and _, 63 at most")
        status, output = await self._programs.run(
            "createdb", "-h", str(self._socket_dir), "-U", _SUPERUSER, "-w", name,
            timeout_s=_TOOL_TIMEOUT_S,
        )  # fmt: skip
        if status != 0 and "already exists" not in output:
            raise PostgresError(f"cannot create database {name}: {one_line(output)}")
        return self.dsn(name)

    # --- one owner ------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self._folder / "lock").open("a+")
        except OSError as error:
            raise PostgresError(
                f"cannot write {self._folder} ({error.strerror}): choose another data folder, "
                + INSTEAD
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise DataFolderInUseError(
                f"{self._folder} is in use by process {owner}: stop it, or give this one "
                "another data folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- the cluster ----------------------------------------------------------------------------

    def _make_folders(self) -> None:
        self._socket_dir.mkdir(mode=0o700, exist_ok=True)
        facts = self._socket_dir.lstat()
        if self._socket_dir.is_symlink() or facts.st_uid not in (os.geteuid(), self._programs.uid):
            raise PostgresError(f"{self._socket_dir} belongs to somebody else: remove it")
        self._socket_dir.chmod(0o700)
        self._programs.give(self._socket_dir)

    async def _initialise(self) -> None:
        fresh = self._folder / "cluster.new"
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
        status, output = await self._programs.run(
            "initdb", "-D", str(fresh), "-U", _SUPERUSER, "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            # Whoever may enter the socket folder (0700) is the owner of the data.
            "--auth-local=trust", "--auth-host=reject",
            timeout_s=_INITDB_TIMEOUT_S,
        )  # fmt: skip
        if status != 0:
            raise PostgresError(f"cannot create {self._cluster}: {one_line(output)}; {INSTEAD}")
        fresh.rename(self._cluster)

    async def _stop_orphan(self) -> None:
        """End a server left by an earlier life of ours, and forget a stale postmaster.pid.

        We hold the folder's lock, so a server in it has no parent any more; and a process that has
        the recorded id but not this cluster as its working folder is a stranger with a reused id,
        which PostgreSQL itself would take for a running server.
        """
        pid = self._recorded_pid()
        if pid is None:
            return
        for stop_signal, timeout_s in _STOP_TIMEOUTS_S:
            if not self._serves_cluster(pid):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while self._serves_cluster(pid):  # noqa: ASYNC110 - not our child: only to be polled
                        await asyncio.sleep(_POLL_S)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _recorded_pid(self) -> int | None:
        lines = self._pid_file_lines()
        return int(lines[0]) if lines and lines[0].strip().isdigit() else None

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _serves_cluster(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self._cluster.resolve()
        except OSError:
            return False

    # --- the process ----------------------------------------------------------------------------

    async def _launch(self) -> None:
        await self._stop_orphan()
        if self._log_path.exists() and self._log_path.stat().st_size > _LOG_LIMIT_BYTES:
            self._log_path.replace(self._log_path.with_suffix(".log.1"))
        arguments = ["-D", str(self._cluster), "-k", str(self._socket_dir), "-h", ""]
        for name, value in self._settings.items():
            arguments += ["-c", f"{name}={value}"]
        with self._log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._programs.command("postgres", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                start_new_session=True,  # Ctrl-C in a terminal is ours to handle, not its
            )
        await self._wait_ready(self._process)
        self._ready = True

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the status line of postmaster.pid, as pg_ctl does."""
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                while process.returncode is None:
                    lines = self._pid_file_lines()
                    ours = len(lines) >= 8 and lines[0].strip() == str(process.pid)
                    if ours and lines[7].strip() == "ready":
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise PostgresError(
                f"PostgreSQL was not ready within {_READY_TIMEOUT_S:.0f} s: {self._log_tail()}"
            ) from error
        raise PostgresError(
            f"PostgreSQL ended at once (status {process.returncode}): {self._log_tail()}; see "
            f"{self._log_path}, {INSTEAD}"
        )

    async def _supervise(self) -> None:
        clock = asyncio.get_running_loop().time
        delay_s = _BACKOFF_FIRST_S
        while True:
            started_s = clock()
            assert self._process is not None
            status = await self._process.wait()
            self._ready = False
            if clock() - started_s >= _STEADY_S:
                delay_s = _BACKOFF_FIRST_S
            _log.error("postgres died", extra={"status": status, "restart_in_s": delay_s})
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _BACKOFF_MAX_S)
            try:
                await self._launch()
            except (PostgresError, OSError):
                _log.exception("postgres did not start again")
                await self._terminate()
            else:
                self.restarts += 1
                _log.warning("postgres is back", extra={"restarts": self.restarts})

    async def _terminate(self) -> None:
        self._ready = False
        process = self._process
        if process is None:
            return
        for stop_signal, timeout_s in _STOP_TIMEOUTS_S:
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), timeout_s)

    def _log_tail(self) -> str:
        try:
            lines = self._log_path.read_text(errors="replace").splitlines()
        except OSError:
            return "no log"
        return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:]) or "empty log"


def _socket_folder(folder: Path) -> Path:
    """Beside the data where the path is short enough, else in the temporary folder."""
    beside = folder / "socket"
    if len(os.fsencode(beside / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
        return beside
    digest = sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"frontdesk-{os.geteuid()}-{digest}"
