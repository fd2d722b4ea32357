"""The desk of one agent as its page sees it: signed in over HTTP, then messages on a WebSocket.

async with Desk.open(url, login, password) as desk:
    await desk.set_ready()
    offer = await desk.offered(timeout_s=30)
    desk.send("accept", offer_id=offer.offer_id)

The state shown is whole in every message, so that the latest of each kind is what there is.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from loadtest.transfer.errors import AgentError

T = TypeVar("T")
_TIMEOUT_S: Final = 20.0
_CLOSE_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOffer:
    """A caller on the screen."""

    offer_id: str
    call_id: str
    handoff_id: str
    caller: str  # the URI they called from
    requested_unix_s: float  # when the server was asked for a person, by the wall's clock
    summary: tuple[str, ...]
    at_s: float  # when it was shown, by the event loop's clock
    unix_s: float  # the same by the wall's

    @property
    def requested_ago_s(self) -> float:
        """From the request to the screen; both clocks must be of one machine."""
        return self.unix_s - self.requested_unix_s


async def signed_in(url: str, login: str, password: str) -> httpx.AsyncClient:
    """A client with this user's session; to be closed.

    Raises:
        AgentError: refused, or the server does not answer.
    """
    client = httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=_TIMEOUT_S)
    try:
        answer = await client.post("/v1/session", json={"login": login, "password": password})
    except httpx.HTTPError as error:
        await client.aclose()
        raise AgentError(f"{login} cannot sign in: {error}") from error
    if answer.is_error:
        await client.aclose()
        raise AgentError(f"{login} cannot sign in: {answer.status_code} {answer.text[:200]}")
    return client


class Desk:
    """One open page; the last of each kind of message is kept.

    Attributes:
        agent: the agent as the server shows them; presence, away_reason, ….
        call: the call on the desk; None: none.
        wrap_up: a call that waits for its disposition; None: none.
        errors: what was refused, in order.
        closed: the code the server closed with; None while it is open.
    """

    def __init__(self, client: httpx.AsyncClient, socket: ClientConnection) -> None:
        self._client, self._socket = client, socket
        self.agent: dict[str, Any] = {}
        self.call: dict[str, Any] | None = None
        self.wrap_up: dict[str, Any] | None = None
        self.errors: list[str] = []
        self.closed: int | None = None
        self._offer: DeskOffer | None = None
        self._changed = asyncio.Condition()
        self._deaf = False
        self._reading = asyncio.create_task(self._read(), name="desk")

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url: str, login: str, password: str) -> AsyncGenerator["Desk"]:
        """Sign in and open the desk; leaving closes the page.

        Raises:
            AgentError: the desk does not open.
        """
        client = await signed_in(url, login, password)
        parts = urlsplit(url)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        scheme = "wss" if parts.scheme == "https" else "ws"
        try:
            socket = await connect(
                f"{scheme}://{parts.netloc}/desk/ws",
                origin=url,  # pyright: ignore[reportArgumentType]  a NewType of str
                additional_headers={"Cookie": cookies},
                open_timeout=_TIMEOUT_S,
                close_timeout=_CLOSE_S,
                ping_interval=None,
            )
        except (OSError, InvalidHandshake, TimeoutError) as error:
            await client.aclose()
            raise AgentError(f"the desk of {login} does not open: {error}") from error
        desk = cls(client, socket)
        try:
            await desk.until(lambda: desk.agent or None, "the desk's first message")
            yield desk
        finally:
            await desk.close()

    async def close(self) -> None:
        """Close the page; idempotent."""
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._client.aclose()

    def vanish(self) -> None:
        """Answer nothing more, without a word: a cut cable."""
        self._deaf = True

    # --- what the agent does ----------------------------------------------------------------------

    async def send(self, kind: str, **fields: Any) -> None:
        """One message of the page; on a desk that is closed or cut off it is lost."""
        if self._deaf:
            return
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(json.dumps({"type": kind, **fields}))

    async def set_ready(self) -> None:
        """Take callers.

        Raises:
            AgentError: the desk does not become ready.
        """
        await self.send("presence", ready=True)
        await self.until(lambda: self.agent["presence"] == "ready" or None, "being ready")

    async def set_away(self, reason: str = "break") -> None:
        """Take no caller.

        Raises:
            AgentError: the desk does not become away.
        """
        await self.send("presence", ready=False, away_reason=reason)
        await self.until(lambda: self.agent["presence"] == "away" or None, "being away")

    async def connect_audio(self, offer: DeskOffer, offer_sdp: str) -> str:
        """Exchange SDP for the audio of this call; returns the answer.

        Raises:
            AgentError: refused.
        """
        body = {"type": "offer", "sdp": offer_sdp, "offer_id": offer.offer_id}
        try:
            answer = await self._client.post("/v1/desk/rtc", json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise AgentError(f"the desk's audio was not taken: {error}") from error
        return str(answer.json()["sdp"])

    async def offered(self, *, timeout_s: float) -> DeskOffer:
        """The next caller who is offered; each is given once.

        Raises:
            AgentError: nobody was, in this time.
        """
        offer = await self.until(lambda: self._offer, "a caller", timeout_s=timeout_s)
        self._offer = None
        return offer

    async def until(
        self, look: Callable[[], T | None], what: str, *, timeout_s: float = _TIMEOUT_S
    ) -> T:
        """Wait until `look` finds something in what the desk shows.

        Raises:
            AgentError: it was not to be seen in this time, or the desk closed; says `what`.
        """
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while (found := look()) is None:
                    if self.closed is not None:
                        raise AgentError(f"the desk closed ({self.closed}) instead of {what}")
                    await self._changed.wait()
                return found
        except TimeoutError:
            shown = f"presence {self.agent.get('presence')}, errors {self.errors}"
            raise AgentError(f"not within {timeout_s:.0f} s: {what}; {shown}") from None

    # --- what the server says ---------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                if self._deaf:
                    continue
                message = json.loads(text)
                if message["type"] == "ping":
                    await self.send("pong")
                else:
                    self._take(message)
                    await self._tell()
        except ConnectionClosed:
            pass
        finally:
            self.closed = self._socket.close_code or 1006
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "hello":
                self.agent, self.call = message["agent"], message["call"]
                self.wrap_up = message["wrap_up"]
                if self.call is not None and message["context"] is not None:
                    self._offer = _offer(self.call, message["context"])
            case "presence":
                self.agent = message["agent"]
            case "offer":
                self.call = message["call"]
                self._offer = _offer(message["call"], message["context"])
            case "offer_withdrawn":
                self.call = self._offer = None
            case "call":
                self.call = message["call"]
            case "wrap_up":
                self.wrap_up, self.call = message["wrap_up"], None
            case "error":
                self.errors.append(f"{message['answers']}: {message['code']}")
            case _:
                pass


def _offer(call: dict[str, Any], context: dict[str, Any]) -> DeskOffer:
    return DeskOffer(
        offer_id=call["offer_id"],
        call_id=call["call_id"],
        handoff_id=context["handoff_id"],
        caller=context["caller"],
        requested_unix_s=datetime.fromisoformat(context["requested_at"]).timestamp(),
        summary=tuple(context["summary"]),
        at_s=asyncio.get_running_loop().time(),
        unix_s=time.time(),
    )
