"""The Pipecat bot that benches measure beside frontdesk, as a process of its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_START_S: Final = 60.0  # a cold start imports Pipecat and its models


class Peer(StrEnum):
    """Which Pipecat bot is called by the same callers."""

    NONE = "none"  # frontdesk alone
    SHIPPED = "shipped"  # every default
    TUNED = "tuned"  # as its documentation allows
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPeer:
    url: str  # its WebSocket
    pid: int


def variants(peer: Peer) -> tuple[bool, ...]:
    """Which bots to call, by whether they are tuned."""
    return {
        Peer.NONE: (),
        Peer.SHIPPED: (False,),
        Peer.TUNED: (True,),
        Peer.BOTH: (False, True),
    }[peer]


def peer_name(*, tuned: bool) -> str:
    """What tables call it."""
    return "Pipecat, tuned" if tuned else "Pipecat, as shipped"


@asynccontextmanager
async def running_peer(folder: Path, *, tuned: bool) -> AsyncGenerator[RunningPeer, None]:
    """A Pipecat bot that takes calls; its log goes to `folder`, which must exist.

    Raises:
        StartError: it did not come up.
    """
    from server.demo_shop import first_line, start_child, stop_child

    log = folder / "pipecat.log"
    command = ("-m", "loadtest.peer.pipecat_bot", *(("--tuned",) if tuned else ()))
    process = await start_child(command, log=log, environment={})
    try:
        ready = await first_line(process, timeout_s=_START_S, what="the Pipecat bot", log=log)
        yield RunningPeer(url=str(ready["url"]), pid=process.pid)
    finally:
        await stop_child(process)
