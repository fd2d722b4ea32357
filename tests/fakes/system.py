"""The whole system as real processes: shop, server, and the phones that call it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
TOKEN = "test-token"
_READY_S = 60.0


class Process:
    """A Python child that says in one JSON line that it is ready."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environment},
            )
        self.ready = self._first_line()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        """As a crash does: no goodbye."""
        self._popen.kill()
        self._popen.wait()

    def terminate(self) -> None:
        """Ask it to stop, as a service manager does."""
        self._popen.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """As an operator does; returns the exit status."""
        if self.alive:
            self.terminate()
        return self.exit_status()

    def exit_status(self) -> int:
        """Once it has ended; it is killed if it does not."""
        try:
            return self._popen.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _first_line(self) -> dict[str, Any]:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        assert line, f"the process ended at once:\n{self.log.read_text()[-2000:]}"
        return json.loads(line)


@dataclass
class System:
    """A shop and a server on databases of their own; calls go to `sip`."""

    folder: Path
    server_database: str
    shop_database: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    shop: Process = field(init=False)
    server: Process = field(init=False)
    shop_port: int = 0

    def start_shop(self, *arguments: str) -> None:
        """Start the shop, again on the same port when it ran before."""
        self.shop = Process(
            [
                *("-m", "actions.shop", "--port", str(self.shop_port)),
                *("--database-url", self.shop_database, *arguments),
            ],
            {"SHOP_TOKEN": TOKEN},
            self.folder / "shop.log",
        )
        self.shop_port = int(str(self.shop.ready["url"]).rpartition(":")[2])

    def start_server(self) -> None:
        self.server = Process(
            ["-m", "server.cli", "serve", "--announce", "--sip-port", "0", "--http-port", "0"],
            {
                "DATABASE_URL": self.server_database,
                "FRONTDESK_DATA_DIR": str(self.folder),
                "FRONTDESK_SIP__HOST": "127.0.0.1",
                "FRONTDESK_HTTP__TOKEN": TOKEN,
                "FRONTDESK_BACKEND__URL": f"http://127.0.0.1:{self.shop_port}",
                "FRONTDESK_BACKEND__TOKEN": TOKEN,
                "FRONTDESK_LOAD__DRAIN_S": "0",
                "FRONTDESK_LOAD__FAREWELL": "",
                **self.settings,
            },
            self.folder / "server.log",
        )

    @property
    def sip(self) -> str:
        return str(self.server.ready["sip"])

    @property
    def sip_port(self) -> int:
        return int(self.sip.rpartition(":")[2])

    @property
    def streams(self) -> str:
        """Where media streams go; their port must be set."""
        return str(self.server.ready["streams"])

    def get(self, path: str) -> Any:
        """An answer of the server's API."""
        answer = httpx.get(
            f"{self.server.ready['http']}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        answer.raise_for_status()
        return answer.json()

    def order(self, number: str = "4815") -> dict[str, Any]:
        """The shop's own record."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.shop_port}/v1/orders/{number}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        answer.raise_for_status()
        return answer.json()

    def calls(self) -> list[dict[str, Any]]:
        """The latest calls with their turns, newest first."""
        return [self.get(f"/v1/calls/{call['id']}") for call in self.get("/v1/calls")]

    def last_call(self) -> dict[str, Any]:
        """The newest call, once it has ended and its record is complete."""

        def ended() -> dict[str, Any] | None:
            calls = self.get("/v1/calls?limit=1")
            if not calls or calls[0]["ended_at"] is None:
                return None
            return self.get(f"/v1/calls/{calls[0]['id']}")

        return wait_for(ended)

    def stop(self) -> None:
        for name in ("server", "shop"):
            process: Process | None = getattr(self, name, None)
            if process is not None and process.alive:
                process.stop()


def wait_for(look: Callable[[], T | None], *, timeout_s: float = 30.0) -> T:
    """Look again and again until there is something; the only waiting of these tests."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        with suppress(httpx.TransportError):
            if (found := look()) is not None:
                return found
        time.sleep(0.1)
    raise AssertionError(f"still nothing after {timeout_s:.0f} s")


@contextmanager
def system_running(
    folder: Path, server_database: str, shop_database: str, **settings: str
) -> Generator[System, None, None]:
    """Shop and server, stopped at the end."""
    system = System(folder, server_database, shop_database, settings)
    try:
        system.start_shop()
        system.start_server()
        yield system
    finally:
        system.stop()
