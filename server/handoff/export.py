"""A call as the records hold it, made ready for a vCon."""

import asyncio
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.handoff.context import Line
from server.handoff.story import lines_of
from server.handoff.vcon import AgentPart, RecordedCall, RecordingReference, content_hash_of
from server.records.calls import CallDetail
from server.records.desk_facts import DeskDetail, HandOffRecord


class CallNotOverError(Exception):
    """The call was never answered, or goes on: there is nothing to export yet.

    Attributes:
        never_answered: and never will be, for it has ended.
    """

    def __init__(self, message: str, *, never_answered: bool) -> None:
        super().__init__(message)
        self.never_answered = never_answered


def recorded_call(
    found: CallDetail,
    desk: DeskDetail,
    *,
    host: str,
    names: Mapping[str, str],
    recording: RecordingReference | None = None,
) -> RecordedCall:
    """Everything a vCon tells of a call.

    Args:
        host: the fully qualified name under which this frontdesk is known.
        names: of agents, by id; an agent without one goes by their id.
        recording: where it can be fetched; None: what was said is told line by line.

    Raises:
        CallNotOverError: the call was not answered, or has not ended.
    """
    call = found.call
    if call.answered_at is None or call.ended_at is None:
        raise CallNotOverError(
            f"call {call.id} was not answered, or has not ended",
            never_answered=call.ended_at is not None,
        )
    said = [line for turn in found.turns for line in lines_of(turn)]
    said += [Line(who=each.who, text=each.text, at_s=each.at_s) for each in desk.overheard]
    contexts = tuple(each.context for each in desk.handoffs)
    return RecordedCall(
        call_id=call.id,
        host=host,
        caller=call.caller,
        callee=call.callee,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        lines=tuple(sorted(said, key=lambda line: line.at_s)),
        agents=_agents(desk.handoffs, names),
        contexts=contexts,
        summary=tuple(contexts[-1]["summary"]) if contexts else (),
        recording=recording,
    )


async def recording_at(path: Path, url: str) -> RecordingReference:
    """Refer to a recording: its length and its hash; reads the whole file, on a thread.

    Raises:
        OSError, wave.Error: it is not there, or no WAV.
    """
    return await asyncio.to_thread(_reference, path, url)


def _reference(path: Path, url: str) -> RecordingReference:
    with wave.open(str(path)) as file:
        duration_s = file.getnframes() / file.getframerate()
    return RecordingReference(url=url, content_hash=content_hash_of(path), duration_s=duration_s)


def _agents(handoffs: Sequence[HandOffRecord], names: Mapping[str, str]) -> tuple[AgentPart, ...]:
    """Whoever took the caller; who only was rung is no party."""
    return tuple(
        AgentPart(
            id=each.agent,
            name=names.get(each.agent, each.agent),
            joined_at=each.accepted_at,
            left_at=each.ended_at,
        )
        for each in sorted(handoffs, key=lambda each: each.requested_at)
        if each.agent is not None and each.accepted_at is not None
    )
