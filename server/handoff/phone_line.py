"""A target that is only a telephone: an extension, an outside number. See server.handoff.ports."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

from server.handoff.context import HandOffContext
from server.handoff.leg_abilities import follow_hold
from server.handoff.phone_transfer import take_transfers
from server.handoff.ports import HoldChanged, LineEvent, LinePressedKey, LineRequest
from telephony.leg import LegGoneError, LegRefusedError, OutgoingLeg
from telephony.transfer_events import TargetAnswered, TargetFailed, TargetGone, TargetRinging
from voice.events import KeyPressed, LegEnded, LegEvent
from voice.ports import AudioLeg

BUSY = frozenset({486, 600})
NO_ANSWER = frozenset({408, 480, 487})


def refusal(status: int) -> str:
    """A SIP status in the words of TargetFailed (RFC 3261 §21.4, §21.6)."""
    if status in BUSY:
        return "busy"
    return "no_answer" if status in NO_ANSWER else str(status)


def can_be_dialled(target: str) -> bool:
    """A SIP URI, or a number as one dials it; never the id of an agent, nor a queue."""
    return target.startswith(("sip:", "sips:", "tel:")) or target.lstrip("+").isdigit()


def _ignore(event: LineEvent) -> None:
    pass


class PhoneLine:
    """One call to a telephone. Whoever answers hears the brief and takes the caller by a key.

    Attributes:
        status: the SIP status that the call failed with.
    """

    def __init__(self, dial: Callable[[], Awaitable[OutgoingLeg]]) -> None:
        self.on_event: Callable[[LineEvent], None] = _ignore
        self.on_telephone = True
        self.status = 480
        self._dial = dial
        self._outgoing: OutgoingLeg | None = None
        self._answered = self._joined = self._over = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def leg(self) -> AudioLeg | None:
        return self._outgoing if self._answered else None

    def ring(self) -> None:
        """Dial; once."""
        task = asyncio.create_task(self._ring(), name="phone line")
        self._keep(task)

    def joined(self) -> None:
        """A telephone shows nothing, but it may transfer on from now."""
        self._joined = True

    def said(self, who: str, text: str) -> None:
        """A telephone shows nothing."""

    def learned(self, context: HandOffContext) -> None:
        """A telephone shows nothing."""

    def refused(self, asked: LineRequest, why: str) -> None:
        """A telephone shows nothing."""

    def release(self, reason: str) -> None:
        self._over = True
        if self._outgoing is not None:
            self._keep(asyncio.create_task(self._outgoing.hang_up(reason), name="hang up"))

    async def _ring(self) -> None:
        try:
            leg = self._outgoing = await self._dial()
            leg.on_ringing = lambda: self._report(TargetRinging())
            leg.on_event = self._leg_event
            take_transfers(leg, self._report, has_caller=lambda: self._joined)
            follow_hold(leg, self._hold_changed)
            if self._over:  # released while the INVITE was being made
                await leg.hang_up("released")
            await leg.answered()
        except LegRefusedError as refused:
            self.status = refused.status
            self._end(TargetFailed(reason=refusal(refused.status)))
        except LegGoneError:
            self._end(TargetFailed(reason="unreachable"))
        else:
            self._answered = True
            self._report(TargetAnswered())

    def _hold_changed(self, held: bool) -> None:
        if self._joined:
            self._report(HoldChanged(held=held))

    def _leg_event(self, event: LegEvent) -> None:
        match event:
            case KeyPressed(key=key):
                self._report(LinePressedKey(key=key))
            case LegEnded(reason=reason):
                if self._answered:
                    self._end(TargetGone(reason=reason))
            case _:
                assert_never(event)

    def _end(self, event: TargetFailed | TargetGone) -> None:
        self._report(event)
        self._over = True

    def _report(self, event: LineEvent) -> None:
        if not self._over:
            self.on_event(event)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
