"""Signed webhooks: what happens in hand-offs, told to a CRM (Standard Webhooks 1.0).

`send` only puts the event into a queue, so that no call ever waits. One worker writes each event
to the spool, others deliver from there and take it off when the receiver has it: a restart loses
nothing that was written, and the receiver may get an event twice, with the same webhook-id. What a
receiver refuses for good (4xx but 408, 425, 429) is not tried again.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_base

log = logging.getLogger(__name__)

_ENCODED: Final = "whsec_"  # how a secret in base64 begins
_WAITING: Final = 1_000  # events for the disk; beyond it the newest is dropped
_SPOOLED: Final = 100_000  # events for the receiver; beyond it they wait for the next start
_AT_ONCE: Final = 4  # deliveries: one that hangs must not hold up the others
_AGAIN: Final = frozenset({408, 425, 429})
_TOO_OLD_S: Final = 3 * 24 * 3600.0  # a weekend: nobody acts on a hand-off older than that
_STEP_BACK_AFTER_S: Final = 600.0  # behind the other events, which may fare better
_LONGEST_WAIT_S: Final = 60.0


class WebhookRefusedError(Exception):
    """The receiver does not want this event; trying again would not help."""


class WebhookFailedError(Exception):
    """The event did not arrive this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """secret: what both ends know; `whsec_` and base64, or any text."""

    url: str
    secret: str = field(repr=False)
    timeout_s: float = 10.0
    wait: wait_base = field(
        default_factory=lambda: wait_random_exponential(multiplier=1, max=_LONGEST_WAIT_S)
    )
    stop: stop_base = field(default_factory=lambda: stop_after_delay(_STEP_BACK_AFTER_S))


