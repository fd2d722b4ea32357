"""Runs a flow's instructions from where a call is to the next thing it has to wait for.

A Runner lives for one event: it takes a state, is told what to do, and leaves a new state and the
effects. It understands nothing; dialog/listening.py does.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from dialog import steps
from dialog.errors import FlowLoopError
from dialog.events import (
    ActionEnded,
    BargeIn,
    Effect,
    EndCall,
    HandOff,
    HandOffEnded,
    PerformAction,
    Speak,
    Understanding,
)
from dialog.names import dig, render, resolve
from dialog.plan import Flow, Reprompts, Return, Slot
from dialog.slots import fill_within, spoken
from dialog.state import Frame, Parked, State, Waiting
from dialog.texts import Text

_MOST_INSTRUCTIONS: Final = 1_000  # in one step; a flow that runs longer goes round in circles
_MOST_PARKED: Final = 3  # digressions from digressions; beyond, the oldest is let go


class Runner:
    """One step being made; `terse` has texts in their short form."""

    def __init__(self, flow: Flow, state: State, *, terse: bool = False) -> None:
        self.flow = flow
        self.state = state
        self._terse = terse
        self.understanding: Understanding | None = None
        self._effects: list[Effect] = []
        self._actions = 0
        self._handlers: Mapping[type[Any], Callable[[Any], None]] = {
            steps.Ask: self._ask,
            steps.Confirm: self._confirm,
            steps.Perform: self._perform,
            steps.HandOff: self._hand_off,
            steps.Branch: self._branch,
            steps.Jump: self._jump,
            steps.Say: self._say,
            steps.Question: self._question,
            steps.Assign: self._assign,
            steps.Forget: self._forget,
            steps.Retry: self._retry,
            steps.Call: self._call,
            steps.Start: self._start,
            steps.Return: self._return,
            steps.Done: self._done,
            steps.End: self._end,
        }

    @property
    def effects(self) -> tuple[Effect, ...]:
        return tuple(self._effects)

    def update(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    # --- names ------------------------------------------------------------------------------------

    def lookup(self, name: str) -> Any:
        """The value of a name, as it is; None when it has none."""
        match name:
            case "intent":
                return self.state.intent
            case "known":
                return self._known()
            case _ if name in self.state.slots:
                return self.state.slots[name]
            case _ if name in self.flow.phrases:
                return self._phrase(name)
            case _:
                return dig(self.state.facts, name)

    def spoken(self, name: str) -> Any:
        """The value of a name as it is said."""
        if name in self.state.slots:
            return spoken(self.flow.slots[name], self.state.slots[name])
        return self.lookup(name)

    def _known(self) -> dict[str, Any]:
        """All that the caller told, so that they need not tell it to a person again."""
        known: dict[str, Any] = dict(self.state.slots)
        if self.state.intent:
            known["intent"] = self.state.intent
        return known

    def _phrase(self, name: str) -> str | None:
        for phrase in self.flow.phrases[name]:
            if phrase.when.holds(self.lookup):
                return render(phrase.say.form(terse=self._terse), self.spoken)
        return None

    # --- speaking ---------------------------------------------------------------------------------

    def say(self, text: Text, values: Mapping[str, str] | None = None) -> str:
        """Say a text of the flow; what one step says in one mode is one Speak. Returns it."""
        template = text.form(terse=self._terse)
        said = render(template, values.get if values is not None else self.spoken)
        self._speak(said, text.barge_in or self.flow.barge_in_at(self.state))
        self.update(said=" ".join(e.text for e in self._effects if isinstance(e, Speak)))
        return said

    def _speak(self, said: str, mode: BargeIn) -> None:
        last = self._effects[-1] if self._effects else None
        if isinstance(last, Speak) and last.barge_in is mode:
            self._effects[-1] = replace(last, text=f"{last.text} {said}")
        else:
            self._effects.append(Speak(text=said, barge_in=mode))

    def repeat(self) -> None:
        """Say again what was last said."""
        said = self.state.said or self.flow.prompts.open.form(terse=self._terse)
        self._speak(said, self.flow.barge_in_at(self.state))

    def ask(
        self,
        waiting: Waiting,
        text: Text,
        *,
        values: Mapping[str, str] | None = None,
        awaits: str = "",
        options: tuple[str, ...] = (),
    ) -> None:
        """Say a question and wait for its answer, with all counters at zero."""
        question = self.say(text, values)
        self.update(
            waiting=waiting,
            awaits=awaits,
            options=options,
            question=question,
            no_input=0,
            no_match=0,
            mumble=0,
            unheard="",
        )

    @property
    def reprompts(self) -> Reprompts:
        """What is said when the answer to the open question fails."""
        match self.state.waiting:
            case Waiting.SLOT:
                return self.flow.slots[self.state.awaits].reprompts
            case Waiting.OPEN:
                return self.flow.open_reprompts
            case _:
                return self.flow.yes_no_reprompts

    # --- values -----------------------------------------------------------------------------------

    def set_slot(self, name: str, value: str, others: tuple[str, ...] = ()) -> None:
        """Give a slot its value; what depends on another value of it is forgotten.

        Args:
            others: what else may have been said, for when the value turns out to be wrong.
        """
        if self.state.slots.get(name) != value:
            self.forget(each.name for each in self.flow.slots.values() if name in each.depends_on)
            self.update(confirmed=_without(self.state.confirmed, {name}))
        self.update(
            slots={**self.state.slots, name: value}, others={**self.state.others, name: others}
        )

    def forget(self, names: Iterable[str]) -> None:
        gone = set(names)
        kept = {key: each for key, each in self.state.slots.items() if key not in gone}
        others = {key: each for key, each in self.state.others.items() if key not in gone}
        confirmed = _without(self.state.confirmed, gone)
        self.update(slots=kept, others=others, confirmed=confirmed)

    def reject(self, name: str) -> None:
        """The slot's value was wrong: forget it, and prefer any other from now on."""
        value = self.state.slots.get(name)
        if value is not None:
            before = self.state.rejected.get(name, ())
            values = before if value in before else (*before, value)
            self.update(rejected={**self.state.rejected, name: values})
        others = self.state.others.get(name, ())
        self.forget([name])
        self.update(others={**self.state.others, name: others})

    def fill_from(self, text_words: list[str], task: str, *, but: str = "") -> dict[str, str]:
        """Fill the slots of a task that a sentence announces; returns what was filled."""
        filled: dict[str, str] = {}
        for slot in self.flow.slots_of(task):
            if slot.name != but and (taken := fill_within(slot, text_words)):
                filled[slot.name], text_words = taken
                self.set_slot(slot.name, filled[slot.name])
        return filled

    # --- tasks ------------------------------------------------------------------------------------

    def begin(self, intent: str, words: list[str]) -> dict[str, str]:
        """Start what the caller wants, with what they said of it; returns the slots filled."""
        task = self.flow.intents[intent].task
        for slot in self.flow.slots_of(task):
            said = " ".join(words)
            if not slot.keep or any(f" {each} " in f" {said} " for each in slot.forget_when_said):
                self.forget([slot.name])
                self.update(rejected={**self.state.rejected, slot.name: ()})
                self.update(refusals={**self.state.refusals, slot.name: 0})
        self.update(intent=intent, frames=(Frame(task=task, position=0),), utterance="")
        return self.fill_from(words, task)

    def digress(self, intent: str, words: list[str]) -> dict[str, str]:
        """Put aside what is being done, to offer it again, and start something else."""
        parked = tuple(each for each in self.state.parked if each.intent != intent)
        # Before a first answer, what was begun was probably not what the caller had asked for.
        if self.state.intent and self._answered(self.state.intent):
            parked = (*parked, Parked(intent=self.state.intent, frames=self.state.frames))
        self.update(parked=parked[-_MOST_PARKED:])
        return self.begin(intent, words)

    def _answered(self, intent: str) -> bool:
        task = self.flow.intents[intent].task
        return any(slot.name in self.state.slots for slot in self.flow.slots_of(task))

    def resume(self) -> None:
        """Go on with what was put aside last."""
        *rest, last = self.state.parked
        self.update(parked=tuple(rest), intent=last.intent, frames=last.frames)
        self.run()

    def start(self, task: str) -> None:
        """Leave everything under way for a task."""
        self.update(frames=(Frame(task=task, position=0),), parked=())

    def open(self, prompt: Text) -> None:
        """Ask an open question, with nothing under way."""
        self.update(frames=(), intent=None, utterance="")
        self.ask(Waiting.OPEN, prompt)

    def finish(self) -> None:
        """A task is through: offer what was put aside, or ask what else there is."""
        self.update(frames=(), intent=None)
        if not self.state.parked:
            self.open(self.flow.prompts.anything_else)
            return
        says = self.flow.intents[self.state.parked[-1].intent].says
        self.ask(Waiting.RESUME, self.flow.prompts.resume, values={"intent": says})

    def end(self, reason: str) -> None:
        """Say goodbye and hang up."""
        goodbye = self.flow.prompts.goodbye
        self._speak(goodbye.form(terse=self._terse), goodbye.barge_in or BargeIn.NONE)
        self._effects.append(EndCall(reason=reason))
        self.update(waiting=Waiting.ENDED, awaits="", frames=(), parked=(), options=(), question="")

    # --- running ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Run instructions until something has to be waited for.

        Raises:
            FlowLoopError: the flow never waits.
        """
        self.update(waiting=Waiting.START)
        for _ in range(_MOST_INSTRUCTIONS):
            if not self.state.frames:
                self.finish()
            else:
                frame = self.state.frames[-1]
                self._execute(self.flow.tasks[frame.task][frame.position])
            if self.state.waiting is not Waiting.START:
                return
        raise FlowLoopError(f"{self.flow.name}: {self.state.frames[-1:]} never waits for anything")

    def go_on(self, to: int | None = None) -> None:
        """Move to a position in the innermost task; to the next one without `to`."""
        *outer, frame = self.state.frames
        position = frame.position + 1 if to is None else to
        self.update(frames=(*outer, replace(frame, position=position)))

    def current(self) -> steps.Instruction:
        frame = self.state.frames[-1]
        return self.flow.tasks[frame.task][frame.position]

    def action_ended(self, event: ActionEnded) -> None:
        """Bind an action's result and go the way its status chooses."""
        step = self.current()
        assert isinstance(step, steps.Perform)
        if step.save:
            self.update(facts={**self.state.facts, step.save: dict(event.result)})
        self.go_on(step.on[event.status])
        self.run()

    def hand_off_ended(self, event: HandOffEnded) -> None:
        """Go on where a person wants it, or the way that what became of the caller chooses."""
        step = self.current()
        assert isinstance(step, steps.HandOff)
        told = {"reason": event.reason, "recovery": event.recovery, "step": event.step}
        self.update(facts={**self.state.facts, "hand_off": told})
        if event.step is not None and event.step in self.flow.returns:
            self._go_on_at(self.flow.returns[event.step])
        else:
            self.go_on(step.on[steps.way_back_of(event)])
        self.run()

    def _go_on_at(self, back: Return) -> None:
        """A person wants a task done; what the caller has said of it need not be said again."""
        # What was said yes to is done with: done again, the same would hardly be meant.
        self.forget(each.name for each in self.flow.slots_of(back.task) if self._is_used(each))
        wanted = (name for name, each in self.flow.intents.items() if each.task == back.task)
        self.update(
            frames=tuple(Frame(task=each, position=0) for each in (back.then, back.task) if each),
            intent=next(wanted, self.state.intent),
            facts={**self.state.facts, "reason": "step_done"},
        )

    def _is_used(self, slot: Slot) -> bool:
        return slot.name in self.state.confirmed and not slot.keep

    def _execute(self, step: steps.Instruction) -> None:
        self._handlers[type(step)](step)

    def _ask(self, step: steps.Ask) -> None:
        if step.slot in self.state.slots:
            self.go_on()
        else:
            self.ask(Waiting.SLOT, self.flow.slots[step.slot].ask, awaits=step.slot)

    def _confirm(self, step: steps.Confirm) -> None:
        if step.slot in self.state.slots:
            self.ask(Waiting.CONFIRM, step.say, awaits=step.slot)
        else:
            self.go_on(step.ask_at)

    def _perform(self, step: steps.Perform) -> None:
        key = f"{self.state.call_id}:{self.state.turn}:{self._actions}"
        self._actions += 1
        arguments = {name: resolve(each, self.lookup) for name, each in step.arguments.items()}
        self._effects.append(
            PerformAction(name=step.action, arguments=arguments, key=key, fillers=step.fillers)
        )
        self.update(waiting=Waiting.ACTION, awaits=key, question="")

    def _hand_off(self, step: steps.HandOff) -> None:
        last = self._effects[-1] if self._effects else None
        if isinstance(last, Speak):  # the caller must know where they are going
            self._effects[-1] = replace(last, barge_in=BargeIn.NONE)
        doing = self.flow.intents[self.state.intent].says if self.state.intent else None
        self._effects.append(
            HandOff(
                reason=str(resolve(step.reason, self.lookup)),
                skill=step.skill,
                task=doing,
                target=step.target,
            )
        )
        self.update(waiting=Waiting.HAND_OFF, awaits="", question="")

    def _branch(self, step: steps.Branch) -> None:
        self.go_on(None if step.when.holds(self.lookup) else step.otherwise)

    def _jump(self, step: steps.Jump) -> None:
        self.go_on(step.to)

    def _say(self, step: steps.Say) -> None:
        self.say(step.text)
        self.go_on()

    def _question(self, step: steps.Question) -> None:
        self.ask(Waiting.QUESTION, step.text)

    def _assign(self, step: steps.Assign) -> None:
        values = {name: resolve(each, self.lookup) for name, each in step.values.items()}
        self.update(facts={**self.state.facts, **values})
        self.go_on()

    def _forget(self, step: steps.Forget) -> None:
        self.forget(step.slots)
        self.go_on()

    def _retry(self, step: steps.Retry) -> None:
        if others := self.state.others.get(step.slot):
            self.reject(step.slot)
            self.set_slot(step.slot, others[0], others[1:])
            self.go_on(step.ask_at)
            return
        frame = self.state.frames[-1]
        # For the whole call: starting over must not give a guesser new attempts.
        place = f"{frame.task}.{step.slot}"
        count = self.state.attempts.get(place, 0) + 1
        self.update(attempts={**self.state.attempts, place: count})
        if step.say:
            self.say(step.say)
        self.reject(step.slot)
        self.go_on(step.ask_at if count < step.attempts else None)

    def _call(self, step: steps.Call) -> None:
        self.go_on()
        self.update(frames=(*self.state.frames, Frame(task=step.task, position=0)))

    def _start(self, step: steps.Start) -> None:
        self.start(step.task)

    def _return(self, step: steps.Return) -> None:
        self.update(frames=self.state.frames[:-1])

    def _done(self, step: steps.Done) -> None:
        self.update(frames=())

    def _end(self, step: steps.End) -> None:
        self.end(step.reason)


def _without(names: tuple[str, ...], gone: set[str]) -> tuple[str, ...]:
    return tuple(each for each in names if each not in gone)
