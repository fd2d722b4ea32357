"""vCons of calls on record: for whoever fetches one, and for the CRM when a call is over."""

import asyncio
import logging
import wave
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from server.accounts.users import User
from server.feed import Feed, Joining, Subscriber
from server.handoff.export import CallNotOverError, recorded_call, recording_at
from server.handoff.vcon import RecordingReference, VconError, vcon_of
from server.records.calls import CallDetail
from server.records.errors import RecordsUnavailableError
from server.records.records import Records

log = logging.getLogger(__name__)

_AGAIN_S: Final = 2.0  # the end of a call is on record a moment after it
_TRIES: Final = 300  # ten minutes: for so long the database may be away
_MOST_WAITING: Final = 1_000  # calls; beyond it the oldest is not told of


class VconExport:
    """
    Args:
        users: everybody with an account, for the names of agents.
        host: the fully qualified name under which this frontdesk is known.
        site: https://… by which recordings are fetched; None: vCons tell what was said by line.
    """

    def __init__(
        self,
        records: Records,
        users: Callable[[], Awaitable[Sequence[User]]],
        *,
        host: str,
        site: str | None,
    ) -> None:
        self._records, self._users, self._host, self._site = records, users, host, site

    async def of(self, call_id: UUID) -> dict[str, Any] | None:
        """The vCon of a call, JSON-ready; None: there is no such call.

        Raises:
            CallNotOverError: the call was never answered, or goes on.
            VconError: what the records hold makes no valid vCon.
            RecordsUnavailableError: the database does not answer.
        """
        found = await self._records.get_call(call_id)
        if found is None:
            return None
        call = recorded_call(
            found,
            await self._records.desk.of_call(call_id),
            host=self._host,
            names={user.key: user.name for user in await self._users()},
            recording=await self._recording(found),
        )
        return vcon_of(call, created_at=datetime.now(UTC))

    async def _recording(self, found: CallDetail) -> RecordingReference | None:
        path, site = found.call.recording_path, self._site
        if not path or site is None or not site.startswith("https://"):
            return None
        try:
            return await recording_at(Path(path), f"{site}/v1/calls/{found.call.id}/recording")
        except (OSError, wave.Error):
            return None  # gone, by the rules of how long it is kept


class EndsTold:
    """Tells of every call that is over, with its vCon, as `call.ended`; `run` it.

    A call that was never answered has no vCon, and is not told of.
    """

    def __init__(
        self,
        feed: Feed,
        vcons: VconExport,
        tell: Callable[[str, Mapping[str, Any]], object],
        *,
        joining: Joining | None = None,
        again_s: float = _AGAIN_S,
    ) -> None:
        """
        Args:
            tell: takes the kind of an event and JSON-ready data, as Webhook.send; never blocks.
            joining: the other processes, if there are any.
        """
        self._joining = joining or _nobody_joins
        self._feed, self._vcons, self._tell, self._again_s = feed, vcons, tell, again_s
        self._waiting: dict[UUID, int] = {}  # how often each was tried

    async def run(self) -> None:
        """Until cancelled."""
        with self._feed.subscribe() as events:
            async with self._joining(events):
                await self._follow(events)

    async def _follow(self, events: Subscriber) -> None:
        while True:
            try:
                async with asyncio.timeout(self._again_s if self._waiting else None):
                    event = await events.get()
            except TimeoutError:
                await self._try_all()
                continue
            if event is None:
                return
            if event["event"] == "call_ended":
                self._wait_for(UUID(event["call_id"]))

    def _wait_for(self, call_id: UUID) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            log.error("calls that are over are not told of: the database is away for too long")
        self._waiting[call_id] = 0

    async def _try_all(self) -> None:
        for call_id in tuple(self._waiting):
            self._waiting[call_id] += 1
            if await self._told(call_id) or self._waiting[call_id] >= _TRIES:
                del self._waiting[call_id]

    async def _told(self, call_id: UUID) -> bool:
        """Whether there is nothing left to do about this call."""
        try:
            vcon = await self._vcons.of(call_id)
        except CallNotOverError as error:
            return error.never_answered
        except VconError:
            log.exception("a call makes no vCon")
            return True
        except RecordsUnavailableError:
            return False
        if vcon is None:
            return False
        self._tell("call.ended", {"call_id": str(call_id), "vcon": vcon})
        return True


def _nobody_joins(events: Subscriber) -> AbstractAsyncContextManager[None]:
    return nullcontext()
