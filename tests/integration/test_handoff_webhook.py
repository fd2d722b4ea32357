"""Webhooks reach a real HTTP receiver, signed, once it is there, and outlive the server."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from tenacity import stop_after_attempt, wait_fixed

from server.handoff.webhook import Webhook, WebhookOptions, verify
from server.web import serving

SECRET = "whsec_" + "c2VjcmV0IG9mIHR3ZW50eSBieXRlcw=="
NOW_S = time.time()


@dataclass
class Receiver:
    """Answers with the statuses it is given, then with 204; keeps what it took."""

    url: str = ""
    statuses: list[int] = field(default_factory=list[int])
    attempts: list[tuple[dict[str, str], bytes]] = field(
        default_factory=list[tuple[dict[str, str], bytes]]
    )
    taken: list[bytes] = field(default_factory=list[bytes])

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.attempts.append((dict(request.headers), body))
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 300:
            self.taken.append(body)
        return Response(status_code=status)

    async def until(self, done: Callable[[], bool]) -> None:
        for _ in range(2_000):
            if done():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never happened")


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver, None]:
    receiver, app = Receiver(), FastAPI()
    app.add_route("/hook", receiver.take, methods=["POST"])
    async with serving(app, "127.0.0.1", 0) as url:
        receiver.url = f"{url}/hook"
        yield receiver


def webhook(url: str, spool: Path, *, attempts: int = 5, now_s: float = NOW_S) -> Webhook:
    options = WebhookOptions(
        url=url, secret=SECRET, wait=wait_fixed(0.01), stop=stop_after_attempt(attempts)
    )
    return Webhook(options, spool, clock=lambda: now_s)


def spooled(spool: Path) -> list[str]:
    return [path.stem for path in spool.glob("*.json")]


async def test_event_arrives_signed_and_leaves_the_spool(tmp_path: Path) -> None:
    async with receiving() as receiver:
        hook = webhook(receiver.url, tmp_path)
        async with hook.running():
            identity = hook.send("handoff.requested", {"call_id": "1"})
            await receiver.until(lambda: not spooled(tmp_path) and bool(receiver.taken))
        headers, body = receiver.attempts[0]
        assert headers["webhook-id"] == identity
        assert verify(headers, body, SECRET, now_s=NOW_S + 10)
        assert not verify(headers, body + b" ", SECRET, now_s=NOW_S)
        assert not verify(headers, body, "another", now_s=NOW_S)
        assert not verify(headers, body, SECRET, now_s=NOW_S + 3600)
        assert not verify({}, body, SECRET, now_s=NOW_S)
        event = json.loads(body)
        assert (event["type"], event["data"]) == ("handoff.requested", {"call_id": "1"})


@pytest.mark.parametrize("status", [500, 503, 429, 408, 302])
async def test_receiver_in_trouble_is_asked_again_with_the_same_id(
    tmp_path: Path, status: int
) -> None:
    async with receiving() as receiver:
        receiver.statuses = [status, status]
        hook = webhook(receiver.url, tmp_path)
        async with hook.running():
            hook.send("handoff.ended", {})
            await receiver.until(lambda: bool(receiver.taken))
    assert len({headers["webhook-id"] for headers, _ in receiver.attempts}) == 1
    assert len(receiver.attempts) == 3


async def test_event_that_is_refused_for_good_is_let_go(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.statuses = [400]
        hook = webhook(receiver.url, tmp_path)
        async with hook.running():
            hook.send("handoff.ended", {"n": 1})
            hook.send("handoff.ended", {"n": 2})
            await receiver.until(lambda: bool(receiver.taken) and not spooled(tmp_path))
    assert len(receiver.attempts) == 2


async def test_event_outlives_a_server_that_could_not_deliver_it(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.statuses = [503] * 10_000
        hook = webhook(receiver.url, tmp_path, attempts=3)
        async with hook.running():
            identity = hook.send("handoff.requested", {"call_id": "1"})
            await receiver.until(lambda: len(receiver.attempts) > 3)  # and behind the others again
        receiver.statuses = []
        assert spooled(tmp_path) == [identity]
        async with webhook(receiver.url, tmp_path).running():
            await receiver.until(lambda: bool(receiver.taken) and not spooled(tmp_path))
        assert receiver.attempts[-1][0]["webhook-id"] == identity


async def test_event_of_the_last_moment_is_kept_for_the_next_life(tmp_path: Path) -> None:
    hook = webhook("http://127.0.0.1:9/nobody", tmp_path)
    async with hook.running():
        identity = hook.send("handoff.ended", {})
    assert spooled(tmp_path) == [identity]


async def test_event_that_is_too_old_is_given_up(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.statuses = [503] * 10_000
        hook = webhook(receiver.url, tmp_path, attempts=1, now_s=NOW_S + 7 * 24 * 3600)
        async with hook.running():
            hook.send("handoff.ended", {})
            await receiver.until(lambda: bool(receiver.attempts) and not spooled(tmp_path))
    assert receiver.taken == []


async def test_disk_that_does_not_keep_up_holds_up_nobody(tmp_path: Path) -> None:
    hook = webhook("http://127.0.0.1:9/nobody", tmp_path, attempts=1)
    sent = [hook.send("handoff.ended", {"n": n}) for n in range(1_001)]
    assert sent[-1] is None, "the queue has no end"
    assert all(sent[:-1])


def test_secret_is_not_shown() -> None:
    assert "c2Vj" not in repr(WebhookOptions(url="https://crm.example.com", secret=SECRET))
