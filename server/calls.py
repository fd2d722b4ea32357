"""Calls as they come in: admitted or refused, answered, conversed with, recorded, closed."""

import asyncio
import logging
import time
import uuid
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol, assert_never

from dialog.flow import Flow
from dialog.session import Dialog
from dialog.understand import IntentClassifier
from models.vad import SileroVad
from server.admission import Admission, Arrival
from server.approvals import Approvals
from server.dialog_port import DialogPort
from server.farewell import say_farewell
from server.feed import Feed
from server.handoff.deeds import described
from server.handoff.in_hand import (
    CallInHand,
    CallOver,
    HandOffDesk,
    HandOffOutcome,
    NobodyThere,
    TakenBack,
    serve_safely,
)
from server.handoff.story import CallStory
from server.journal import CallJournal
from server.live_calls import LiveCall, LiveCalls, TappedRecorder
from server.observability import Metrics, session_id
from server.precedence import help_calls
from server.recording import NoRecorder, StereoRecorder
from server.records.calls import CallStart
from telephony.leg import Leg, LegGoneError
from voice.conversation import Return
from voice.events import HandOff, TurnRecord
from voice.plane import MediaPlane
from voice.ports import Actions, SpeechToText, TextToSpeech, TurnModel
from voice.session import HANDED_OFF, CallSession, SessionOptions, SessionPorts

log = logging.getLogger(__name__)

_LAST_WORDS_S = 25.0  # for actions in flight (15 s) and then a farewell


def _never() -> bool:
    return False


class CallStore(Protocol):
    """Where calls are kept; writing never blocks."""

    def call_started(self, call: CallStart) -> None: ...

    def call_answered(self, call_id: uuid.UUID, at: datetime) -> None: ...

    def call_ended(
        self, call_id: uuid.UUID, at: datetime, *, reason: str, recording_path: str | None = None
    ) -> None: ...

    def turn(self, call_id: uuid.UUID, record: TurnRecord) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallServices:
    """What every call shares."""

    stt: SpeechToText
    tts: TextToSpeech
    vad: SileroVad
    plane: MediaPlane
    flow: Flow
    classifier: IntentClassifier
    actions: Actions
    records: CallStore
    metrics: Metrics
    feed: Feed
    recordings: Path | None  # None: calls are not recorded
    handoffs: HandOffDesk = field(default_factory=NobodyThere)
    approvals: Approvals = field(default_factory=Approvals)
    turn_model: TurnModel | None = None
    terse: Callable[[], bool] = _never  # asked at each turn: are prompts to be short?
    keys_first: Callable[[], bool] = _never  # likewise: are keys to be asked for at once?


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """An answered call: its mind, and all that goes with it to a person."""

    dialog: DialogPort
    in_hand: CallInHand


