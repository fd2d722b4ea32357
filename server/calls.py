"""Calls as they come in: admitted or refused, answered, conversed with, recorded, closed."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dialog.flow import Flow
from dialog.session import Dialog
from dialog.understand import IntentClassifier
from models.vad import SileroVad
from server.dialog_port import DialogPort
from server.feed import Feed
from server.journal import CallJournal
from server.observability import Metrics, session_id
from server.recording import NoRecorder, StereoRecorder
from server.records.calls import CallStart
from server.records.records import Records
from telephony.leg import Leg, LegGoneError
from voice.plane import MediaPlane
from voice.ports import Actions, SpeechToText, TextToSpeech
from voice.session import CallSession, SessionOptions, SessionPorts

log = logging.getLogger(__name__)


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
    records: Records
    metrics: Metrics
    feed: Feed
    recordings: Path | None  # None: calls are not recorded


class Calls:
    """All calls of this process; at most `limit` at a time."""

    def __init__(
        self,
        services: CallServices,
        *,
        limit: int,
        retry_after_s: int,
        options: SessionOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services, self._limit, self._retry_after_s = services, limit, retry_after_s
        self._options, self._clock = options, clock
        self._tasks: dict[asyncio.Task[None], CallSession | None] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="recordings")
        self._draining = False

    @property
    def active(self) -> int:
        return len(self._tasks)

    def admit(self) -> int | None:
        """None: the next call is welcome; otherwise the seconds after which to try again."""
        if self._draining or self.active >= self._limit:
            cause = "draining" if self._draining else "full"
            self._services.metrics.calls_refused.labels(cause).inc()
            return self._retry_after_s
        return None

    def take(self, leg: Leg) -> None:
        """Serve this call in a task of its own."""
        task = asyncio.create_task(self._serve(leg))
        self._tasks[task] = None
        task.add_done_callback(self._forget)

    async def close(self, *, timeout_s: float) -> None:
        """Take no new call and end the running ones in order."""
        self._draining = True
        for session in self._tasks.values():
            if session is not None:
                session.end("server_shutdown")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await asyncio.to_thread(self._writer.shutdown)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a call ended by a defect", exc_info=error)

    async def _serve(self, leg: Leg) -> None:
        call_id = uuid.uuid4()
        token = session_id.set(str(call_id))
        records, feed = self._services.records, self._services.feed
        about = leg.info
        records.call_started(
            CallStart(
                id=call_id,
                network_call_id=about.call_id,
                caller=about.caller,
                callee=about.callee,
                transport=about.transport,
                started_at=_now(),
            )
        )
        log.info("call started", extra={"pii_caller_uri": about.caller, "peer": about.peer})
        feed.publish({"event": "call_started", "call_id": str(call_id)})
        reason = "internal_error"
        recorder = self._recorder(call_id)
        self._services.metrics.calls_active.inc()
        try:
            await leg.answer()
            records.call_answered(call_id, _now())
            reason = await self._converse(leg, call_id, recorder)
        except LegGoneError as gone:
            reason = f"not_answered: {gone}"
        finally:
            self._services.metrics.calls_active.dec()
            self._services.metrics.calls.labels(reason.partition(":")[0]).inc()
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

    async def _converse(
        self, leg: Leg, call_id: uuid.UUID, recorder: StereoRecorder | NoRecorder
    ) -> str:
        shared = self._services
        dialog = Dialog(
            shared.flow, shared.classifier, str(call_id), facts={"caller": leg.info.caller}
        )
        stream = shared.vad.open_stream()
        session = CallSession(
            leg,
            SessionPorts(
                stt=shared.stt,
                tts=shared.tts,
                activity=stream,
                dialog=DialogPort(dialog),
                actions=shared.actions,
                journal=CallJournal(
                    call_id, store=shared.records, metrics=shared.metrics, feed=shared.feed
                ),
                recorder=recorder,
            ),
            clock=self._clock,
            options=self._options,
        )
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = session
        shared.plane.add(session)
        try:
            return await session.run()
        finally:
            shared.plane.remove(session)
            shared.vad.close_stream(stream)

    def _recorder(self, call_id: uuid.UUID) -> StereoRecorder | NoRecorder:
        if self._services.recordings is None:
            return NoRecorder()
        return StereoRecorder(self._services.recordings / f"{call_id}.wav", self._writer)


def _now() -> datetime:
    return datetime.now(UTC)
