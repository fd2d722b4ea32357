"""Calls of the other processes, for supervisors of this one: what is shown, and what is heard."""

from itertools import count
from typing import Final
from uuid import UUID

from server.desk.board import BoardCall
from server.live_calls import Tap
from server.tie_lines.connection import Connection
from server.tie_lines.messages import Listen, Unlisten
from server.tie_lines.slack import Slack
from voice.frames import Pcm, silence
from voice.plane import MediaPlane

LISTENING: Final = 1 << 63
"""Numbers from here on are those of who listens; those below are callers'."""


class FarCalls:
    """By call id; one for all connections. Use on the event loop."""

    def __init__(self, plane: MediaPlane) -> None:
        self._plane = plane
        self._shown: dict[UUID, tuple[Connection, BoardCall]] = {}
        self._taps: dict[int, FarTap] = {}
        self._numbers = count(LISTENING)

    def rows(self) -> list[BoardCall]:
        """As the processes that have them showed them last, within a second or so."""
        return [row for _, row in self._shown.values()]

    def tappable(self, call_id: UUID) -> "FarTap | None":
        """Where this call can be listened to; None: it is over, or not far."""
        found = self._shown.get(call_id)
        return None if found is None else self.tap(call_id, found[0])

    def tap(self, call_id: UUID, connection: Connection) -> "FarTap":
        """Where a call of that process can be listened to, as long as it is up."""
        for tap in self._taps.values():
            if tap.call_id == call_id:
                return tap
        number = next(self._numbers)
        tap = self._taps[number] = FarTap(call_id, number, connection, self._plane)
        return tap

    # --- what the other processes say -------------------------------------------------------------

    def show(self, connection: Connection, rows: tuple[BoardCall, ...]) -> None:
        """These are all calls of that process."""
        self._forget(connection, kept={row.call_id for row in rows})
        self._shown |= {row.call_id: (connection, row) for row in rows}

    def heard(self, number: int, pcm: Pcm) -> None:
        """20 ms of what is listened to, shape (160,)."""
        if (tap := self._taps.get(number)) is not None:
            tap.heard(pcm)

    def gone(self, connection: Connection) -> None:
        """That process is gone, with its calls."""
        self._forget(connection, kept=set())

    def _forget(self, connection: Connection, kept: set[UUID]) -> None:
        for call_id, (shown_by, _) in tuple(self._shown.items()):
            if shown_by is connection and call_id not in kept:
                del self._shown[call_id]
        for number, tap in tuple(self._taps.items()):
            if tap.connection is connection and tap.call_id not in kept:
                tap.end("call_over")
                del self._taps[number]


class FarTap:
    """Who listens to one call: implements server.live_calls.Tappable, and voice.plane.Served.

    Its process sends both sides mixed, and only while somebody listens.
    """

    def __init__(
        self, call_id: UUID, number: int, connection: Connection, plane: MediaPlane
    ) -> None:
        self.call_id, self.connection = call_id, connection
        self._number, self._plane = number, plane
        self._taps: list[Tap] = []
        self._slack = Slack()

    def add(self, tap: Tap) -> None:
        """See Tappable."""
        if not self._taps:
            self.connection.say(Listen(number=self._number, call_id=self.call_id))
            self._plane.add(self)
        self._taps.append(tap)

    def remove(self, tap: Tap) -> None:
        """See Tappable."""
        if tap in self._taps:
            self._taps.remove(tap)
            if not self._taps:
                self.connection.say(Unlisten(number=self._number))
                self.end("nobody_listens")

    def heard(self, pcm: Pcm) -> None:
        self._slack.put(pcm)

    def listen(self) -> None:
        """See Served; what is heard comes by itself."""

    def act(self, now_s: float) -> None:
        """Tell those who listen 20 ms."""
        frame = self._slack.take()
        both = silence() if frame is None else frame
        for tap in tuple(self._taps):
            tap(both, silence())

    def end(self, reason: str) -> None:
        """Idempotent."""
        self._taps.clear()
        self._plane.remove(self)
