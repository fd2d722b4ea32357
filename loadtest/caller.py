"""A caller that listens: dials, knows prompts by their sound, answers aloud, keeps the score.

    python -m loadtest.caller change_address sip:frontdesk@127.0.0.1:5060 --events -

The decisions are in loadtest/conversation.py; this is the shell that gives it ears, a mouth and
time.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO, assert_never

from loadtest.activity import Activity, SpeechStarted
from loadtest.conversation import (
    Command,
    Conversation,
    Event,
    HangUp,
    Heard,
    PromptEnded,
    PromptStarted,
    Recognise,
    Recognised,
    SayingEnded,
    Speak,
)
from loadtest.errors import BadTargetError, CallFailedError, LoadtestError, RefusedError
from loadtest.ledger import Ledger
from loadtest.line import Line, open_line
from loadtest.listening import PhraseBook, Understood
from loadtest.media import LISTENING_DELAY, Sent
from loadtest.pcm import RATE_HZ, Pcm, seconds
from loadtest.report import (
    CallAnswered,
    CallEnded,
    CallerSaid,
    CallEvent,
    CallReport,
    HeardPrompt,
    Outcome,
    to_json_line,
)
from loadtest.scenario import Scenario, find_scenario, load_scenario
from loadtest.sip_call import TIMER_B_S
from loadtest.sip_uri import SipUri
from loadtest.speech import VoiceSettings, render_all


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerOptions:
    caller: str = "caller"  # the user part of our From
    local_host: str | None = None  # the address to call from; by default what the route says
    record: Path | None = None  # stereo WAV: left the caller, right the frontdesk
    agent_voice: VoiceSettings = field(default_factory=VoiceSettings)  # whose prompts to recognise
    ring_timeout_s: float = TIMER_B_S  # without a final answer: CANCEL


class SimulatedCaller:
    """One call of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        target: str,
        *,
        options: CallerOptions | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> None:
        self._scenario = scenario
        self._target = target
        self._options = options or CallerOptions()
        self._on_event = on_event or _ignore

    async def run(self) -> CallReport:
        """Make the call; refusals and dead targets are outcomes of the report, not exceptions.

        Everything is rendered before dialling, so that no gap is the caller's own.

        Raises:
            BadTargetError: `target` is not a SIP URI over UDP.
            VoiceError: a text of the scenario cannot be rendered.
            AudioFileError: the recording cannot be written.
        """
        SipUri.parse(self._target)
        scenario, options = self._scenario, self._options
        book = await PhraseBook.learn(
            scenario.phrases, options.agent_voice, threshold=scenario.threshold
        )
        spoken = await render_all(scenario.texts, scenario.voice)
        cpu_s = time.process_time()
        try:
            async with open_line(
                self._target,
                caller=options.caller,
                local_host=options.local_host,
                ring_timeout_s=options.ring_timeout_s,
            ) as line:
                call = _Call(scenario, line, book, spoken, self._on_event)
                await call.run()
                ended = await call.leave()
        except BadTargetError:
            raise
        except CallFailedError as error:
            return self._failed(error)
        report = self._report(call, ended, time.process_time() - cpu_s)
        if options.record is not None:
            await asyncio.to_thread(line.media.recorder.save_stereo, options.record)
        return report

    def _failed(self, error: CallFailedError) -> CallReport:
        """The report of a call that never was."""
        refused = isinstance(error, RefusedError)
        return CallReport(
            scenario=self._scenario.name,
            target=self._target,
            outcome=Outcome.REFUSED if refused else Outcome.UNREACHABLE,
            goal_reached=False,
            detail=str(error),
            setup_ms=None,
            greeting_ms=None,
            duration_s=0.0,
            turns=(),
            gaps_ms=(),
            cut_offs=0,
            media=None,
            cpu_s=0.0,
            recording=None,
        )

    def _report(self, call: "_Call", ended: CallEnded, cpu_s: float) -> CallReport:
        outcome, detail = call.verdict(ended)
        return CallReport(
            scenario=self._scenario.name,
            target=self._target,
            outcome=outcome,
            goal_reached=not call.mind.missing_goals,
            detail=detail,
            setup_ms=1000 * call.line.answer.setup_s,
            greeting_ms=call.ledger.greeting_ms,
            duration_s=ended.at_s,
            turns=call.ledger.turns(),
            gaps_ms=tuple(call.ledger.gaps_ms),
            cut_offs=call.ledger.cut_offs,
            media=call.line.media.stats(),
            cpu_s=cpu_s,
            recording=self._options.record,
        )


