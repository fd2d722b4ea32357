"""What agents write down and look up, on the server's records: server.desk.ports.DeskActions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from server.desk.errors import RefusedError
from server.desk.http_messages import EarlierCall
from server.desk.protocol import Choice, TransferTarget
from server.handoff.approving import Decide
from server.handoff.callbacks import dialable
from server.handoff.next_steps import spoken_name
from server.live_calls import LiveCalls
from server.records.desk import DeskRecords
from server.records.desk_facts import Disposition, Note
from server.records.desk_facts import EarlierCall as KeptCall
from server.records.errors import RecordsUnavailableError

_EARLIER: Final = 10  # calls of the same caller: more than an agent can read while it rings


Names: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
"""May raise RecordsUnavailableError."""


class DeskRecordsPort:
    """Implements DeskActions.

    Args:
        decide: lets a pending action go on, or refuses it.
        names: what people are called, by the key of their account.
        targets: queues and numbers that every agent may give a call to.
    """

    def __init__(
        self,
        records: DeskRecords,
        live: LiveCalls,
        decide: Decide,
        names: Names,
        targets: Sequence[TransferTarget] = (),
    ) -> None:
        self._records, self._live, self._targets = records, live, tuple(targets)
        self._decide, self._names = decide, names

    async def save_note(self, call_id: UUID, agent_id: str, text: str) -> None:
        """See DeskActions."""
        self._records.note_saved(
            Note(call_id=call_id, agent=agent_id, text=text, saved_at=datetime.now(UTC))
        )

    async def set_disposition(self, call_id: UUID, agent_id: str, chosen: Choice) -> None:
        """See DeskActions."""
        self._records.disposition_saved(
            Disposition(
                call_id=call_id,
                agent=agent_id,
                code=chosen.code,
                text=chosen.label,  # as it was called then: the list may be another one later
                saved_at=datetime.now(UTC),
            )
        )

    async def decide(self, call_id: UUID, agent_id: str, action_id: str, approved: bool) -> None:
        """See DeskActions."""
        await self._decide(call_id, agent_id, action_id, approved)

    async def history(self, call_id: UUID) -> Sequence[EarlierCall]:
        """See DeskActions."""
        live = self._live.get(call_id)
        if live is None:
            raise RefusedError("this call is over", code="gone")
        caller = live.in_hand.info.caller
        if dialable(caller) is None:
            return []  # to the records, all whose number is withheld are one caller
        try:
            kept = await self._records.history(caller, without=call_id, limit=_EARLIER)
            names = await self._names()
        except RecordsUnavailableError as error:
            raise RefusedError("the records do not answer; try again", code="records") from error
        return [_told(each, names) for each in kept]

    def targets(self, agent_id: str) -> Sequence[TransferTarget]:
        """See DeskActions."""
        return self._targets


def _in_words(action: str) -> str:
    """ "change_address: succeeded" as an agent reads it."""
    name, _, status = action.partition(": ")
    done = spoken_name(name)
    return done if status == "succeeded" else f"{done} ({spoken_name(status)})"


def _ended(disposition: Mapping[str, str]) -> str:
    """In the words that the agent chose; without them, the code in words."""
    return disposition["text"] or spoken_name(disposition["code"]).capitalize()


def _told(kept: KeptCall, names: Mapping[str, str]) -> EarlierCall:
    ended = kept.ended_at
    return EarlierCall(
        call_id=kept.call_id,
        started_at=kept.started_at,
        duration_s=(ended - kept.started_at).total_seconds() if ended else None,
        reason=", ".join(map(_in_words, kept.actions)) or spoken_name(kept.end_reason or ""),
        summary=tuple(kept.summary),
        disposition=_ended(kept.dispositions[-1]) if kept.dispositions else None,
        agent=kept.agent and names.get(kept.agent, kept.agent),
        note=kept.note,
    )
