"""What a caller's words do, by what is waited for.

Guards come first: a command, whatever is waited for; then the grammar of what was asked; and only
when neither fits, the classifier of intents.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from dialog import steps
from dialog.entities.words import contains, plain
from dialog.entities.yes_no import YesNo, find_yes_no
from dialog.events import CallerSaid, Understanding
from dialog.plan import SlotType
from dialog.repair import Command, command_in, is_closing
from dialog.runner import Runner
from dialog.slots import Filled, announces, fill, fill_from_keys
from dialog.state import Waiting
from dialog.understand import Band, Decision, IntentClassifier, decide, is_doubtful, rank

_CHOSEN: Final = 0.5  # of what two intents share: enough to tell which of the two was meant
_DEAF: Final = (Waiting.START, Waiting.ACTION, Waiting.HAND_OFF, Waiting.ENDED)
"""Where nothing that the caller says or keys is an answer."""

_MOST_REFUSALS: Final = 4  # of one slot's value, before a person takes over
_ENDS_AT: Final = 2  # the second time that nothing is understood at all, the call ends
# "The second one" is the second: what is plain goes before what may be a pronoun.
_ORDINALS: Final = (
    ({"first", "former"}, {"second", "latter"}),
    ({"one", "1"}, {"two", "2"}),
)


class Listener:
    """Understands one event for a Runner."""

    def __init__(
        self, runner: Runner, classifier: IntentClassifier, *, keys_first: bool = False
    ) -> None:
        self._run = runner
        self._keys_first = keys_first
        self._classifier = classifier
        self._answers: Mapping[Waiting, Callable[[CallerSaid], None]] = {
            Waiting.START: self._nothing,
            Waiting.OPEN: self._open,
            Waiting.SLOT: self._slot,
            Waiting.CONFIRM: self._confirm,
            Waiting.QUESTION: self._question,
            Waiting.INTENT: self._question,
            Waiting.CHOICE: self._choice,
            Waiting.RESUME: self._question,
            Waiting.ACTION: self._nothing,
            Waiting.HAND_OFF: self._nothing,
            Waiting.ENDED: self._nothing,
        }

    # --- speech -----------------------------------------------------------------------------------

    def said(self, said: CallerSaid) -> None:
        """Take what the caller said."""
        if not any(plain(each.text) for each in said.hypotheses):
            self.fail("mumble")
            return
        command = self._command(said)
        if self._run.state.waiting is Waiting.ACTION:
            if command is Command.AGENT or command is Command.GOODBYE:
                self._note(command.value, 1.0, "command")
                self._run.update(pending=command.value)
        elif command:
            self.command(command)
        else:
            self._answers[self._run.state.waiting](said)

    def _command(self, said: CallerSaid) -> Command | None:
        """The command that was given; one that ends or changes the call only when it is sure."""
        command = command_in(said.hypotheses[0].text)
        harmless = command is Command.REPEAT or command is Command.HELP
        doubtful = is_doubtful(self._run.flow, said) and not harmless
        return None if doubtful else command

    def _open(self, said: CallerSaid) -> None:
        run = self._run
        asked_more = run.state.question in run.flow.prompts.anything_else.forms
        answer = find_yes_no(_best(said))  # nothing less likely ends a call
        if asked_more and (is_closing(_best(said)) or (answer and _bare(answer, False))):
            self._note("goodbye", 1.0, "command")
            run.end("completed")
        elif asked_more and answer and _bare(answer, True):
            self._note("yes", 1.0, "slot")
            run.open(run.flow.prompts.open)
        else:
            self._decided(decide(run.flow, self._classifier, said), said)

    def _decided(self, decision: Decision, said: CallerSaid) -> None:
        run = self._run
        words = plain(_best(said))
        filled: dict[str, str] = {}
        match decision.band:
            case Band.ACCEPT:
                filled = run.begin(decision.intents[0], words)
                run.run()
            case Band.CONFIRM:
                says = run.flow.intents[decision.intents[0]].says
                run.ask(
                    Waiting.INTENT,
                    run.flow.prompts.confirm_intent,
                    values={"intent": says},
                    options=decision.intents,
                )
                run.update(utterance=" ".join(words))
            case Band.CHOOSE:
                first, second = (run.flow.intents[each].says for each in decision.intents)
                run.ask(
                    Waiting.CHOICE,
                    run.flow.prompts.choose_intent,
                    values={"first": first, "second": second},
                    options=decision.intents,
                )
                run.update(utterance=" ".join(words))
            case Band.NO_MATCH:
                self.fail("no_match")
        self._note(decision.intent, decision.score, decision.band, filled)

    def _slot(self, said: CallerSaid) -> None:
        run = self._run
        name = run.state.awaits
        rejected = run.state.rejected.get(name, ())
        before = run.state.others.get(name, ())
        filled = fill(run.flow.slots[name], said.hypotheses, rejected=rejected, before=before)
        commands = () if is_doubtful(run.flow, said) else said.hypotheses
        if filled:
            self._filled(name, filled, said)
        elif command := next(filter(None, (command_in(each.text) for each in commands)), None):
            self.command(command)
        elif announces(run.flow.slots[name], plain(_best(said))) or not self._digressed(said):
            self.fail("no_match")

    def _filled(self, name: str, filled: Filled, said: CallerSaid | None) -> None:
        run = self._run
        run.set_slot(name, filled.value, filled.others)
        values = {name: filled.value}
        free = run.flow.slots[name].type in (SlotType.ADDRESS, SlotType.MESSAGE)
        if said and not free and run.state.intent:
            task = run.flow.intents[run.state.intent].task
            values |= run.fill_from(plain(_best(said)), task, but=name)
        self._note(run.state.intent, filled.score, "slot", values)
        run.run()

    def _digressed(self, said: CallerSaid) -> bool:
        """Did the caller, beyond doubt, turn to something else?"""
        run = self._run
        intent, score = next(iter(rank(run.flow, self._classifier, said)), ("", 0.0))
        if score < run.flow.thresholds.digress or intent == run.state.intent:
            return False
        filled = run.digress(intent, plain(_best(said)))
        self._note(intent, score, Band.ACCEPT, filled)
        run.run()
        return True

    def _confirm(self, said: CallerSaid) -> None:
        run = self._run
        name = run.state.awaits
        answer = _answer(said)
        if answer and not answer.rest:
            self.yes_no(answer.yes)
            return
        value = run.state.slots[name]
        refused = {*run.state.rejected.get(name, ()), value}
        found = fill(run.flow.slots[name], said.hypotheses, rejected=refused, former=value)
        if found and found.value != value:
            if not self._refused_too_often():
                self._filled(name, found, None)
        elif answer and not self._digressed(said):
            self.yes_no(answer.yes)
        elif not answer and not self._digressed(said):
            self.fail("no_match")

    def _question(self, said: CallerSaid) -> None:
        answer = _answer(said)
        if answer and not answer.rest:
            self.yes_no(answer.yes)
        elif self._run.state.waiting in (Waiting.RESUME, Waiting.INTENT):
            self._instead(said, answer)
        elif not self._digressed(said):
            self.yes_no(answer.yes) if answer else self.fail("no_match")

    def _instead(self, said: CallerSaid, answer: YesNo | None) -> None:
        """ "Do you want A?" answered with "no, B", or "yes, A on order four eight one five"."""
        run = self._run
        asked = run.state.parked[-1].intent if run.state.parked else run.state.options[0]
        decision = decide(run.flow, self._classifier, said)
        accepted = decision.band is Band.ACCEPT
        if accepted and decision.intent != asked:
            self._decided(decision, said)
        elif answer:
            self.yes_no(answer.yes)
        elif accepted:
            self.yes_no(True)
        else:
            self.fail("no_match")

    def _choice(self, said: CallerSaid) -> None:
        named = _ordinal(set(plain(_best(said))))
        ranked = rank(self._run.flow, self._classifier, said, self._run.state.options)
        total = sum(score for _, score in ranked)
        if named is not None:
            self.choose(named)
        elif total >= _CHOSEN and ranked[0][1] > ranked[-1][1]:
            self.choose(self._run.state.options.index(ranked[0][0]))
        else:
            self.fail("no_match")

    def _nothing(self, said: CallerSaid) -> None:
        """Nothing is waited for: before the call began, with a person, or after it ended."""

    # --- keys -------------------------------------------------------------------------------------

    def keyed(self, keys: str) -> None:
        """Take what the caller keyed."""
        run = self._run
        digits = keys.strip("#*")
        waiting = run.state.waiting
        slot = run.flow.slots.get(run.state.awaits) if waiting is Waiting.SLOT else None
        if waiting in _DEAF:
            return
        if slot and slot.takes_keys:
            filled = fill_from_keys(slot, digits)
            if filled:
                self._filled(slot.name, filled, None)
            else:
                self.fail("no_match")
        elif digits == "0":
            self.command(Command.AGENT)
        elif digits in ("1", "2") and waiting is Waiting.CHOICE:
            self.choose(int(digits) - 1)
        elif digits in ("1", "2") and self._is_yes_no():
            self.yes_no(digits == "1")
        else:
            self.fail("no_match")

    def _is_yes_no(self) -> bool:
        return self._run.state.waiting in (
            *(Waiting.CONFIRM, Waiting.QUESTION, Waiting.INTENT, Waiting.RESUME),
        )

    # --- answers ----------------------------------------------------------------------------------

    def yes_no(self, yes: bool) -> None:
        """The caller answered the question that is open."""
        run = self._run
        self._note(run.state.intent, 1.0, "slot", {"answer": "yes" if yes else "no"})
        match run.state.waiting:
            case Waiting.CONFIRM:
                self._confirmed(yes)
            case Waiting.INTENT if yes:
                self.choose(0)
            case Waiting.INTENT:
                run.open(run.flow.prompts.open)
            case Waiting.RESUME if yes:
                run.resume()
            case Waiting.RESUME:
                run.update(parked=run.state.parked[:-1])
                run.finish()
            case _:
                step = run.current()
                assert isinstance(step, steps.Question)
                run.go_on(None if yes else step.no)
                run.run()

    def _confirmed(self, yes: bool) -> None:
        run = self._run
        if yes and run.state.unheard:
            run.run()  # a yes to what was not heard to the end confirms nothing: say it again
            return
        if yes:
            run.update(confirmed=(*run.state.confirmed, run.state.awaits))
            run.go_on()
            run.run()
        elif not self._refused_too_often():
            run.run()

    def _refused_too_often(self) -> bool:
        """Take back the value to be confirmed; after a few times a person takes over: True."""
        run = self._run
        name = run.state.awaits
        count = run.state.refusals.get(name, 0) + 1
        run.update(refusals={**run.state.refusals, name: count})
        run.reject(name)
        if count >= _MOST_REFUSALS:
            self._call_in("no_match")
        return count >= _MOST_REFUSALS

    def choose(self, index: int) -> None:
        """The caller wants one of the intents that were offered."""
        run = self._run
        intent = run.state.options[index]
        filled = run.begin(intent, plain(run.state.utterance))
        self._note(intent, 1.0, Band.ACCEPT, filled)
        run.run()

    def interrupted(self, heard: str) -> None:
        """Note whether a value to be confirmed was heard before the caller spoke."""
        run = self._run
        if run.state.waiting is Waiting.CONFIRM:
            value = str(run.spoken(run.state.awaits))
            run.update(unheard="" if contains(heard, value) else value)

    # --- steering ---------------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        """Do what the caller asks at any time."""
        run = self._run
        if run.state.waiting in _DEAF:
            return
        self._note(command.value, 1.0, "command")
        match command:
            case Command.AGENT:
                self._call_in("caller_asked")
            case Command.REPEAT:
                run.repeat()
            case Command.HELP:
                self._help()
            case Command.START_OVER:
                run.update(parked=(), slots={}, rejected={})
                run.open(run.flow.prompts.open)
            case Command.GOODBYE:
                run.end("completed")

    def _help(self) -> None:
        run = self._run
        texts = run.reprompts
        # Help counts as an attempt: someone it does not help gets a person in the end.
        if run.state.no_match >= len(texts.no_match):
            self._give_up("no_match")
            return
        run.say(texts.help, self._question_values())
        run.update(no_match=run.state.no_match + 1)

    def fail(self, kind: Literal["no_input", "no_match", "mumble"]) -> None:
        """Nothing, nothing fitting, or no word came: each is counted and asked again by itself."""
        run = self._run
        if run.state.waiting in _DEAF:
            return
        silent = kind == "no_input"
        if not silent:
            self._note(None, 0.0, kind)
        texts = run.reprompts.no_input if silent else run.reprompts.no_match
        count = int(getattr(run.state, kind))
        if count >= len(texts):
            self._give_up("no_input" if silent else "no_match")
            return
        text = texts[-1 if self._keys_first else count]
        run.say(text, self._question_values())
        run.update(**{kind: count + 1})

    def _question_values(self) -> dict[str, str]:
        return {"question": self._run.state.question}

    def _give_up(self, reason: str) -> None:
        run = self._run
        run.update(given_up=run.state.given_up + 1)
        if run.state.given_up >= _ENDS_AT:
            run.end(reason)
        else:
            self._call_in(reason)

    def _call_in(self, reason: str) -> None:
        """Leave it to a person."""
        run = self._run
        run.update(facts={**run.state.facts, "reason": reason})
        run.start(run.flow.agent_task)
        run.run()

    def _note(
        self, intent: str | None, score: float, band: str, slots: Mapping[str, str] | None = None
    ) -> None:
        self._run.understanding = Understanding(
            intent=intent, score=round(score, 4), band=str(band), slots=slots or None
        )


def _best(said: CallerSaid) -> str:
    return said.hypotheses[0].text


def _answer(said: CallerSaid) -> YesNo | None:
    """The first hypothesis that is an answer."""
    return next(filter(None, (find_yes_no(each.text) for each in said.hypotheses)), None)


def _ordinal(words: set[str]) -> int | None:
    for first, second in _ORDINALS:
        if bool(words & first) is not bool(words & second):
            return 0 if words & first else 1
    return None


def _bare(answer: YesNo, yes: bool) -> bool:
    return answer.yes is yes and not answer.rest