class Calls:
    """All calls of this process; how many there may be is for `admission` to say."""

    def __init__(
        self,
        services: CallServices,
        *,
        admission: Admission,
        retry_after_s: int,
        options: SessionOptions,
        farewell: str = "",
        live: LiveCalls | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            farewell: what callers are told whose call a stop cuts short; empty: nothing.
        """
        self._services, self._admission = services, admission
        self._retry_after_s, self._options = retry_after_s, options
        self._farewell, self._clock = farewell, clock
        self._tasks: dict[asyncio.Task[None], Callable[[str], None]] = {}  # each with its end
        self._live = LiveCalls() if live is None else live
        self._writer = ThreadPoolExecutor(
            1, thread_name_prefix="recordings", initializer=help_calls
        )
        self._thinking = ThreadPoolExecutor(1, thread_name_prefix="dialogs", initializer=help_calls)
        self._closing = False

    @property
    def active(self) -> int:
        return self._admission.active

    @property
    def served(self) -> int:
        """Answered calls, and callers of other processes who are with people of this one."""
        return len(self._live)

    @property
    def draining(self) -> bool:
        """Whether new calls are refused because the server is about to stop."""
        return self._admission.draining

    @property
    def takes_none(self) -> bool:
        """Whether a call would be refused for want of headroom or of time, lines or no lines."""
        return not self._admission.is_open

    def admit(self, *, caller: str = "", trunk: str = "") -> int | None:
        """Ask before each call, and take it before anything else is awaited.

        Args:
            caller: who calls, as the network states it; empty while it is not known.
            trunk: as for `take`.

        Returns:
            None: the call is welcome; otherwise the seconds after which to try again.
        """
        cause = self._admission.claim(Arrival(caller=caller, trunk=trunk))
        if cause is None:
            return None
        self._services.metrics.calls_refused.labels(cause).inc()
        return self._retry_after_s

    def busy(self, *, trunk: str = "") -> int | None:
        """What `admit` would say, for whoever only asks: no call is counted as refused."""
        refused = self._admission.refuses(Arrival(trunk=trunk)) is not None
        return self._retry_after_s if refused else None

    def take(self, leg: Leg, call_id: uuid.UUID | None = None, *, trunk: str = "") -> None:
        """Serve this call in a task of its own.

        Args:
            call_id: for doors that tell it to their caller.
            trunk: what it came over: a SIP peer's address, a media stream's account.
        """
        arrival = Arrival(caller=leg.info.caller, trunk=trunk)
        self._admission.enter(arrival)
        task = asyncio.create_task(self._serve(leg, call_id or uuid.uuid4()))
        self._tasks[task] = _not_yet
        task.add_done_callback(partial(self._forget, arrival))

    def host(self, work: Coroutine[None, None, None], end: Callable[[str], None]) -> None:
        """Run what must end in order when calls do, though it is no call of this process.

        Args:
            end: told once, with the reason, that it is time.
        """
        task = asyncio.create_task(work)
        self._tasks[task] = end
        task.add_done_callback(self._over)

    async def drain(self, *, finish_s: float) -> None:
        """Take no new call, let those that are up finish, and after `finish_s` end the rest.

        Whoever converses then is told so first. Cancelling it leaves the calls to `close`.
        """
        self._admission.draining = True
        if self._tasks:
            log.info("calls go on until they are done", extra={"calls": self.served})
            await asyncio.wait(self._tasks, timeout=finish_s)
            log.info("drained", extra={"cut_short": self.served})
        if self._tasks:
            self._end_all()
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS_S)

    async def close(self, *, timeout_s: float) -> None:
        """Take no new call and end the running ones in order."""
        self._admission.draining, self._farewell = True, ""
        self._end_all()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        for pool in (self._thinking, self._writer):
            await asyncio.to_thread(pool.shutdown)

    def _end_all(self) -> None:
        self._closing = True
        for end in tuple(self._tasks.values()):
            end("server_shutdown")

    def _forget(self, arrival: Arrival, task: asyncio.Task[None]) -> None:
        self._admission.leave(arrival)
        self._over(task)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a call ended by a defect", exc_info=error)

    async def _serve(self, leg: Leg, call_id: uuid.UUID) -> None:
        token = session_id.set(str(call_id))
        records, feed = self._services.records, self._services.feed
        about, started_at = leg.info, _now()
        records.call_started(CallStart.of(call_id, about, started_at))
        log.info("call started", extra={"pii_caller_uri": about.caller, "peer": about.peer})
        feed.publish({"event": "call_started", "call_id": str(call_id)})
        reason = "internal_error"
        recorder = self._recorder(call_id)
        self._services.metrics.calls_active.inc()
        try:
            await leg.answer()
            records.call_answered(call_id, _now())
            reason = await self._attend(self._answered(leg, call_id, recorder, started_at))
        except LegGoneError as gone:
            reason = f"not_answered: {gone}"
        finally:
            self._services.metrics.calls_active.dec()
            self._services.metrics.calls.labels(reason.partition(":")[0]).inc()
            self._live.remove(call_id)
            self._services.approvals.over(call_id)
            recorder.close()
            records.call_ended(
                call_id,
                _now(),
                reason=reason,
                recording_path=str(recorder.path) if recorder.path else None,
            )
            log.info("call ended", extra={"end_reason": reason})
            feed.publish({"event": "call_ended", "call_id": str(call_id), "reason": reason})
            session_id.reset(token)
            await leg.hang_up(reason)

    def _answered(
        self,
        leg: Leg,
        call_id: uuid.UUID,
        recorder: StereoRecorder | NoRecorder,
        started_at: datetime,
    ) -> "_Call":
        shared = self._services
        dialog = Dialog(
            shared.flow,
            shared.classifier,
            str(call_id),
            facts={"caller": leg.info.caller},
            terse=shared.terse,
            keys_first=shared.keys_first,
        )
        journal = CallJournal(
            call_id, store=shared.records, metrics=shared.metrics, feed=shared.feed
        )
        tapped = TappedRecorder(recorder)
        gate = shared.approvals.gate(
            call_id, shared.actions, lambda action: described(action, dialog.standing.says)
        )
        story = CallStory(journal=journal, actions=gate)
        # The story has the gate: held by it in turn, both would wait for a full collection.
        told = weakref.proxy(story)
        gate.on_settled = lambda action, outcome: told.settled(action, outcome)
        in_hand = CallInHand(
            call_id=call_id,
            leg=leg,
            info=leg.info,
            plane=shared.plane,
            recorder=tapped,
            story=story,
            standing=lambda: dialog.standing,
            started_at=started_at,
            answered_at_s=self._clock(),
        )
        self._live.add(LiveCall(in_hand=in_hand, tapped=tapped))
        return _Call(dialog=DialogPort(dialog, self._thinking), in_hand=in_hand)

    async def _attend(self, call: "_Call") -> str:
        """Converse, hand the caller to people and converse again, until the call ends."""
        resume: Return | None = None
        while not isinstance(handoff := await self._converse(call, resume), str):
            outcome = await self._hand_off(call.in_hand, handoff)
            match outcome:
                case CallOver(reason=reason):
                    return reason
                case TakenBack() if self._closing:
                    return "server_shutdown"
                case TakenBack(ended=ended):
                    resume = Return(
                        ended=ended,
                        turns=call.in_hand.story.next_index,
                        opened_at_s=call.in_hand.answered_at_s,
                    )
                case _:
                    assert_never(outcome)
        return handoff

    async def _converse(self, call: "_Call", resume: Return | None) -> str | HandOff:
        """Why the call ended, or to whom the dialog gives the caller."""
        shared, hand = self._services, call.in_hand
        stream = shared.vad.open_stream()
        session = CallSession(
            hand.leg,
            SessionPorts(
                stt=shared.stt,
                tts=shared.tts,
                activity=stream,
                echo_guards=shared.plane.echo_guards,
                turn_model=shared.turn_model,
                dialog=call.dialog,
                actions=hand.story,
                journal=hand.story,
                recorder=hand.recorder,
            ),
            clock=self._clock,
            options=self._options,
            resume=resume,
        )
        cut: list[str] = []  # why the call is cut short, if it is

        def cut_short(reason: str) -> None:
            cut.append(reason)
            session.end(HANDED_OFF if self._farewell else reason)  # the leg is left to us

        self._ends_by(cut_short)
        shared.plane.add(session)
        try:
            reason = await session.run()
        finally:
            shared.plane.remove(session)
            shared.vad.close_stream(stream)
        if cut and reason == HANDED_OFF:
            self._ends_by(_not_yet)
            await say_farewell(hand, self._farewell, shared.tts)
            return cut[0]
        return session.handed_off or reason

    async def _hand_off(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
        desk = self._services.handoffs
        self._ends_by(lambda reason: desk.end(call.call_id, reason))
        log.info("caller handed off", extra={"reason": handoff.reason, "skill": handoff.skill})
        return await serve_safely(desk, call, handoff)

    def _ends_by(self, end: Callable[[str], None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = end

    def _recorder(self, call_id: uuid.UUID) -> StereoRecorder | NoRecorder:
        if self._services.recordings is None:
            return NoRecorder()
        return StereoRecorder(self._services.recordings / f"{call_id}.wav", self._writer)


def _not_yet(reason: str) -> None:
    """A call that is not answered yet has nothing to end but its task."""


def _now() -> datetime:
    return datetime.now(UTC)
