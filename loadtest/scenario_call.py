"""One answered call of a scenario: ears, mouth and time for loadtest/conversation.py."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, assert_never

from loadtest.activity import Activity, SpeechStarted
from loadtest.call_line import CallLine
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
from loadtest.errors import CallFailedError, RefusedError
from loadtest.ledger import Ledger
from loadtest.listening import Understood
from loadtest.media import Sent
from loadtest.pcm import RATE_HZ, Pcm, seconds
from loadtest.report import (
    CallAnswered,
    CallEnded,
    CallerSaid,
    CallEvent,
    CallReport,
    HeardPrompt,
    Outcome,
)
from loadtest.scenario import Scenario
from loadtest.sip_call import Ended


class Reader(Protocol):
    """Tells what was said; a PhraseBook is one."""

    async def understand_later(self, speech: Pcm) -> Understood: ...


def ignore(event: CallEvent) -> None:
    """Nobody watches."""


class ScenarioCall:
    """An answered call: hears frames, thinks, speaks, until somebody hangs up."""

    def __init__(
        self,
        scenario: Scenario,
        line: CallLine,
        reader: Reader,
        spoken: Mapping[str, Pcm],
        on_event: Callable[[CallEvent], None] = ignore,
    ) -> None:
        self._scenario = scenario
        self._line = line
        self._mind = Conversation(scenario)
        self._ledger = Ledger(line.recorder)
        self._reader = reader
        self._spoken = spoken
        self._on_event = on_event
        self._activity: Activity | None = None  # from the first frame on
        self._saying: Sent | None = None
        self._deaf = False
        self._recognising: set[asyncio.Task[None]] = set()
        self._leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def _now_s(self) -> float:
        return seconds(self._line.now)

    async def run(self) -> Ended:
        """Take part in the call until we want to hang up or the far end does; how it ended.

        Raises:
            VoiceError: a prompt could not be looked into.
        """
        connection = self._line.connection
        self._on_event(
            CallAnswered(
                setup_ms=1000 * connection.setup_s,
                remote_media=connection.remote_media,
                codec=connection.codec,
            )
        )
        self._line.start(self._hear)
        far_end = asyncio.create_task(self._line.wait_ended(), name="far-end")
        try:
            await asyncio.wait({far_end, self._leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_end.cancel()
            await asyncio.gather(far_end, return_exceptions=True)
            self._deaf = True
            for task in self._recognising:
                task.cancel()
        await self._hear_last_words()
        return await self._leave()

    def hang_up(self, reason: str) -> None:
        """Leave the call early: the run is over."""
        self._leave_for(reason)

    async def _leave(self) -> Ended:
        """Hang up unless the far end has; tell how the call ended."""
        at_s = self._now_s
        reason = self._leaving.result() if self._leaving.done() else "hung up"
        ended = await self._line.hang_up(reason)
        self._on_event(CallEnded(at_s=at_s, by=ended.by, reason=ended.reason))
        return ended

    def report(
        self, target: str, ended: Ended, *, cpu_s: float, recording: Path | None
    ) -> CallReport:
        """What came of the call."""
        mind, ledger, line = self._mind, self._ledger, self._line
        outcome, detail = self._verdict(ended)
        goal_reached = not mind.missing_goals
        return CallReport(
            scenario=self._scenario.name,
            target=target,
            outcome=outcome,
            goal_reached=goal_reached,
            detail=detail,
            setup_ms=1000 * line.connection.setup_s,
            greeting_ms=ledger.greeting_ms,
            duration_s=self._now_s,
            turns=ledger.turns(),
            gaps_ms=tuple(ledger.gaps_ms),
            ended_by=ended.by,
            gap_ends_s=tuple(ledger.gap_ends_s),
            cut_offs=ledger.cut_offs,
            media=line.stats(),
            cpu_s=cpu_s,
            recording=recording,
            wrong_record=mind.wrong_record,
            asked_twice=mind.asked_twice,
            contained=goal_reached and not mind.met_person,
            quality=line.quality(),
        )

    def _verdict(self, ended: Ended) -> tuple[Outcome, str]:
        """The outcome, and one line about it."""
        missing = self._mind.missing_goals
        if self._line.received == 0:
            return Outcome.NO_MEDIA, "the call was answered, but no audio came"
        if self._mind.outcome is not None:
            return self._mind.outcome, ended.reason
        if not missing:
            return Outcome.COMPLETED, "the goal was reached"
        detail = f"never heard: {'; '.join(missing)}"
        if ended.by == "caller":
            return Outcome.FAILED, detail
        return Outcome.HUNG_UP_ON, f"{ended.by} ended the call ({ended.reason}); {detail}"

    # --- ears -------------------------------------------------------------------------------------

    def _hear(self, frame: Pcm, now: int) -> None:
        """One 20 ms frame; `now` is the sample after it."""
        if self._deaf:
            return
        if self._activity is None:
            self._activity = Activity(quiet_s=self._scenario.quiet_s, origin=now - frame.size)
        for event in self._activity.receive(frame):
            if isinstance(event, SpeechStarted):
                self._ledger.prompt_started(event.at)
                self._think(PromptStarted(at_s=seconds(event.at)))
            else:
                self._think(PromptEnded(at_s=seconds(event.at)))
        if self._saying is not None and self._line.now >= self._saying.end:
            self._saying = None
            self._ledger.caller_finished()
            self._think(SayingEnded())
        self._carry_out(self._mind.tick(self._now_s))

    async def _hear_last_words(self) -> None:
        """The far end may hang up right behind its last word, before its prompt counts as over."""
        asked = self._mind.last_words(self._now_s)
        if asked is not None:
            understood = await self._understand(asked)
            self._tell(self._mind.note_last_words(asked, understood))

    async def _understand(self, asked: Recognise) -> Understood:
        heard = self._line.recorder.heard
        speech = heard.read(round(asked.start_s * RATE_HZ), round(asked.end_s * RATE_HZ))
        return await self._reader.understand_later(speech)

    async def _recognise(self, asked: Recognise) -> None:
        understood = await self._understand(asked)
        self._think(Recognised(asked=asked, understood=understood))

    # --- mind and mouth ---------------------------------------------------------------------------

    def _think(self, event: Event) -> None:
        self._carry_out(self._mind.receive(event, self._now_s))

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
        self._ledger.prompt_heard(heard)
        self._on_event(
            HeardPrompt(
                at_s=heard.start_s,
                duration_s=heard.end_s - heard.start_s,
                matched=heard.matched,
                score=heard.score,
                gap_ms=self._ledger.gap_ms,
            )
        )

    def _speak(self, speak: Speak) -> None:
        line = self._line
        try:
            sent = line.press(speak.keys) if speak.keys else line.say(self._spoken[speak.text])
        except ValueError as error:  # the far end takes no keys
            self._leave_for(str(error))
            return
        self._saying = sent
        self._ledger.caller_began(speak, sent)
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


def failed_report(scenario: str, target: str, error: CallFailedError) -> CallReport:
    """The report of a call that never was."""
    refused = isinstance(error, RefusedError)
    return CallReport(
        scenario=scenario,
        target=target,
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
