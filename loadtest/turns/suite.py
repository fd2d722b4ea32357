"""The turn-taking suite as a whole: several calls at a time, one report.

report = await run_turns(TurnsOptions(target="sip:frontdesk@127.0.0.1:5060"))
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from loadtest.errors import CallFailedError
from loadtest.impair import Impairment
from loadtest.speech import VoiceSettings
from loadtest.turns.call import CallRecording, make_call
from loadtest.turns.cases import Plan
from loadtest.turns.plans import Sort, plans
from loadtest.turns.reader import Reader, reading
from loadtest.turns.records import HeardAnswer, RecordsAccess, match, read_turns
from loadtest.turns.report import (
    CallSummary,
    Measured,
    TurnsReport,
    make_report,
    summary_of,
)
from loadtest.turns.score import CallScore, score
from loadtest.wav import write_wav

DEFAULT_CALLS: Final = 28  # four of each sort: some 350 turns in about a quarter of an hour
_DIAL_EVERY_S: Final = 1.5  # so that the calls do not all speak at once


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsOptions:
    target: str  # sip:… or ws://…
    calls: int = DEFAULT_CALLS
    parallel: int = 4  # what two cores carry beside the server without being late
    seed: int = 1
    only: Sort | None = None  # calls of one sort instead of all in turn
    records: RecordsAccess | None = None  # the server's API, to see its side of the turns
    recordings: Path | None = None  # folder for the stereo recordings: left the caller
    network: Impairment | None = None  # of the calls whose plan has none of its own
    agent_voice: VoiceSettings = field(default_factory=VoiceSettings)


async def run_turns(
    options: TurnsOptions, *, on_call: Callable[[CallSummary], None] | None = None
) -> TurnsReport:
    """Make the calls and report; a call that fails is in the report, not an exception.

    Args:
        options: what to run.
        on_call: told of each call when it is over.

    Raises:
        VoiceError: a voice or text cannot be rendered.
        AudioFileError: a recording cannot be written.
    """
    planned = await asyncio.to_thread(planned_calls, options)
    async with reading(options.agent_voice) as reader:
        run = _Run(options, reader, on_call or _ignore)
        async with asyncio.TaskGroup() as group:
            for index, plan in enumerate(planned):
                group.create_task(run.call(index, plan))
    scores = await asyncio.to_thread(lambda: [score(call) for call in run.recordings])
    heard = await _heard(options.records, run.recordings, scores)
    measured = Measured(
        recordings=run.recordings, failures=run.failures, scores=scores, heard=heard
    )
    return make_report(options.target, measured)


def planned_calls(options: TurnsOptions) -> list[Plan]:
    """The calls to make; over a WebSocket none whose packets would be lost: it is TCP.

    Raises:
        VoiceError: one of the voices is not there.
    """
    made = plans(options.calls, options.seed, options.only)
    if options.target.startswith("ws"):
        return [plan for plan in made if plan.network is None]
    return [replace(plan, network=plan.network or options.network) for plan in made]


async def save_recording(options: TurnsOptions, recording: CallRecording) -> None:
    """Keep it where recordings are wanted.

    Raises:
        AudioFileError: it cannot be written.
    """
    folder = options.recordings
    if folder is not None:
        path = folder / f"{recording.name.replace(' ', '-')}.wav"
        await asyncio.to_thread(write_wav, path, recording.said, recording.heard)


class _Run:
    """The calls of one run, so many at a time."""

    def __init__(
        self, options: TurnsOptions, reader: Reader, on_call: Callable[[CallSummary], None]
    ) -> None:
        self._options, self._reader, self._on_call = options, reader, on_call
        self._room = asyncio.Semaphore(options.parallel)
        self._run_id = secrets.token_hex(3)
        self.recordings: list[CallRecording] = []
        self.failures: list[CallSummary] = []

    async def call(self, index: int, plan: Plan) -> None:
        async with self._room:
            await asyncio.sleep(_DIAL_EVERY_S * (index % self._options.parallel))
            try:
                recording = await make_call(
                    self._options.target, plan, self._reader, caller=f"turns-{self._run_id}-{index}"
                )
            except CallFailedError as error:
                self._failed(plan, error)
                return
        await self._keep(recording)

    async def _keep(self, recording: CallRecording) -> None:
        self.recordings.append(recording)
        await save_recording(self._options, recording)
        self._on_call(summary_of(recording))

    def _failed(self, plan: Plan, error: CallFailedError) -> None:
        summary = CallSummary(
            name=plan.name, ended=str(error), duration_s=0.0, clock_late_p99_ms=0.0, failed=True
        )
        self.failures.append(summary)
        self._on_call(summary)


async def _heard(
    access: RecordsAccess | None, recordings: Sequence[CallRecording], scores: Sequence[CallScore]
) -> list[HeardAnswer]:
    """The server's side of the answers; none without access to its records."""
    if access is None:
        return []
    turns = await read_turns(access, [call.caller for call in recordings])
    return [
        heard
        for call, scored in zip(recordings, scores, strict=True)
        for heard in match(scored.answers, turns.get(call.caller, []))
    ]


def _ignore(summary: CallSummary) -> None:
    """Nobody watches."""
