"""From the steps of a task, as written, to the flat instructions the engine runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from dialog import steps
from dialog.conditions import Clause, Condition, Test
from dialog.events import ActionStatus, BargeIn
from dialog.located import Located, Section, unknown
from dialog.names import fields_of, references_in
from dialog.steps import Instruction, WayBack
from dialog.texts import Text

_WayT = TypeVar("_WayT", ActionStatus, WayBack)

_WORDS: Final = {"return": steps.Return(), "done": steps.Done()}
_HOW: Final = ("short", "barge_in")
"""What may stand beside a text: how else it is put, and what interrupts it."""

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "ask": ("barge_in",),
    "confirm": ("say", *_HOW),
    "perform": ("arguments", "save", "filler", "on"),
    "hand_off": ("on",),
    "if": ("then", "else"),
    "say": _HOW,
    "question": ("yes", "no", *_HOW),
    "set": (),
    "forget": (),
    "retry": ("say", *_HOW, "attempts", "otherwise"),
    "call": ("with",),
    "start": ("with",),
    "end": (),
}
# A status that nobody wrote about would leave the caller without a word about what happened.
_MUST_HANDLE: Final = (ActionStatus.REFUSED, ActionStatus.UNAVAILABLE, ActionStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ActionDefaults:
    """What the flow's `actions:` section says about an action."""

    filler: str | None = None
    on: Mapping[ActionStatus, Located] = field(default_factory=dict[ActionStatus, Located])


@dataclass(slots=True)
class Scope:
    """What a flow defines, and what it uses, to be held against each other at the end."""

    slots: frozenset[str]
    tasks: frozenset[str]
    actions: Mapping[str, ActionDefaults]
    fillers: tuple[str, ...]  # said while any action takes long
    defined: set[str]  # names of facts, slots, phrases, saved results
    used: list[tuple[str, Located]] = field(default_factory=list[tuple[str, Located]])

    def text(self, section: Section, key: str = "say") -> Text:
        """A text to be spoken, with what stands beside it; notes the names in it."""
        return text_of(section, key, self._template)

    def _template(self, at: Located) -> str:
        text = at.text()
        self.used.extend((name, at) for name, _ in fields_of(text))
        return text


def text_of(section: Section, key: str, read: Callable[[Located], str]) -> Text:
    """The text under a key, and beside it its short form and what interrupts it.

    Args:
        read: checks a template.

    Raises:
        FlowError: one of them is none.
    """
    short = section.get("short")
    return Text(
        say=read(section[key]),
        short=None if short is None else read(short),
        barge_in=barge_in_of(section),
    )


def barge_in_of(section: Section) -> BargeIn | None:
    """What may interrupt, where a section says so: a mode; true is all, false is none."""
    at = section.get("barge_in")
    if at is None:
        return None
    value = at.scalar()
    if isinstance(value, bool):
        return BargeIn.ALL if value else BargeIn.NONE
    return BargeIn(at.one_of("barge_in", list(BargeIn)))


def condition_of(at: Located, scope: Scope) -> Condition:
    """Read `{name: literal, name: [literal, …], name: {is: present}, name: {equals: name}}`."""
    clauses: list[Clause] = []
    for key, value in at.items():
        scope.used.append((key.text(), key))
        clauses.append(_clause(key.text(), value, scope))
    return Condition(clauses=tuple(clauses))


def _clause(name: str, value: Located, scope: Scope) -> Clause:
    if value.is_list:
        literals = tuple(each.scalar() for each in value.list())
        return Clause(name=name, test=Test.IS_ONE_OF, literals=literals)
    if not value.is_mapping:
        return Clause(name=name, test=Test.IS_ONE_OF, literals=(value.scalar(),))
    tests = value.section("a condition", ("is", "equals"))
    if other := tests.get("equals"):
        scope.used.append((other.text(), other))
        return Clause(name=name, test=Test.EQUALS, other=other.text())
    if "is" not in tests:
        value.fail("a condition needs a value, 'is' or 'equals'; for example {is: present}")
    return Clause(name=name, test=Test(tests["is"].one_of("test", ("present", "absent"))))


