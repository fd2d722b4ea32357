"""Opens the way from a process that has callers to the one that has people."""

import time
from contextlib import AsyncExitStack
from pathlib import Path

from server.approvals import Approvals
from server.handoff.in_hand import HandOffDesk, NobodyThere
from server.handoff.supervision import seen
from server.lifetime import background
from server.live_calls import LiveCalls
from server.tie_lines.connection import Connection
from server.tie_lines.far_desk import FarDesk
from server.tie_lines.showing import Showing


async def reach_desk(
    parts: AsyncExitStack, path: Path | None, live: LiveCalls, approvals: Approvals
) -> HandOffDesk:
    """Where callers of this process are given to people.

    Args:
        path: the socket of the process with the desk; None: there is none.
    """
    if path is None:
        return NobodyThere()

    def showing(connection: Connection) -> Showing:
        return Showing(connection, live, approvals, row=lambda call: seen(call, time.monotonic()))

    desk = FarDesk(path, showing)
    await background(parts, desk.run(), "way to the desk")
    return desk
