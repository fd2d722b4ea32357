"""The media plane: one 20 ms tick that serves every call of the process.

Ears of all calls, one batched voice activity run, mouths of all calls; when all have been sent,
what may come back of it. A call that raises is ended and reported; the others do not notice.
"""

import logging
from typing import Protocol

from voice.echo_guards import EchoGuards
from voice.ports import VoiceActivityPool

log = logging.getLogger(__name__)


class Served(Protocol):
    """What the plane serves: a call session, or a room."""

    def listen(self) -> None:
        """Take 20 ms from everyone."""
        ...

    def act(self, now_s: float) -> None:
        """Decide, and send 20 ms to everyone."""
        ...

    def end(self, reason: str) -> None:
        """End it; idempotent."""
        ...


class MediaPlane:
    """Add and remove sessions freely; call `tick` every 20 ms, and `reflect` after it.

    Attributes:
        echo_guards: for all sessions.
    """

    def __init__(self, activity: VoiceActivityPool) -> None:
        self._activity = activity
        self.echo_guards = EchoGuards()
        self._sessions: list[Served] = []

    def add(self, session: Served) -> None:
        self._sessions.append(session)

    def remove(self, session: Served) -> None:
        """Idempotent."""
        if session in self._sessions:
            self._sessions.remove(session)

    @property
    def calls(self) -> int:
        return len(self._sessions)

    def tick(self, now_s: float) -> None:
        """Serve every call for 20 ms; never raises for one call's fault."""
        sessions = tuple(self._sessions)
        for session in sessions:
            try:
                session.listen()
            except Exception:
                self._end(session)
        self._activity.run()
        for session in sessions:
            try:
                session.act(now_s)
            except Exception:
                self._end(session)

    def reflect(self, now_s: float) -> None:
        """Look for echoes of what was sent: none is asked for before the next tick."""
        self.echo_guards.run()

    def _end(self, session: Served) -> None:
        """End a session whose fault has just been raised."""
        log.exception("a call failed on the media tick and is ended")
        self.remove(session)
        session.end("internal_error")
