"""The turn-taking suite in virtual time: one call after the other, one report."""

import asyncio
from collections.abc import Callable, Sequence

from loadtest.errors import CallFailedError
from loadtest.turns.call import CallRecording
from loadtest.turns.cases import Plan
from loadtest.turns.records import HeardAnswer, ServerTurn, match
from loadtest.turns.report import CallSummary, Measured, TurnsReport, make_report, summary_of
from loadtest.turns.score import CallScore, score
from loadtest.turns.spans import learn_prompts
from loadtest.turns.suite import TurnsOptions, planned_calls, save_recording
from server.virtual.call import VirtualCall, VirtualEngines
from voice.events import TurnRecord

VIRTUAL = "frontdesk in virtual time"


async def run_virtual(
    options: TurnsOptions, *, on_call: Callable[[CallSummary], None]
) -> TurnsReport:
    """Make the calls of `options` and report; its target and its server's API are not used.

    Raises:
        VoiceError: a voice or text cannot be rendered.
        AudioFileError: a recording cannot be written.
    """
    engines = await asyncio.to_thread(VirtualEngines.load)
    book = await learn_prompts(options.agent_voice)
    recordings: list[CallRecording] = []
    failures: list[CallSummary] = []
    scores: list[CallScore] = []
    heard: list[HeardAnswer] = []
    for plan in await asyncio.to_thread(planned_calls, options):
        call = VirtualCall(engines=engines, plan=plan, understand=book.understand)
        try:
            recording = await call.run()
        except CallFailedError as error:
            failures.append(_failed(plan, error))
            on_call(failures[-1])
            continue
        await save_recording(options, recording)
        recordings.append(recording)
        scores.append(score(recording))
        heard += match(scores[-1].answers, _spoken(call.journal.turns))
        on_call(summary_of(recording))
    measured = Measured(recordings=recordings, failures=failures, scores=scores, heard=heard)
    return make_report(VIRTUAL, measured)


def _spoken(turns: Sequence[TurnRecord]) -> list[ServerTurn]:
    """The records as the server's API would give them."""
    return [
        ServerTurn(
            started_at_s=turn.started_at_s,
            text=turn.caller_text,
            times_s={part: getattr(turn.times, part) for part in turn.times.__slots__},
        )
        for turn in turns
        if turn.caller_kind == "speech"
    ]


def _failed(plan: Plan, error: CallFailedError) -> CallSummary:
    return CallSummary(
        name=plan.name, ended=str(error), duration_s=0.0, clock_late_p99_ms=0.0, failed=True
    )