class _Call:
    """An answered call: hears frames, thinks, speaks, until somebody hangs up."""

    def __init__(
        self,
        scenario: Scenario,
        line: Line,
        book: PhraseBook,
        spoken: Mapping[str, Pcm],
        on_event: Callable[[CallEvent], None],
    ) -> None:
        self.line = line
        self.mind = Conversation(scenario)
        self.ledger = Ledger(line.media.recorder)
        self._book = book
        self._spoken = spoken
        self._on_event = on_event
        self._activity = Activity(quiet_s=scenario.quiet_s, origin=-LISTENING_DELAY)
        self._saying: Sent | None = None
        self._recognising: set[asyncio.Task[None]] = set()
        self._leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def _now_s(self) -> float:
        return seconds(self.line.media.now)

    async def run(self) -> None:
        """Take part in the call until we want to hang up or the far end does."""
        media, answer = self.line.media, self.line.answer
        self._on_event(
            CallAnswered(
                setup_ms=1000 * answer.setup_s,
                remote_media=f"{answer.media.host}:{answer.media.port}",
                codec=answer.media.codec,
            )
        )
        media.on_frame = self._hear
        media.start(answer.media)
        far_end = asyncio.create_task(self.line.phone.wait_ended(), name="far-end")
        try:
            await asyncio.wait({far_end, self._leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_end.cancel()
            media.on_frame = _deaf
            for task in self._recognising:
                task.cancel()
        await self._hear_last_words()

    async def leave(self) -> CallEnded:
        """Hang up unless the far end has; tell how the call ended."""
        at_s = self._now_s
        reason = self._leaving.result() if self._leaving.done() else "hung up"
        ended = await self.line.phone.hang_up(reason)
        by, why = (ended.by, ended.reason) if ended else ("caller", reason)
        event = CallEnded(at_s=at_s, by=by, reason=why)
        self._on_event(event)
        return event

    def verdict(self, ended: CallEnded) -> tuple[Outcome, str]:
        """The outcome, and one line about it."""
        missing = self.mind.missing_goals
        if self.line.media.received == 0:
            return Outcome.NO_MEDIA, "the call was answered, but no audio came"
        if self.mind.outcome is not None:
            return self.mind.outcome, ended.reason
        if not missing:
            return Outcome.COMPLETED, "the goal was reached"
        detail = f"never heard: {'; '.join(missing)}"
        if ended.by == "caller":
            return Outcome.FAILED, detail
        return Outcome.HUNG_UP_ON, f"{ended.by} ended the call ({ended.reason}); {detail}"

    # --- ears -------------------------------------------------------------------------------------

    def _hear(self, frame: Pcm, now: int) -> None:
        """One 20 ms frame; `now` is the sample after it."""
        for event in self._activity.receive(frame):
            if isinstance(event, SpeechStarted):
                self.ledger.prompt_started(event.at)
                self._think(PromptStarted(at_s=seconds(event.at)))
            else:
                self._think(PromptEnded(at_s=seconds(event.at)))
        if self._saying is not None and self.line.media.now >= self._saying.end:
            self._saying = None
            self.ledger.caller_finished()
            self._think(SayingEnded())
        self._carry_out(self.mind.tick(self._now_s))

    async def _hear_last_words(self) -> None:
        """The far end may hang up right behind its last word, before its prompt counts as over."""
        asked = self.mind.last_words(self._now_s)
        if asked is not None:
            understood = await self._understand(asked)
            self._tell(self.mind.note_last_words(asked, understood))

    async def _understand(self, asked: Recognise) -> Understood:
        heard = self.line.media.recorder.heard
        speech = heard.read(round(asked.start_s * RATE_HZ), round(asked.end_s * RATE_HZ))
        return await self._book.understand_later(speech)

    async def _recognise(self, asked: Recognise) -> None:
        understood = await self._understand(asked)
        self._think(Recognised(asked=asked, understood=understood))

    # --- mind and mouth ---------------------------------------------------------------------------

    def _think(self, event: Event) -> None:
        self._carry_out(self.mind.receive(event, self._now_s))

    def _carry_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Recognise():
                    task = asyncio.create_task(self._recognise(command), name="recognise")
                    self._recognising.add(task)
                    task.add_done_callback(self._recognised)
                case Heard():
                    self._tell(command)
                case Speak():
                    self._speak(command)
                case HangUp(reason=reason):
                    self._leave_for(reason)
                case _:
                    assert_never(command)

    def _recognised(self, task: asyncio.Task[None]) -> None:
        self._recognising.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self._leaving.done():
            self._leaving.set_exception(error)

    def _tell(self, heard: Heard) -> None:
        self.ledger.prompt_heard(heard)
        self._on_event(
            HeardPrompt(
                at_s=heard.start_s,
                duration_s=heard.end_s - heard.start_s,
                matched=heard.matched,
                score=heard.score,
                gap_ms=self.ledger.gap_ms,
            )
        )

    def _speak(self, speak: Speak) -> None:
        media = self.line.media
        try:
            sent = media.press(speak.keys) if speak.keys else media.say(self._spoken[speak.text])
        except ValueError as error:  # the far end takes no keys
            self._leave_for(str(error))
            return
        self._saying = sent
        self.ledger.caller_began(speak, sent)
        self._on_event(
            CallerSaid(
                at_s=seconds(sent.start),
                text=speak.text,
                keys=speak.keys,
                interrupting=speak.interrupting,
            )
        )

    def _leave_for(self, reason: str) -> None:
        if not self._leaving.done():
            self._leaving.set_result(reason)


def _ignore(event: CallEvent) -> None:
    """Nobody watches."""


def _deaf(frame: Pcm, now: int) -> None:
    """Nobody listens any more."""


# --- the command ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.caller",
        description="Make one simulated call; exit 0 only if its goal was reached.",
    )
    parser.add_argument("scenario", help="a YAML file, or the name of a shipped scenario")
    parser.add_argument("target", help="sip:user@host:port")
    parser.add_argument("--record", type=Path, metavar="FILE.wav", help="stereo recording")
    parser.add_argument(
        "--events", metavar="FILE", help="JSON lines of what happens; - is standard output"
    )
    parser.add_argument("--agent-voice", default="en-us", help="the frontdesk's built-in voice")
    parser.add_argument("--agent-rate", type=int, default=165, help="its words per minute")
    parser.add_argument("--agent-pitch", type=int, default=50, help="its pitch, 0 to 99")
    parser.add_argument("--caller", default="caller", help="user part of the From address")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 goal reached, 1 not, 2 it could not even be tried."""
    options = _parser().parse_args(arguments)
    try:
        scenario = load_scenario(find_scenario(options.scenario))
        with contextlib.ExitStack() as stack:
            out = _open_events(options.events, stack)

            def write(event: CallEvent | CallReport) -> None:
                if out is not None:
                    print(to_json_line(event), file=out, flush=True)

            caller = SimulatedCaller(
                scenario, options.target, options=_caller_options(options), on_event=write
            )
            report = asyncio.run(caller.run())
            write(report)
    except (LoadtestError, OSError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"{report.scenario}: {report.outcome}: {report.detail}", file=sys.stderr)
    return 0 if report.outcome is Outcome.COMPLETED else 1


def _caller_options(options: argparse.Namespace) -> CallerOptions:
    voice = VoiceSettings(
        name=options.agent_voice, rate_wpm=options.agent_rate, pitch=options.agent_pitch
    )
    return CallerOptions(caller=options.caller, record=options.record, agent_voice=voice)


def _open_events(path: str | None, stack: contextlib.ExitStack) -> TextIO | None:
    if path is None:
        return None
    if path == "-":
        return sys.stdout
    return stack.enter_context(Path(path).open("w", encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
