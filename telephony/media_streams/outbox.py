"""Our audio between the tick and the WebSocket: never more than 200 ms of it.

The tick puts a frame in whatever the network does; one writer takes them out. When the network
stalls and the queue is full, the oldest frame gives way. Once it moves again the carrier gets all
that had piled up on the way at once and would play it late, and everything after it for the rest of
the call: so the writer first clears the carrier's buffer, and goes on with the newest frames.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

_MOST: Final = 10  # frames, 200 ms: what waits longer is not worth sending
_FRESH: Final = 2  # frames that are still sent after a stall


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAudio:
    payload: bytes  # µ-law, 20 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAudio:
    """What the carrier has not played is out of date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMark:
    name: str


Outgoing: TypeAlias = SendAudio | ClearAudio | SendMark


class Outbox:
    """A bounded queue from one tick to one writer."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._mark: str | None = None  # the last thing that will be sent
        self._stalled = False
        self._filled = asyncio.Event()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that were never sent."""
        return self._dropped

    def put(self, payload: bytes) -> None:
        """Queue 20 ms of µ-law audio; the oldest gives way when 200 ms are waiting."""
        if self._mark is not None:
            return
        if len(self._frames) == _MOST:
            self._frames.popleft()
            self._dropped += 1
            self._stalled = True
        self._frames.append(payload)
        self._filled.set()

    def finish(self, mark: str) -> None:
        """Queue a mark behind all audio; nothing is taken in after it."""
        self._mark = mark
        self._filled.set()

    async def get(self) -> Outgoing:
        """The next thing to send; waits for one, for ever after the mark."""
        await self._filled.wait()
        if self._stalled:
            self._stalled = False
            while len(self._frames) > _FRESH:
                self._frames.popleft()
                self._dropped += 1
            return ClearAudio()
        if self._frames:
            outgoing: Outgoing = SendAudio(payload=self._frames.popleft())
            if not self._frames and self._mark is None:
                self._filled.clear()
            return outgoing
        assert self._mark is not None
        mark, self._mark = self._mark, ""
        self._filled.clear()
        return SendMark(name=mark)