class Webhook:
    """Tells one receiver; enter `running` to have events delivered."""

    def __init__(
        self, options: WebhookOptions, spool: Path, *, clock: Callable[[], float] = time.time
    ) -> None:
        """
        Args:
            spool: a folder on a disk that survives, made when it is not there; one server each.
            clock: seconds since 1970, for the signatures.
        """
        self._options, self._spool, self._clock = options, spool, clock
        self._key = _key_of(options.secret)
        self._unkept: dict[str, bytes] = {}  # sent, and not yet in the spool
        self._sent: asyncio.Queue[str] = asyncio.Queue(_WAITING)
        self._ready: asyncio.Queue[str] = asyncio.Queue(_SPOOLED)

    def send(self, kind: str, data: Mapping[str, Any]) -> str | None:
        """Tell of an event, as `handoff.requested`; never blocks, never raises for the network.

        Returns:
            Its webhook-id; None when the disk is so far behind that the event was dropped.
        """
        identity = f"msg_{uuid4().hex}"
        at = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        body = json.dumps({"type": kind, "timestamp": at, "data": data}).encode()
        if self._sent.full():
            log.error("a webhook was dropped: the disk does not keep up", extra={"kind": kind})
            return None
        self._unkept[identity] = body
        self._sent.put_nowait(identity)
        return identity

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Deliver meanwhile, first what an earlier life left in the spool."""
        async with httpx.AsyncClient(timeout=self._options.timeout_s) as client:
            task = asyncio.create_task(self._run(client), name="webhook")
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait({task})
                await asyncio.to_thread(self._keep_rest)

    # --- the workers ------------------------------------------------------------------------------

    async def _run(self, client: httpx.AsyncClient) -> None:
        for identity in await asyncio.to_thread(self._left):
            self._make_ready(identity)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep())
            for _ in range(_AT_ONCE):
                group.create_task(self._deliver(client))

    async def _keep(self) -> None:
        """Write what is sent to the spool, whatever becomes of its delivery."""
        while True:
            identity = await self._sent.get()
            try:
                await asyncio.to_thread(_write, self._path(identity), self._unkept[identity])
            except OSError:
                log.exception("a webhook cannot be kept", extra={"id": identity})
            else:
                self._make_ready(identity)
            del self._unkept[identity]

    def _make_ready(self, identity: str) -> None:
        if self._ready.full():  # it stays in the spool, and is delivered by the next life
            log.error("webhooks pile up; the receiver has not answered for long")
        else:
            self._ready.put_nowait(identity)

    async def _deliver(self, client: httpx.AsyncClient) -> None:
        while True:
            identity = await self._ready.get()
            path = self._path(identity)
            try:
                await self._attempts(client, identity, await asyncio.to_thread(path.read_bytes))
            except RetryError:
                if await asyncio.to_thread(self._is_young, path):
                    self._make_ready(identity)  # behind the others, which may fare better
                    continue
                log.error("a webhook was given up: it is too old", extra={"id": identity})  # noqa: TRY400
            except WebhookRefusedError as refused:
                log.error("a webhook was refused", extra={"id": identity, "why": str(refused)})  # noqa: TRY400
            except OSError:
                log.exception("a webhook cannot be read", extra={"id": identity})
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _attempts(self, client: httpx.AsyncClient, identity: str, body: bytes) -> None:
        async for attempt in AsyncRetrying(
            wait=self._options.wait,
            stop=self._options.stop,
            retry=retry_if_exception_type(WebhookFailedError),
        ):
            with attempt:
                await self._post(client, identity, body)

    async def _post(self, client: httpx.AsyncClient, identity: str, body: bytes) -> None:
        at_s = int(self._clock())  # of this attempt: receivers refuse old ones
        headers = {
            "content-type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": str(at_s),
            "webhook-signature": f"v1,{_signature(self._key, identity, at_s, body)}",
        }
        try:
            answer = await client.post(self._options.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise WebhookFailedError(str(error)) from error
        if answer.is_success:
            return
        if answer.is_client_error and answer.status_code not in _AGAIN:
            raise WebhookRefusedError(f"status {answer.status_code}")
        raise WebhookFailedError(f"status {answer.status_code}")

    # --- the spool, on a thread -------------------------------------------------------------------

    def _path(self, identity: str) -> Path:
        return self._spool / f"{identity}.json"

    def _is_young(self, path: Path) -> bool:
        return path.exists() and self._clock() - path.stat().st_mtime < _TOO_OLD_S

    def _left(self) -> list[str]:
        """Ids of what an earlier life did not deliver, oldest first."""
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = sorted(self._spool.glob("msg_*.json"), key=lambda path: path.stat().st_mtime)
        return [path.stem for path in found]

    def _keep_rest(self) -> None:
        """Keep what was sent at the last moment for the next life."""
        for identity, body in self._unkept.items():
            try:
                _write(self._path(identity), body)
            except OSError:
                log.exception("a webhook cannot be kept", extra={"id": identity})


def verify(
    headers: Mapping[str, str], body: bytes, secret: str, *, now_s: float, tolerance_s: float = 300
) -> bool:
    """Is this webhook from who knows the secret, and not an old one sent again?

    Args:
        headers: names in small letters.
    """
    try:
        identity, at_s = headers["webhook-id"], int(headers["webhook-timestamp"])
        signatures = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    if abs(now_s - at_s) > tolerance_s:
        return False
    expected = f"v1,{_signature(_key_of(secret), identity, at_s, body)}".encode()
    return any(hmac.compare_digest(each.encode(), expected) for each in signatures)


def _signature(key: bytes, identity: str, at_s: int, body: bytes) -> str:
    signed = b".".join((identity.encode(), str(at_s).encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key_of(secret: str) -> bytes:
    """The bytes of a secret: decoded when it is written as the standard wants it."""
    if secret.startswith(_ENCODED):
        try:
            return base64.b64decode(secret.removeprefix(_ENCODED), validate=True)
        except binascii.Error:
            log.warning("the webhook's secret is no base64 behind whsec_; it is taken as text")
    return secret.encode()


def _write(path: Path, body: bytes) -> None:
    """All of it or nothing, readable by us alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A write that was abandoned at shutdown may still be going on in its own thread.
    part = path.with_suffix(f".{threading.get_ident()}.part")
    part.touch(mode=0o600)
    part.write_bytes(body)
    part.replace(path)
