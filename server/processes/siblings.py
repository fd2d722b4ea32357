"""What workers of one server ask each other: metrics, events, and to take a call from the page.

Each worker serves that on a Unix socket in a folder that only their user can enter. Whoever is
asked over HTTP by the world asks the others, and answers for all. A sibling that does not answer
is left out: it is being started again. The recogniser, where they share one, is asked as they are.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from server.feed import Feed, Subscriber
from server.lifetime import background
from server.listening import unix_listener
from server.phone_line import OwnPhoneLine
from server.processes import exposition
from server.processes.page_calls import SpreadPhoneLine, page_calls_router
from server.processes.table import Count, LineTable
from server.recognition.inheritance import NAME as RECOGNISER
from server.recognition.look import shown_by
from server.web import serving_on

_ANSWER_S: Final = 1.0  # whoever scrapes waits no longer than 10 s, by default
_AGAIN_S: Final = 1.0  # before a sibling that is not there is tried again
_BEAT_S: Final = 15.0  # a connection whose other end is gone is noticed so soon


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a worker shows its siblings."""

    metrics: Callable[[], str]  # its exposition
    feed: Feed
    phone: OwnPhoneLine | None = None  # what takes calls from the page; None: there is no page


class Siblings:
    """The other workers, as one of them sees them.

    Args:
        folder: of the sockets.
        number: our own.
        recogniser: the socket of the one that all share, if they do.
    """

    def __init__(
        self, folder: Path, *, number: int, table: LineTable, recogniser: Path | None = None
    ) -> None:
        self._folder, self._number, self._table = folder, number, table
        self._recogniser = recogniser
        self._others = {
            other: _client(folder, other) for other in range(table.workers) if other != number
        }
        self._open = asyncio.Event()

    @asynccontextmanager
    async def answering(self, shown: Shown) -> AsyncGenerator[None, None]:
        """Answer the others meanwhile."""
        path = _socket(self._folder, self._number)
        async with AsyncExitStack() as parts:
            listener = parts.enter_context(unix_listener(path))
            for client in self._others.values():
                await parts.enter_async_context(client)
            await parts.enter_async_context(serving_on(_app(shown), listener))
            self._open.set()
            yield
        with suppress(OSError):  # others are still there, or the parent was faster
            self._folder.rmdir()

    async def exposition(self, own: str) -> str:
        """The metrics of all, and what the parent counted."""
        asked = {str(other): self._ask(other) for other in self._others}
        if self._recogniser is not None:
            asked[RECOGNISER] = shown_by(self._recogniser, within_s=_ANSWER_S)
        answers = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        answers[str(self._number)] = own
        found = {process: text for process, text in sorted(answers.items()) if text}
        up = {process: float(process in found) for process in sorted(answers)}
        return exposition.merged(found) + self._parents(up)

    @asynccontextmanager
    async def joining(self, subscriber: Subscriber) -> AsyncGenerator[None, None]:
        """Whoever follows our feed follows those of the others too, meanwhile."""
        async with AsyncExitStack() as parts:
            for other in self._others:
                take = partial(Feed.offer, subscriber)
                await background(parts, self.follow(other, take), f"feed of {other}")
            yield

    def phone_line(self, own: OwnPhoneLine) -> SpreadPhoneLine:
        """The page's calls, of all of us."""
        return SpreadPhoneLine(
            own, number=self._number, table=self._table, client=self._others.__getitem__
        )

    async def follow(self, other: int, take: Callable[[dict[str, Any]], None]) -> None:
        """Take what happens in another one's calls, until cancelled."""
        await self._open.wait()
        while True:
            with suppress(httpx.HTTPError):
                async for event in self._events(other):
                    take(event)
            await asyncio.sleep(_AGAIN_S)

    async def _ask(self, other: int) -> str | None:
        try:
            answer = await self._others[other].get("/metrics", timeout=_ANSWER_S)
        except httpx.HTTPError:
            return None
        return answer.text

    async def _events(self, other: int) -> AsyncIterator[dict[str, Any]]:
        client = self._others[other]
        async with client.stream("GET", "/events", timeout=2 * _BEAT_S) as answer:
            async for line in answer.aiter_lines():
                if line:
                    yield json.loads(line)

    def _parents(self, up: Mapping[str, float]) -> str:
        def counted(name: str, about: str, what: Count) -> str:
            return exposition.counter(f"frontdesk_{name}", about, self._table.counted(what))

        remembered = {"": float(self._table.counted(Count.REMEMBERED))}
        return "".join(
            (
                exposition.gauge(
                    "frontdesk_process_up", "Whether a process answers", up, exposition.LABEL
                ),
                exposition.gauge("frontdesk_call_ids", "Call-IDs that are remembered", remembered),
                counted("sip_passed", "Datagrams passed to a process", Count.PASSED),
                counted("sip_asked_again", "Calls that a process passed on", Count.ASKED_AGAIN),
                counted("sip_dropped_no_sip", "Datagrams that were nobody's", Count.NO_SIP),
                counted("sip_dropped_full", "Datagrams a process had no room for", Count.NO_ROOM),
                counted("process_restarts", "Processes started again", Count.RESTARTS),
            )
        )


def _client(folder: Path, other: int) -> httpx.AsyncClient:
    # No TLS on this way, whose certificates take 10 ms to load; and no connection that is kept,
    # since whoever is at its other end may have died and be back.
    transport = httpx.AsyncHTTPTransport(
        uds=str(_socket(folder, other)),
        verify=False,
        limits=httpx.Limits(max_keepalive_connections=0),
    )
    return httpx.AsyncClient(transport=transport, base_url="http://sibling")


def _socket(folder: Path, number: int) -> Path:
    return folder / f"{number}.sock"


def _app(shown: Shown) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/metrics")
    async def metrics() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Response(shown.metrics(), media_type="text/plain")

    @app.get("/events")
    async def events() -> StreamingResponse:  # pyright: ignore[reportUnusedFunction]
        return StreamingResponse(_lines(shown.feed), media_type="application/x-ndjson")

    if shown.phone is not None:
        app.include_router(page_calls_router(shown.phone))
    return app


async def _lines(feed: Feed) -> AsyncIterator[str]:
    """An event a line; an empty one now and then, so that the end of either side is noticed."""
    with feed.subscribe() as subscriber:
        while True:
            try:
                async with asyncio.timeout(_BEAT_S):
                    event = await subscriber.get()
            except TimeoutError:
                yield "\n"
            else:
                if event is None:
                    return
                yield f"{json.dumps(event, default=str)}\n"
