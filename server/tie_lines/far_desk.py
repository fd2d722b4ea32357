"""Home's side: callers who want a person, when people are in another process.

The caller's line and recording stay here; what they say and hear goes through the tie line on each
tick. When the desk's process dies, whoever was there is frontdesk's again, in the middle of the
call: nobody loses a caller.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from server.handoff.in_hand import CallInHand, CallOver, HandOffOutcome
from server.handoff.leg_abilities import press
from server.handoff.story import Deed
from server.tie_lines.away import Away
from server.tie_lines.connection import Connection
from server.tie_lines.messages import (
    Audio,
    Brought,
    Decide,
    Ended,
    HangUp,
    Happened,
    Listen,
    Message,
    Over,
    Press,
    Refer,
    Referred,
    Unlisten,
)
from server.tie_lines.showing import Showing
from telephony.leg import LegGoneError
from telephony.sip.errors import SipError
from telephony.sip.replaces import parse_replaces
from telephony.sip.user_to_user import parse_user_to_user
from telephony.sip_call_leg import SipCallLeg
from voice.events import HandOff

log = logging.getLogger(__name__)

_AGAIN_S: Final = 0.1  # before a desk that is not there is tried again
_PATIENCE_S: Final = 6.0  # of a caller whom nobody can be asked about: it may be starting again


class FarDesk:
    """Implements HandOffDesk; `run` must go on meanwhile. Made for one event loop."""

    def __init__(
        self,
        path: Path,
        showing: Callable[[Connection], Showing],
        *,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """
        Args:
            path: the socket of server.tie_lines.service.
            showing: what shows our calls there, for a connection that is up.
            patience_s: how long a caller is kept while the desk's process is not there.
        """
        self._path, self._showing, self._patience_s = path, showing, patience_s
        self._numbers = count(1)
        self._away: dict[int, Away] = {}
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the connection, until cancelled."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(str(self._path))
                try:
                    await self._keep(Connection(reader, writer))
                except Exception:
                    log.exception("a tie line ended by a defect and is made anew")
            await asyncio.sleep(_AGAIN_S)

    async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
        """See HandOffDesk."""
        number = next(self._numbers)
        away = self._away[number] = Away(number, call)
        try:
            connection = await self._reached(away)
            if connection is None:
                away.is_lost()
            else:
                away.leaves(connection)
                call.story.on_deed = _teller(connection, number)
                connection.say(_brought(number, call, handoff))
            return away.end_of(await away.outcome)
        finally:
            call.story.on_deed = None
            del self._away[number]
            away.is_back()

    def end(self, call_id: UUID, reason: str) -> None:
        """See HandOffDesk."""
        for number, away in self._away.items():
            if away.call.call_id == call_id:
                if away.connection is None:
                    away.settle(CallOver(reason=reason))
                else:
                    away.connection.say(Ended(number=number, reason=reason))

    async def _reached(self, away: Away) -> Connection | None:
        """The desk, as soon as it can be asked; None: it cannot, or the caller has left."""
        up = asyncio.ensure_future(self._up.wait())
        await asyncio.wait(
            {up, away.outcome}, timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED
        )
        up.cancel()
        return None if away.outcome.done() else self._connection

    # --- the connection -------------------------------------------------------------------------

    async def _keep(self, connection: Connection) -> None:
        self._connection, showing = connection, self._showing(connection)
        self._up.set()
        shown = asyncio.create_task(showing.run(), name="calls shown to the desk")
        try:
            async for message in connection.messages():
                if isinstance(message, Listen | Unlisten | Decide):
                    showing.take(message)
                else:
                    self._take(message)
        finally:
            shown.cancel()
            showing.close()
            self._connection = None
            self._up.clear()
            connection.close()
            self._all_back(connection)

    def _all_back(self, connection: Connection) -> None:
        lost = [each for each in self._away.values() if each.connection is connection]
        if lost:
            log.error("the process with the desk is gone", extra={"callers": len(lost)})
        for away in lost:
            away.is_lost()

    def _take(self, message: Message) -> None:
        match message:
            case Audio(frames=frames):
                for number, pcm in frames:
                    if (away := self._away.get(number)) is not None:
                        away.slack.put(pcm)
            case Over() | Press() | Refer() | HangUp():
                away = self._away.get(message.number)
                if away is not None:  # else the caller has left, and the desk will hear so
                    self._obey(away, message)
            case _:
                raise TypeError(f"{type(message).__name__} is not for home")

    def _obey(self, away: Away, message: Over | Press | Refer | HangUp) -> None:
        leg = away.call.leg
        match message:
            case Over(outcome=outcome, told=told):
                away.call.story.retell(told)
                away.comes_home(outcome)
            case Press(key=key):
                if (why := press(leg, key)) is not None:
                    log.info("a key was not sent", extra={"cause": why})
            case Refer():
                self._spawn(_refer(away, message))
            case HangUp(reason=reason):
                self._spawn(leg.hang_up(reason))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _brought(number: int, call: CallInHand, handoff: HandOff) -> Brought:
    return Brought(
        number=number,
        handoff=handoff,
        call_id=call.call_id,
        info=call.info,
        started_at=call.started_at,
        answered_at_s=call.answered_at_s,
        reports_keys=call.leg.reports_keys,
        standing=call.standing(),
        told=call.story.told,
    )


def _teller(connection: Connection, number: int) -> Callable[[Deed], None]:
    return lambda deed: connection.say(Happened(number=number, deed=deed))


async def _refer(away: Away, asked: Refer) -> None:
    """Ask the caller's phone, and tell the desk what becomes of it."""
    leg, connection = away.call.leg, away.connection
    if connection is None:
        return

    def tell(status: int | None) -> None:
        connection.say(Referred(number=asked.number, status=status))

    if not isinstance(leg, SipCallLeg):
        tell(501)
    else:
        replaces, token = asked.replaces, asked.user_to_user
        try:
            referral = await leg.call.refer(
                asked.target,
                replaces=None if replaces is None else parse_replaces(replaces),
                user_to_user=None if token is None else parse_user_to_user(token),
            )
        except (LegGoneError, SipError) as error:
            log.warning("a REFER could not be sent", extra={"cause": str(error)})
            tell(400)
        else:
            async for status in referral:
                tell(status)
    tell(None)