def compile_task(at: Located, scope: Scope) -> tuple[Instruction, ...]:
    """Compile the steps of one task.

    Raises:
        FlowError: a step is not one, or names something that is not defined.
    """
    task = _Task(scope)
    task.block(at)
    task.emit(steps.Return())
    return task.finished()


class _Task:
    """One task being laid out."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._code: list[Instruction] = []
        self._asked_at: dict[str, int] = {}
        self._going_back: list[
            tuple[int, str, Located]
        ] = []  # position, slot, where it was written
        self._compile: Mapping[str, Callable[[Section], None]] = {
            "ask": self._ask,
            "confirm": self._confirm,
            "perform": self._perform,
            "hand_off": self._hand_off,
            "if": self._if,
            "say": self._say,
            "question": self._question,
            "set": self._set,
            "forget": self._forget,
            "retry": self._retry,
            "call": self._call,
            "start": self._start,
            "end": self._end,
        }

    def emit(self, step: Instruction) -> int:
        self._code.append(step)
        return len(self._code) - 1

    def finished(self) -> tuple[Instruction, ...]:
        for position, slot, at in self._going_back:
            if slot not in self._asked_at:
                at.fail(f"this task never asks for '{slot}'; add 'ask: {slot}' before this step")
            step = self._code[position]
            assert isinstance(step, steps.Confirm | steps.Retry)
            self._code[position] = replace(step, ask_at=self._asked_at[slot])
        return tuple(self._code)

    def block(self, at: Located | None) -> None:
        for step in at.list() if at else ():
            self._step(step)

    def _step(self, at: Located) -> None:
        if not at.is_mapping:
            self.emit(_WORDS[at.one_of("step", _WORDS)])
            return
        first = next((key for key, _ in at.items()), at)
        kind = first.text() if first is not at else at.fail("a step is empty; remove it")
        if kind not in _KEYS:
            first.fail(unknown(f"there is no step '{kind}'", kind, _KEYS))
        self._compile[kind](at.section(f"'{kind}'", (kind, *_KEYS[kind])))

    def _ask(self, step: Section) -> None:
        slot = step["ask"].one_of("slot", self._scope.slots)
        ask = steps.Ask(slot=slot, barge_in=barge_in_of(step))
        self._asked_at.setdefault(slot, self.emit(ask))

    def _confirm(self, step: Section) -> None:
        slot = step["confirm"].one_of("slot", self._scope.slots)
        if "say" not in step:
            step.at.fail(f"'confirm' has no 'say'; for example: I have {{{slot}}}. Is that right?")
        confirm = steps.Confirm(slot=slot, say=self._scope.text(step), ask_at=0)
        position = self.emit(confirm)
        self._going_back.append((position, slot, step.at))

    def _say(self, step: Section) -> None:
        self.emit(steps.Say(text=self._scope.text(step)))

    def _perform(self, step: Section) -> None:
        name = step["perform"].one_of("action", self._scope.actions)
        defaults = self._scope.actions[name]
        blocks = dict(defaults.on) | statuses_of(step.get("on"))
        if missing := [each for each in _MUST_HANDLE if each not in blocks]:
            step.at.fail(f"'{name}' does not say what happens on '{missing[0]}'; add it under 'on'")
        save = step["save"].text() if "save" in step else None
        if save:
            self._scope.defined.add(save)
        position = self.emit(steps.Done())  # its place, until the ways on are known
        on = self._ways_on({status: blocks.get(status) for status in ActionStatus})
        self._code[position] = steps.Perform(
            action=name,
            arguments=self._values(step.get("arguments")),
            save=save,
            fillers=self._fillers(step, defaults),
            on=on,
        )

    def _fillers(self, step: Section, defaults: ActionDefaults) -> tuple[str, ...]:
        """Its own words first, then those of the flow."""
        own = step.text("filler") or defaults.filler
        return (*([own] if own else []), *self._scope.fillers)

    def _hand_off(self, step: Section) -> None:
        about = step["hand_off"].section("'hand_off'", ("reason", "skill", "target"), ("reason",))
        self._scope.used.extend((name, step.at) for name in references_in(about.text("reason")))
        blocks = _ways_back(step.get("on"))
        if WayBack.NOBODY not in blocks:
            step.at.fail("'hand_off' does not say what happens on 'nobody'; add it under 'on'")
        nobody = blocks[WayBack.NOBODY]
        chosen = {way: blocks.get(way, nobody) for way in (WayBack.CALLBACK, WayBack.VOICEMAIL)}
        position = self.emit(steps.Done())
        on = self._ways_on({WayBack.RETURNED: None} | blocks | chosen)
        self._code[position] = steps.HandOff(
            reason=about.text("reason"),
            skill=about.text("skill") or None,
            target=about.text("target") or None,
            on=on,
        )

    def _ways_on(self, blocks: Mapping[_WayT, Located | None]) -> dict[_WayT, int]:
        """Lay out one block for each way something may end; where each begins."""
        on: dict[_WayT, int] = {}
        ends: list[int] = []
        for way, block in blocks.items():
            on[way] = len(self._code)
            self.block(block)
            ends.append(self.emit(steps.Jump(to=0)))
        self._land(ends)
        return on

    def _land(self, jumps: list[int]) -> None:
        for position in jumps:
            self._code[position] = steps.Jump(to=len(self._code))

    def _if(self, step: Section) -> None:
        when = condition_of(step["if"], self._scope)
        branch = self.emit(steps.Done())
        self.block(step.get("then"))
        over = self.emit(steps.Done())
        self._code[branch] = steps.Branch(when=when, otherwise=len(self._code))
        self.block(step.get("else"))
        self._land([over])

    def _question(self, step: Section) -> None:
        text = self._scope.text(step, "question")
        position = self.emit(steps.Done())
        self.block(step.get("yes"))
        over = self.emit(steps.Done())
        self._code[position] = steps.Question(text=text, no=len(self._code))
        self.block(step.get("no"))
        self._land([over])

    def _set(self, step: Section) -> None:
        self._assign(step["set"])

    def _forget(self, step: Section) -> None:
        at = step["forget"]
        names = at.list() if at.is_list else (at,)
        self.emit(
            steps.Forget(slots=tuple(each.one_of("slot", self._scope.slots) for each in names))
        )

    def _retry(self, step: Section) -> None:
        slot = step["retry"].one_of("slot", self._scope.slots)
        if "otherwise" not in step:
            step.at.fail("'retry' has no 'otherwise': what happens when the attempts are used up?")
        attempts = step["attempts"].integer(1, 10) if "attempts" in step else 3
        say = self._scope.text(step) if "say" in step else None
        position = self.emit(steps.Retry(slot=slot, say=say, attempts=attempts, ask_at=0))
        self._going_back.append((position, slot, step.at))
        self.block(step["otherwise"])

    def _call(self, step: Section) -> None:
        self._with(step)
        self.emit(steps.Call(task=step["call"].one_of("task", self._scope.tasks)))

    def _start(self, step: Section) -> None:
        self._with(step)
        self.emit(steps.Start(task=step["start"].one_of("task", self._scope.tasks)))

    def _end(self, step: Section) -> None:
        self.emit(steps.End(reason=step["end"].text()))

    def _with(self, step: Section) -> None:
        if "with" in step:
            self._assign(step["with"])

    def _assign(self, at: Located) -> None:
        values = self._values(at)
        self._scope.defined.update(values)
        self.emit(steps.Assign(values=values))

    def _values(self, at: Located | None) -> Mapping[str, Any]:
        if at is None:
            return {}
        if not at.is_mapping:
            at.fail("a mapping of names to values belongs here, such as {reason: late}")
        self._scope.used.extend((name, at) for name in references_in(at.value()))
        return at.value()


def statuses_of(at: Located | None) -> dict[ActionStatus, Located]:
    """The blocks of an `on:`, by status."""
    if at is None:
        return {}
    return {
        ActionStatus(key.one_of("outcome", list(ActionStatus))): block for key, block in at.items()
    }


def _ways_back(at: Located | None) -> dict[WayBack, Located]:
    """The blocks of a hand-off's `on:`, by how the caller comes back."""
    if at is None:
        return {}
    return {WayBack(key.one_of("outcome", list(WayBack))): block for key, block in at.items()}
