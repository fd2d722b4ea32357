"""The dialog behind voice's port.

dialog/ and voice/ must not know each other, so each has its own words for what crosses between
them; here one is told in the other's.

What a caller said is understood off the event loop: grammars and the classifier of intents take
milliseconds over it, more the more intents a flow has, and no tick begins meanwhile. All else takes
no longer than the way to another thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar, assert_never

from dialog import events as theirs
from dialog.session import Dialog
from voice import events as ours

_T = TypeVar("_T")


class DialogPort:
    """voice.ports.Dialog over dialog.session.Dialog.

    Only the thread of the event loop ever moves the dialog, so whoever reads it there, ticks and
    people who look on, finds it before an event or after.
    """

    def __init__(self, dialog: Dialog, thinking: Executor | None = None) -> None:
        """
        Args:
            thinking: where what callers said is understood; None: at once, in the event loop.
        """
        self._dialog = dialog
        self._thinking = thinking
        self._in_turn = asyncio.Lock()  # of this call's events, and of looks at them
        self._expects = _expectation(dialog.expects)

    @property
    def expects(self) -> ours.Expectation:
        return self._expects

    @property
    def understanding(self) -> ours.Understanding | None:
        understood = self._dialog.understanding
        if understood is None:
            return None
        return ours.Understanding(
            intent=understood.intent,
            score=understood.score,
            band=understood.band,
            slots=understood.slots,
        )

    async def preview(self, event: ours.CallerSaid) -> ours.Preview:
        """See voice.ports.Dialog."""
        async with self._in_turn:
            readiness, effects = await self._thought(self._dialog.previewing(_said(event)))
        return ours.Preview(
            readiness=ours.Readiness(readiness.value),
            effects=tuple(_effect(effect) for effect in effects),
        )

    async def receive(self, *events: ours.CallerEvent) -> Sequence[ours.Effect]:
        """See voice.ports.Dialog."""
        async with self._in_turn:
            work = self._dialog.advancing(*(_event(event) for event in events))
            said = any(isinstance(event, ours.CallerSaid) for event in events)
            effects = self._dialog.keep(await self._thought(work) if said else work())
            self._expects = _expectation(self._dialog.expects)
        return [_effect(effect) for effect in effects]

    async def _thought(self, work: Callable[[], _T]) -> _T:
        """Whoever no longer wants it cancels: what has not begun is never done."""
        if self._thinking is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thinking, work)


def _said(event: ours.CallerSaid) -> theirs.CallerSaid:
    heard = event.transcription
    return theirs.CallerSaid(
        hypotheses=tuple(
            theirs.Hypothesis(text=one.text, log_prob=one.log_prob) for one in heard.hypotheses
        ),
        confidence=heard.confidence,
    )


def _event(event: ours.CallerEvent) -> theirs.Event:
    match event:
        case ours.CallStarted():
            return theirs.CallStarted()
        case ours.CallerSaid():
            return _said(event)
        case ours.CallerKeyed(digits=digits):
            return theirs.CallerKeyed(digits=digits)
        case ours.CallerSilent():
            return theirs.CallerSilent()
        case ours.PromptInterrupted(heard=heard):
            return theirs.PromptInterrupted(heard=heard)
        case ours.ActionEnded(outcome=outcome):
            return theirs.ActionEnded(
                name=outcome.name,
                key=outcome.key,
                status=theirs.ActionStatus(outcome.status.value),
                result=outcome.result,
                error=outcome.error,
            )
        case ours.HandOffEnded(reason=reason, recovery=recovery, step=step):
            return theirs.HandOffEnded(reason=reason, recovery=recovery, step=step)
        case _:
            assert_never(event)


def _effect(effect: theirs.Effect) -> ours.Effect:
    match effect:
        case theirs.Speak(text=text, barge_in=barge_in):
            return ours.Speak(text=text, barge_in=ours.BargeIn(barge_in.value))
        case theirs.PerformAction(name=name, arguments=arguments, key=key, fillers=fillers):
            return ours.PerformAction(name=name, arguments=arguments, key=key, fillers=fillers)
        case theirs.EndCall(reason=reason):
            return ours.EndCall(reason=reason)
        case theirs.HandOff(reason=reason, skill=skill, task=task, target=target):
            return ours.HandOff(reason=reason, skill=skill, task=task, target=target)
        case _:
            assert_never(effect)


def _expectation(expects: theirs.Expectation) -> ours.Expectation:
    return ours.Expectation(
        kind=ours.Expects(expects.kind.value),
        min_length=expects.min_length,
        max_length=expects.max_length,
        patience_s=expects.patience_s,
        barge_in=ours.BargeIn(expects.barge_in.value),
    )
