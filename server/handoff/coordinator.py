"""Hand-offs: every caller on the way to a person, and with one. See server.handoff.in_hand."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand, HandOffOutcome
from server.handoff.run import TransferRun
from server.handoff.run_world import RunWorld
from voice.events import HandOff

log = logging.getLogger(__name__)

_TICK_S: Final = 0.25  # every deadline of a transfer is seconds away


class HandOffs:
    """Implements HandOffDesk; `running` must be entered for deadlines to pass."""

    def __init__(self, world: RunWorld) -> None:
        self._world = world
        self._runs: dict[UUID, TransferRun] = {}

    async def serve(self, call: CallInHand, handoff: HandOff) -> HandOffOutcome:
        """See HandOffDesk."""
        return await self._serve(TransferRun(call, handoff, self._world))

    async def call_back(
        self,
        call: CallInHand,
        handoff: HandOff,
        context: HandOffContext,
        on_joined: Callable[[TransferRun], None],
    ) -> HandOffOutcome:
        """A call of ours: give it to the agent of the hand-off, then have the caller dialled.

        Args:
            context: what the agent is shown: of the call in which it was promised.
            on_joined: told once, when the agent has taken it.
        """
        world = replace(self._world, context=_as_promised(context))
        return await self._serve(TransferRun(call, handoff, world, on_joined=on_joined))

    async def _serve(self, run: TransferRun) -> HandOffOutcome:
        call = run.call
        self._runs[call.call_id] = run
        try:
            return await run.run()
        finally:
            del self._runs[call.call_id]
            self._world.queue.over(call.call_id)

    def end(self, call_id: UUID, reason: str) -> None:
        """See HandOffDesk."""
        run = self._runs.get(call_id)
        if run is not None:
            run.end(reason)

    def get(self, call_id: UUID) -> TransferRun | None:
        """The hand-off of this call, if it is in one."""
        return self._runs.get(call_id)

    def __iter__(self) -> Iterator[TransferRun]:
        return iter(tuple(self._runs.values()))

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Let time pass meanwhile."""
        task = asyncio.create_task(self._tick(), name="hand-offs")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._guarded(self._world.queue.tick)
            self._guarded(self._world.callbacks.tick)
            for run in self:
                self._guarded(run.tick)

    @staticmethod
    def _guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            log.exception("a hand-off's deadline was not kept by a defect")


def _as_promised(
    context: HandOffContext,
) -> Callable[[CallInHand, HandOff, UUID, datetime], HandOffContext]:
    """The context of the call before, for the hand-off of the call back."""

    def of(
        call: CallInHand, handoff: HandOff, handoff_id: UUID, requested_at: datetime
    ) -> HandOffContext:
        return replace(
            context,
            call_id=call.call_id,
            handoff_id=handoff_id,
            started_at=call.started_at,
            requested_at=requested_at,
            reason=handoff.reason,
            reason_text="They asked to be called back.",
        )

    return of
