"""An agent's desk without a browser: signed in, and moved over its WebSocket."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.fakes.system import System, wait_for

PASSWORD = "correct horse battery staple"
PHONE_PASSWORD = "a phone's own secret"


def add_user(system: System, name: str, *options: str) -> None:
    """A user of a running system, as an operator makes them."""
    subprocess.run(
        [sys.executable, "-m", "server.cli", "users", "add", name, *options],
        env={
            **os.environ,
            "DATABASE_URL": system.server_database,
            "FRONTDESK_DATA_DIR": str(system.folder),
            "FRONTDESK_NEW_PASSWORD": PASSWORD,
            "FRONTDESK_NEW_PHONE_PASSWORD": PHONE_PASSWORD,
            **system.settings,
        },
        check=True,
        capture_output=True,
    )


class DeskClient:
    """One open desk; keeps all it is told, and answers pings as the page does."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, name="desk", daemon=True).start()

    def send(self, kind: str, **fields: Any) -> None:
        self._socket.send(json.dumps({"type": kind, **fields}))

    def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first message of this kind with these fields, from the beginning on."""

        def look() -> dict[str, Any] | None:
            return next((each for each in tuple(self.told) if _fits(each, kind, fields)), None)

        return wait_for(look)

    def _listen(self) -> None:
        try:
            for text in self._socket:
                message = json.loads(text)
                if message["type"] == "ping":
                    self.send("pong")
                else:
                    self.told.append(message)
        except ConnectionClosed:
            pass


def _fits(message: Mapping[str, Any], kind: str, fields: Mapping[str, Any]) -> bool:
    inside: Mapping[str, Any] = message.get("call") or message.get("agent") or {}
    return message["type"] == kind and all(
        inside.get(name, message.get(name)) == value for name, value in fields.items()
    )


@contextmanager
def desk_open(system: System, login: str) -> Generator[DeskClient, None, None]:
    """This agent's desk, signed in and connected."""
    site = str(system.server.ready["http"])
    with httpx.Client(base_url=site, headers={"Origin": site}) as client:
        signed_in = client.post("/v1/session", json={"login": login, "password": PASSWORD})
        signed_in.raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    url = f"{site.replace('http', 'ws', 1)}/desk/ws"
    with connect(url, origin=Origin(site), additional_headers={"Cookie": cookies}) as socket:
        yield DeskClient(socket)
