"""What a process shows the one with the desk of its calls, and what supervisors do with it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from uuid import UUID

from server.approvals import Approvals, NothingToDecideError
from server.desk.board import BoardCall
from server.live_calls import LiveCall, LiveCalls, Tap, both_sides
from server.tie_lines.connection import Connection
from server.tie_lines.messages import Awaited, Awaiting, Decide, Listen, Seen, Unlisten
from voice.frames import Pcm

log = logging.getLogger(__name__)

_EVERY_S: Final = 1.0  # as often as boards look


class Showing:
    """On one connection; `run` as long as it is up, then `close`. Made for one event loop."""

    def __init__(
        self,
        connection: Connection,
        live: LiveCalls,
        approvals: Approvals,
        row: Callable[[LiveCall], BoardCall],
    ) -> None:
        """
        Args:
            row: how a call is shown that no person has.
        """
        self._connection, self._live, self._approvals = connection, live, approvals
        self._row = row
        self._tapped: dict[int, tuple[UUID, Tap]] = {}

    async def run(self) -> None:
        """Show all, and again every second, until cancelled."""
        self._approvals.on_change = self._changed
        self._show_pending()
        while True:
            self._connection.say(Seen(calls=tuple(self._row(each) for each in self._live)))
            await asyncio.sleep(_EVERY_S)

    def take(self, message: Listen | Unlisten | Decide) -> None:
        match message:
            case Listen(number=number, call_id=call_id):
                self._listen(number, call_id)
            case Unlisten(number=number):
                self._unlisten(number)
            case Decide():
                try:
                    self._approvals.decide(
                        message.call_id, message.action_id, approved=message.approved
                    )
                except NothingToDecideError:
                    log.info("what was decided does not wait any more")

    def close(self) -> None:
        """Nobody listens any more."""
        for number in tuple(self._tapped):
            self._unlisten(number)

    def _listen(self, number: int, call_id: UUID) -> None:
        call = self._live.get(call_id)
        if call is None:
            return  # it is over, as the next list will show

        def tap(caller: Pcm, ours: Pcm) -> None:
            self._connection.sound(number, both_sides(caller, ours))

        call.tapped.add(tap)
        self._tapped[number] = call_id, tap

    def _unlisten(self, number: int) -> None:
        call_id, tap = self._tapped.pop(number, (None, None))
        if call_id is not None and tap is not None and (call := self._live.get(call_id)):
            call.tapped.remove(tap)

    def _changed(self, call_id: UUID) -> None:
        self._show_pending()

    def _show_pending(self) -> None:
        awaited = tuple(
            Awaited(
                id=each.id,
                call_id=each.call_id,
                action=each.action,
                detail=each.detail,
                since_s=each.since_s,
            )
            for each in self._approvals.pending()
        )
        self._connection.say(Awaiting(actions=awaited))
