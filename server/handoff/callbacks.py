"""Callers who were promised a callback: their place in line, kept also over a restart.

A promise stands in the queue as an absent caller. When the queue has an agent for it, the agent is
asked first and the caller is dialled then (server/handoff/calling_back.py). Who cannot be reached
is tried again later, a few times; where it was for want of an agent, soon and as often as needed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Final, Protocol
from urllib.parse import unquote
from uuid import UUID, uuid4

from server.handoff.context import HandOffContext
from server.handoff.in_hand import CallInHand
from server.handoff.waiting_room import WaitingRoom
from server.records.desk_facts import CallbackPromise, CallbackRecord, DeskDetail
from server.records.errors import RecordsUnavailableError
from telephony.queue_events import GiveUpReason, Place
from telephony.sip.errors import MalformedValueError
from telephony.sip.uri import parse_uri
from telephony.transfer_events import Recovery
from voice.events import HandOff

log = logging.getLogger(__name__)

_NOBODY: Final = frozenset({"", "anonymous", "unknown", "restricted", "unavailable"})


class CallbackStore(Protocol):
    """server.records.desk.DeskRecords, as far as callbacks go."""

    def callback_promised(self, promise: CallbackPromise) -> None: ...

    def callback_settled(self, callback_id: UUID, at: datetime, outcome: str) -> None: ...

    async def open_callbacks(self) -> Sequence[CallbackRecord]: ...

    async def of_call(self, call_id: UUID) -> DeskDetail: ...


class Result(Enum):
    """What came of one attempt."""

    TALKED = auto()  # agent and caller have talked
    NOT_REACHED = auto()  # the caller was called and did not answer
    NO_AGENT = auto()  # nobody took it, or the agent left before the caller was dialled


@dataclass(slots=True, kw_only=True)
class Promise:
    """One caller to be called back.

    call_id: the call in which it was promised; the queue knows them by it.
    context: None after a restart, until it was read from the records.
    due_s: when they are in line again; None: they are.
    """

    id: UUID
    call_id: UUID
    number: str
    skill: str | None
    place: Place
    context: HandOffContext | None = None
    due_s: float | None = None
    attempts: int = 0  # agents asked
    unreached: int = 0  # times the caller did not answer


class CallBack(Protocol):
    """Asks an agent, then calls: CallingBack."""

    def __call__(
        self, promise: Promise, context: HandOffContext, agent: str, /
    ) -> Awaitable[Result]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackOptions:
    """Times in seconds."""

    again_s: float = 600.0  # after nobody answered: out for a moment, or on another call
    agent_again_s: float = 15.0  # after no agent took it
    max_unreached: int = 3


class Callbacks:
    """Use on the event loop; `tick` at least once a second.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: CallbackStore,
        queue: WaitingRoom,
        call_back: CallBack,
        *,
        clock: Callable[[], float],
        options: CallbackOptions | None = None,
    ) -> None:
        self._store, self._queue, self._call_back, self._clock = store, queue, call_back, clock
        self._options = options or CallbackOptions()
        self._promises: dict[UUID, Promise] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def can_call(self, call: CallInHand) -> bool:
        """Whether this caller has an address that can be dialled."""
        return dialable(call.info.caller) is not None

    def promise(self, call: CallInHand, handoff: HandOff, context: HandOffContext) -> None:
        """Keep the place of a caller who waits, who may hang up now.

        Raises:
            ValueError: they have no address that can be dialled, or no place.
        """
        number, place = dialable(call.info.caller), self._queue.place(call.call_id)
        if number is None or place is None:
            raise ValueError("a caller without a number, or who does not wait, cannot be promised")
        position = self._queue.position(call.call_id)
        promise = Promise(
            id=uuid4(),
            call_id=call.call_id,
            number=number,
            skill=handoff.skill,
            place=place,
            context=context,
        )
        self._store.callback_promised(
            CallbackPromise(
                id=promise.id,
                call_id=call.call_id,
                number=number,
                skill=handoff.skill,
                place=position,
                queued_at=datetime.fromtimestamp(place.joined_at_s, UTC),
                promised_at=datetime.now(UTC),
            )
        )
        self._promises[promise.id] = promise
        self._queue.keep_place(call.call_id, _InLine(self, promise))

    async def restore(self) -> None:
        """Take up what was promised before a restart; what cannot be read now is left for the next.

        Nobody is in line before an agent is there: a queue without agents sends everybody away.
        """
        try:
            kept = await self._store.open_callbacks()
        except RecordsUnavailableError as error:
            log.warning("promised callbacks were not read", extra={"cause": str(error)})
            return
        for each in kept:
            routing = self._queue.routing
            place = Place(
                queue=routing.queue_of(each.skill),
                joined_at_s=each.queued_at.timestamp(),
                priority=routing.priority_of(each.skill, None),
            )
            self._promises.setdefault(
                each.id,
                Promise(
                    id=each.id,
                    call_id=each.call_id,
                    number=each.number,
                    skill=each.skill,
                    place=place,
                    due_s=self._clock(),
                ),
            )

    def tick(self) -> None:
        """Put whoever is due in line again."""
        now_s = self._clock()
        for promise in tuple(self._promises.values()):
            due = promise.due_s is not None and now_s >= promise.due_s
            if due and self._queue.is_staffed(promise.skill):
                promise.due_s = None
                self._queue.wait_again(
                    _InLine(self, promise), promise.call_id, promise.skill, promise.place
                )

    async def close(self) -> None:
        """Break off; what was promised stays so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what the queue says of one of them ---

    def offered(self, promise: Promise, agent: str) -> None:
        """There is an agent for them."""
        promise.attempts += 1
        self._spawn(self._attempt(promise, agent, promise.attempts))

    def given_up(self, promise: Promise, reason: str) -> None:
        """The queue has them no more."""
        if reason == GiveUpReason.NOBODY_SIGNED_IN.value:
            self._try_later(promise, self._options.agent_again_s)
        else:
            self._settle(promise, reason)

    async def _attempt(self, promise: Promise, agent: str, number: int) -> None:
        result = Result.NO_AGENT
        try:
            context = promise.context or await self._context(promise)
            result = await self._call_back(promise, context, agent)
        except (RecordsUnavailableError, LookupError) as error:
            log.warning("a callback has to wait", extra={"cause": str(error)})
        except Exception:
            log.exception("a callback failed by a defect; it is tried again")
        match result:
            case Result.TALKED:
                self._settle(promise, "called_back")
            case Result.NOT_REACHED:
                promise.unreached += 1
                if promise.unreached >= self._options.max_unreached:
                    self._settle(promise, "not_reached")
                else:
                    self._try_later(promise, self._options.again_s)
            case Result.NO_AGENT:
                if number == promise.attempts:  # else the queue had the next agent at once
                    self._try_later(promise, self._options.agent_again_s)

    async def _context(self, promise: Promise) -> HandOffContext:
        """What the agent would have known; from the records, after a restart.

        Raises:
            RecordsUnavailableError: the database does not answer.
            LookupError: there is nothing of it on record yet.
        """
        kept = (await self._store.of_call(promise.call_id)).handoffs
        if not kept:
            raise LookupError("the hand-off of a callback is not on record")
        latest = max(kept, key=lambda each: each.requested_at)
        promise.context = HandOffContext.from_json(latest.context)
        return promise.context

    def _try_later(self, promise: Promise, delay_s: float) -> None:
        self._queue.give_place_back(promise.call_id)
        promise.due_s = self._clock() + delay_s

    def _settle(self, promise: Promise, outcome: str) -> None:
        if self._promises.pop(promise.id, None) is not None:
            self._queue.give_place_back(promise.call_id)
            self._store.callback_settled(promise.id, datetime.now(UTC), outcome)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a callback ended by a defect", exc_info=error)


class _InLine:
    """server.handoff.waiting_room.Waiting of a caller who is not on the line."""

    def __init__(self, callbacks: Callbacks, promise: Promise) -> None:
        self._callbacks, self._promise = callbacks, promise

    def picked(self, agent: str) -> None:
        self._callbacks.offered(self._promise, agent)

    def gave_up(self, reason: str, recovery: Recovery) -> None:
        self._callbacks.given_up(self._promise, reason)

    def position(self, position: int, estimated_wait_s: float | None) -> None:
        """Nobody is there to hear it."""

    def offer_callback(self) -> None:
        """They have chosen it."""


def dialable(caller: str) -> str | None:
    """The number or URI at which this caller can be called; None: there is none.

    Args:
        caller: as in CallerInfo: a number, or a SIP URI.
    """
    number = caller.removeprefix("tel:")
    if number.lstrip("+").isdigit():
        return number
    if not caller.startswith(("sip:", "sips:")):
        return None
    try:
        uri = parse_uri(caller)
    except MalformedValueError:
        return None
    hidden = unquote(uri.user or "").casefold() in _NOBODY or uri.host.endswith(".invalid")
    return None if hidden else caller
