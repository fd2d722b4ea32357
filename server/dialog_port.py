"""The dialog behind voice's port.

dialog/ and voice/ must not know each other, so each has its own words for what crosses between
them; here one is told in the other's.
"""

from collections.abc import Sequence
from typing import assert_never

from dialog import events as theirs
from dialog.session import Dialog
from voice import events as ours


class DialogPort:
    """voice.ports.Dialog over dialog.session.Dialog."""

    def __init__(self, dialog: Dialog) -> None:
        self._dialog = dialog
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

    def preview(self, event: ours.CallerSaid) -> ours.Preview:
        """See voice.ports.Dialog."""
        readiness, effects = self._dialog.preview(_said(event))
        return ours.Preview(
            readiness=ours.Readiness(readiness.value),
            effects=tuple(_effect(effect) for effect in effects),
        )

    def receive(self, event: ours.CallerEvent) -> Sequence[ours.Effect]:
        effects = [_effect(effect) for effect in self._dialog.receive(_event(event))]
        self._expects = _expectation(self._dialog.expects)
        return effects


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
