"""What the server wrote down about the suite's calls, read over its API.

Used for what no recording can tell: which words it understood, and where a turn's time went.
"""

import asyncio
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from loadtest.pcm import seconds
from loadtest.turns.score import AnswerScore

_WAITING: Final = frozenset({"network_s", "detection_s", "endpointing_s"})  # before the endpoint
_WRITTEN_S: Final = 5.0  # records are written behind the call
_LOOK_EVERY_S: Final = 0.25
_MATCH_S: Final = (-0.5, 2.5)  # when a turn began for the server, after the caller's last sound


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsAccess:
    url: str  # of the server's HTTP side
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTurn:
    """One turn of a call as the server saw it."""

    started_at_s: float  # the endpoint, since the call was answered
    text: str
    times_s: Mapping[str, float]  # part of the turn -> seconds, in order

    @property
    def to_packet_s(self) -> float:
        """From the endpoint to the first packet: what comes after waiting for the caller."""
        return sum(took for part, took in self.times_s.items() if part not in _WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardAnswer:
    """An answer and what became of it at the server."""

    to_packet_ms: float  # endpoint to first packet
    parts_ms: Mapping[str, float]  # where the time went
    unexplained_ms: float | None  # gap heard less the parts and the way to us; None: no gap
    words_lost: bool | None  # of its beginning; None: nothing of it was understood


async def read_turns(access: RecordsAccess, callers: Sequence[str]) -> dict[str, list[ServerTurn]]:
    """The spoken turns of each caller's call; callers without a record are left out."""
    headers = {"Authorization": f"Bearer {access.token}"}
    async with httpx.AsyncClient(base_url=access.url, headers=headers) as client:
        try:
            ids = await _ended_calls(client, callers)
            return {caller: await _turns(client, call_id) for caller, call_id in ids.items()}
        except httpx.HTTPError:
            return {}


async def _ended_calls(client: httpx.AsyncClient, callers: Sequence[str]) -> dict[str, str]:
    """The ids of the callers' calls; waits a moment for calls that are still open."""
    waited_s = 0.0
    while True:
        answer = await client.get("/v1/calls", params={"limit": 500})
        answer.raise_for_status()
        calls: list[Mapping[str, Any]] = answer.json()
        ids = {
            caller: str(call["id"])
            for call in calls
            for caller in callers
            if call["ended_at"] is not None and f"{caller}@" in f"{call['caller']}@"
        }
        if len(ids) == len(callers) or waited_s >= _WRITTEN_S:
            return ids
        await asyncio.sleep(_LOOK_EVERY_S)
        waited_s += _LOOK_EVERY_S


async def _turns(client: httpx.AsyncClient, call_id: str) -> list[ServerTurn]:
    answer = await client.get(f"/v1/calls/{call_id}")
    answer.raise_for_status()
    return [
        ServerTurn(
            started_at_s=turn["started_at_s"], text=turn["caller_text"], times_s=turn["times"]
        )
        for turn in answer.json()["turns"]
        if turn["caller_kind"] == "speech"
    ]


def match(answers: Sequence[AnswerScore], turns: Sequence[ServerTurn]) -> list[HeardAnswer]:
    """The answers that were not cut off, each with the turn that began when it ended."""
    found: list[HeardAnswer] = []
    for answer in answers:
        turn = None if answer.cut_off else _turn_at(seconds(answer.end), turns)
        if turn is None:
            continue
        explained_ms = 1_000 * sum(turn.times_s.values())
        # The server cannot know of what the room drowned: for it the wait began before that. Nor of
        # the network before its socket: for it the wait began after that.
        known_ms = explained_ms - answer.drowned_ms + answer.path_ms
        found.append(
            HeardAnswer(
                to_packet_ms=1_000 * turn.to_packet_s,
                parts_ms={part: 1_000 * took for part, took in turn.times_s.items()},
                unexplained_ms=None if answer.gap_ms is None else answer.gap_ms - known_ms,
                words_lost=start_lost(answer.text, turn.text),
            )
        )
    return found


def _turn_at(end_s: float, turns: Sequence[ServerTurn]) -> ServerTurn | None:
    earliest, latest = _MATCH_S
    return next((t for t in turns if earliest <= t.started_at_s - end_s <= latest), None)


def start_lost(said: str, understood: str) -> bool | None:
    """Whether words at the start of `said` are missing in `understood`.

    A first word that was taken for another is not lost; None when no word at all agrees, since
    then nothing can be lined up.
    """
    ours, theirs = said.lower().split(), understood.lower().split()
    blocks = difflib.SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
    first = blocks[0]
    return None if first.size == 0 else first.b < first.a
