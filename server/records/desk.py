"""The records of the desk: hand-offs, presence, notes, dispositions, callbacks, what was overheard.

Writes go through the same spool as calls and turns: taken over when they return, in the database
soon. Queries ask the database.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from actions.database import FAILURES, Connection, Database, describe
from server.records import desk_rows as rows
from server.records.calls import CallRecord, call_from_row
from server.records.desk_facts import (
    AgentStatistics,
    CallbackPromise,
    CallbackRecord,
    CountedInterval,
    DeskDetail,
    Disposition,
    EarlierCall,
    HandOffProgress,
    HandOffRecord,
    HandOffRequest,
    Note,
    OverheardLine,
    handoff_from_row,
    interval_from_row,
)
from server.records.errors import RecordsUnavailableError
from server.records.writer import SQL, SpoolWriter

QUERY_TIMEOUT_S: Final = 5.0
LIST_LIMIT: Final = 500


class DeskRecords:
    """Writes never block or raise; every query may raise RecordsUnavailableError."""

    def __init__(
        self, database: Database, writer: SpoolWriter, *, instance: UUID, life: UUID
    ) -> None:
        """
        Args:
            instance: which server's spool folder this is.
            life: which run of that server; what it leaves open ends when another run begins.
        """
        self._database, self._writer = database, writer
        self._instance, self._life = instance, life

    # --- writes ---------------------------------------------------------------------------------

    def handoff_requested(self, request: HandOffRequest) -> None:
        """Open a hand-off; again with the same id replaces its context."""
        self._writer.accept(rows.handoff_requested(request, self._instance, self._life))

    def handoff_progressed(self, handoff_id: UUID, progress: HandOffProgress) -> None:
        self._writer.accept(rows.handoff_progressed(handoff_id, progress))

    def handoff_ended(
        self, handoff_id: UUID, progress: HandOffProgress, *, at: datetime, outcome: str
    ) -> None:
        self._writer.accept(rows.handoff_ended(handoff_id, progress, at, outcome))

    def presence_changed(self, agent: str, at: datetime, state: str, reason: str = "") -> None:
        """`state` holds from `at` on; `offline` ends the agent's day."""
        self._writer.accept(
            rows.presence_changed(agent, at, state, reason, self._instance, self._life)
        )

    def interval_counted(self, counted: CountedInterval) -> None:
        """Keep what this life counted in an interval; again replaces it."""
        self._writer.accept(rows.interval_counted(counted, self._instance, self._life))

    def note_saved(self, note: Note) -> None:
        """Keep an agent's note of a call; again replaces it."""
        self._writer.accept(rows.note_saved(note))

    def disposition_saved(self, disposition: Disposition) -> None:
        """Keep an agent's disposition of a call; again replaces it."""
        self._writer.accept(rows.disposition_saved(disposition))

    def callback_promised(self, promise: CallbackPromise) -> None:
        self._writer.accept(rows.callback_promised(promise))

    def callback_settled(self, callback_id: UUID, at: datetime, outcome: str) -> None:
        self._writer.accept(rows.callback_settled(callback_id, at, outcome))

    def overheard(self, call_id: UUID, line: OverheardLine) -> None:
        """Keep a line; the same speaker at the same moment again replaces it."""
        self._writer.accept(rows.overheard(call_id, line))

    # --- queries --------------------------------------------------------------------------------

    async def get_handoff(self, handoff_id: UUID) -> HandOffRecord | None:
        async with self._asking() as connection:
            row = await connection.fetchrow(SQL["find_handoff"], handoff_id)
        return handoff_from_row(row) if row else None

    async def list_handoffs(
        self, limit: int = 50, before: UUID | None = None, *, agent: str | None = None
    ) -> Sequence[HandOffRecord]:
        """Hand-offs, newest first.

        Args:
            limit: at most 500.
            before: the last hand-off of the page before.
            agent: only those of whoever has this id.
        """
        async with self._asking() as connection:
            found = await connection.fetch(
                SQL["list_handoffs"], min(limit, LIST_LIMIT), before, agent
            )
        return [handoff_from_row(row) for row in found]

    async def of_call(self, call_id: UUID) -> DeskDetail:
        """All of one call that happened at the desk; nothing when it did not come there."""
        async with self._asking() as connection:
            return DeskDetail(
                handoffs=[
                    handoff_from_row(row)
                    for row in await connection.fetch(SQL["handoffs_of_call"], call_id)
                ],
                notes=[
                    Note(**dict(row))
                    for row in await connection.fetch(SQL["notes_of_call"], call_id)
                ],
                dispositions=[
                    Disposition(**dict(row))
                    for row in await connection.fetch(SQL["dispositions_of_call"], call_id)
                ],
                overheard=[
                    OverheardLine(**dict(row))
                    for row in await connection.fetch(SQL["overheard_of_call"], call_id)
                ],
            )

    async def history(
        self, caller: str, *, without: UUID | None = None, limit: int = 20
    ) -> Sequence[EarlierCall]:
        """Calls of one caller, newest first.

        Args:
            caller: as in CallStart.caller.
            without: the call that is going on.
            limit: at most 500.
        """
        async with self._asking() as connection:
            found = await connection.fetch(
                SQL["caller_history"], caller, without, min(limit, LIST_LIMIT)
            )
        return [EarlierCall(**dict(row)) for row in found]

    async def agent_of_caller(self, caller: str, *, since: datetime) -> str | None:
        """Who last took a call of this caller that began since then; None: nobody did."""
        async with self._asking() as connection:
            return await connection.fetchval(SQL["agent_of_caller"], caller, since)

    async def open_callbacks(self) -> Sequence[CallbackRecord]:
        """Callbacks this server promised and has not settled, who waits longest first."""
        async with self._asking() as connection:
            found = await connection.fetch(SQL["open_callbacks"], self._instance)
        return [CallbackRecord(**dict(row)) for row in found]

    async def intervals_before(self, since: datetime) -> Sequence[CountedInterval]:
        """What earlier lives of this server counted in intervals that begin since then.

        Waits until the database has what the last life left behind.
        """
        await self._writer.set_up.wait()
        async with self._asking() as connection:
            found = await connection.fetch(
                SQL["intervals_before"], self._instance, self._life, since
            )
        return [interval_from_row(row) for row in found]

    async def agent_had_call(self, agent: str, call_id: UUID) -> bool:
        """Whether this agent took this caller at any time."""
        async with self._asking() as connection:
            return bool(await connection.fetchval(SQL["agent_had_call"], agent, call_id))

    async def calls_of_agent(
        self, agent: str, limit: int = 50, before: UUID | None = None
    ) -> Sequence[CallRecord]:
        """Calls this agent took, newest first; arguments as of list_handoffs."""
        async with self._asking() as connection:
            found = await connection.fetch(
                SQL["calls_of_agent"], min(limit, LIST_LIMIT), before, agent
            )
        return [call_from_row(row) for row in found]

    async def agent_statistics(self, since: datetime, until: datetime) -> Sequence[AgentStatistics]:
        """Every agent who was rung or present in [since, until); hand-offs count by request."""
        async with self._asking() as connection:
            found = await connection.fetch(SQL["agent_statistics"], since, until)
        return [AgentStatistics(**dict(row)) for row in found]

    @asynccontextmanager
    async def _asking(self) -> AsyncGenerator[Connection]:
        try:
            async with self._database.connection(QUERY_TIMEOUT_S) as connection:
                yield connection
        except FAILURES as error:
            raise RecordsUnavailableError(describe(error)) from error
