"""A flow as the engine runs it: checked, compiled, frozen. dialog/flow.py makes it from YAML."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from dialog.conditions import Condition
from dialog.events import BargeIn, Expectation, Expects
from dialog.state import State, StateError
from dialog.steps import Ask, Call, Confirm, Instruction, Perform, Question, Retry, Say, Start
from dialog.texts import Text


class SlotType(StrEnum):
    DIGITS = "digits"  # a number said or keyed digit by digit
    POSTCODE = "postcode"  # the format of a country
    ADDRESS = "address"  # house number, street, town
    YES_NO = "yes_no"  # "yes" or "no"
    MESSAGE = "message"  # whatever is said, as it is said


_EXPECTS = {
    SlotType.DIGITS: Expects.DIGITS,
    SlotType.POSTCODE: Expects.POSTCODE,
    SlotType.ADDRESS: Expects.ADDRESS,
    SlotType.YES_NO: Expects.YES_NO,
    SlotType.MESSAGE: Expects.ADDRESS,  # as many pauses for thought
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprompts:
    """What is said, first to last, when an answer fails; after the last a person is called in.

    The last should ask for keys or offer a person: a machine that is full begins with it.
    """

    no_input: tuple[Text, ...]
    no_match: tuple[Text, ...]
    help: Text

    @property
    def texts(self) -> tuple[Text, ...]:
        return (*self.no_input, *self.no_match, self.help)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    name: str
    type: SlotType
    ask: Text
    reprompts: Reprompts
    min_length: int | None = None  # of digits or characters
    max_length: int | None = None
    country: str = "us"  # of a postcode: us, uk or ca
    patience_s: float | None = None  # quiet that may follow half a value; None: the ears' own
    keep: bool = False  # for the whole call, not just the task
    depends_on: tuple[str, ...] = ()  # slots whose change makes this one void
    cues: tuple[str, ...] = ()  # words that go before it in a longer sentence
    forget_when_said: tuple[str, ...] = ()  # words that make a kept value void

    @property
    def expectation(self) -> Expectation:
        return Expectation(
            kind=_EXPECTS[self.type],
            min_length=self.min_length,
            max_length=self.max_length,
            patience_s=self.patience_s,
        )

    @property
    def takes_keys(self) -> bool:
        """Can its value be keyed?"""
        return self.type is SlotType.DIGITS or (
            self.type is SlotType.POSTCODE and self.country == "us"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    name: str
    says: str  # "Do you want to …?"
    task: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Probabilities, from 0 to 1, that choose what is done about an intent."""

    accept: float = 0.70  # go ahead
    confirm: float = 0.40  # ask "Do you want to …?"
    choose: float = 0.30  # two at least this likely: ask which
    digress: float = 0.80  # leave a question that is open
    confidence: float = 0.0  # a recogniser less sure than this is never acted on without asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    greeting: Text
    open: Text
    anything_else: Text
    goodbye: Text
    confirm_intent: Text
    choose_intent: Text
    resume: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One of several ways to put something: spoken when its condition holds."""

    when: Condition
    say: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A step at which a person may give the call back."""

    says: str  # for that person: "change the address on an order"
    task: str
    then: str | None  # the task that follows, which may give the call to them again


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One way in which the caller may have proved who they are."""

    when: Condition
    say: str  # "order number and postcode"
    slots: tuple[str, ...]  # whose values are thereby known to be right


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    name: str
    language: str  # of its texts: a BCP 47 tag
    version: str  # of its text: a snapshot of another version is not adopted
    prompts: Prompts
    open_reprompts: Reprompts
    yes_no_reprompts: Reprompts
    thresholds: Thresholds
    agent_task: str
    intents: Mapping[str, Intent]
    slots: Mapping[str, Slot]
    phrases: Mapping[str, tuple[Phrase, ...]]
    tasks: Mapping[str, tuple[Instruction, ...]]
    barge_in: Mapping[str, BargeIn]  # by task: of what is said in it, where that says nothing else
    says: Mapping[str, str]  # by action: what it does, with its arguments in {braces}
    returns: Mapping[str, Return]
    verified_by: tuple[Verification, ...]

    @property
    def identity(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def examples(self) -> dict[str, tuple[str, ...]]:
        """What the classifier of intents learns from."""
        return {name: intent.examples for name, intent in self.intents.items()}

    @property
    def fillers(self) -> tuple[str, ...]:
        """All that is said while actions run, each once."""
        performed = (each for task in self.tasks.values() for each in task)
        said = (text for each in performed if isinstance(each, Perform) for text in each.fillers)
        return tuple(dict.fromkeys(said))

    @property
    def texts(self) -> tuple[Text, ...]:
        """All that may be said, but for what is said while an action runs."""
        prompts = self.prompts
        return (
            *(prompts.greeting, prompts.open, prompts.anything_else, prompts.goodbye),
            *(prompts.confirm_intent, prompts.choose_intent, prompts.resume),
            *self.open_reprompts.texts,
            *self.yes_no_reprompts.texts,
            *(text for slot in self.slots.values() for text in (slot.ask, *slot.reprompts.texts)),
            *(phrase.say for phrases in self.phrases.values() for phrase in phrases),
            *(text for steps in self.tasks.values() for text in _texts_of(steps)),
        )

    def barge_in_at(self, state: State) -> BargeIn:
        """What interrupts that which is said at a call's place, where the text says nothing.

        The step that asks decides, else the innermost task under way that has a mode.
        """
        for frame in reversed(state.frames):
            mode = _mode_of(self.tasks[frame.task][frame.position]) or self.barge_in.get(frame.task)
            if mode is not None:
                return mode
        return BargeIn.ALL

    def adopt(self, state: State) -> State:
        """Check that a snapshot belongs here.

        Raises:
            StateError: it is of another flow or another version; its positions mean nothing here.
        """
        if state.flow != self.identity:
            raise StateError(f"the snapshot is of {state.flow}, not of {self.identity}")
        return state

    def slots_of(self, task: str, *, without: str = "") -> Iterator[Slot]:
        """The slots that a task and those it calls ask for, each once, in the order of asking.

        Args:
            without: a task not to look into.
        """
        names: dict[str, None] = {}
        self._gather(task, names, {without})
        return (self.slots[name] for name in names)

    def _gather(self, task: str, names: dict[str, None], seen: set[str]) -> None:
        if task in seen:
            return
        seen.add(task)
        for each in self.tasks[task]:
            match each:
                case Ask(slot=slot) | Confirm(slot=slot):
                    names.setdefault(slot)
                case Call(task=other) | Start(task=other):
                    self._gather(other, names, seen)
                case _:
                    pass


def _texts_of(steps: tuple[Instruction, ...]) -> Iterator[Text]:
    for step in steps:
        match step:
            case Say(text=text) | Question(text=text) | Confirm(say=text):
                yield text
            case Retry(say=Text() as text):
                yield text
            case _:
                pass


def _mode_of(step: Instruction) -> BargeIn | None:
    match step:
        case Ask(barge_in=mode):
            return mode
        case Question(text=text) | Confirm(say=text):
            return text.barge_in
        case _:
            return None
