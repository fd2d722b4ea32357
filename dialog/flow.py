"""Flows in YAML: read, checked and compiled, so that nothing about them can fail in a call.

    flow = load_flow(Path("dialog/flows/orders.yaml"))

Every mistake is a FlowError that names the file, the line and the fix.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from dialog.compiler import (
    ActionDefaults,
    Scope,
    barge_in_of,
    compile_task,
    condition_of,
    statuses_of,
    text_of,
)
from dialog.conditions import Condition
from dialog.events import BargeIn
from dialog.located import FlowError, Located, Section, read, unknown
from dialog.names import FILTERS, fields_of, is_name
from dialog.plan import (
    Flow,
    Intent,
    Phrase,
    Prompts,
    Reprompts,
    Return,
    Slot,
    SlotType,
    Thresholds,
    Verification,
)
from dialog.steps import Instruction, Perform
from dialog.texts import Text

__all__ = ["BUILT_IN", "Flow", "FlowError", "load_flow"]

BUILT_IN: Final = ("reason", "intent", "known", "hand_off")
"""Names every flow has: why a person is called in, what the caller wants, all that was told, and
how the last hand-off ended (`hand_off.reason`, `.recovery`, `.step`)."""

_FLOW_KEYS: Final = (
    *("name", "language", "facts", "thresholds", "prompts", "agent_task", "reprompts", "intents"),
    *("slots", "phrases", "fillers", "actions", "tasks", "returns", "verified_by"),
)
_FLOW_REQUIRED: Final = (
    *("name", "prompts", "agent_task", "reprompts", "intents", "slots", "tasks"),
)
_PROMPT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "greeting": (),
    "open": (),
    "anything_else": (),
    "goodbye": (),
    "confirm_intent": ("intent",),
    "choose_intent": ("first", "second"),
    "resume": ("intent",),
}
_SLOT_KEYS: Final = (
    *("type", "length", "country", "keep", "depends_on", "cues", "forget_when_said"),
    *("ask", "no_input", "no_match", "help", "barge_in", "patience"),
)
_PATIENCE_S: Final = 0.3, 5.0  # less cuts breaths off, more leaves the caller in dead air
_TEXT_KEYS: Final = ("say", "short", "barge_in")
_ACTION_KEYS: Final = ("filler", "says", "on")
_POSTCODE_LENGTHS: Final = {"us": (5, 5), "ca": (6, 6), "uk": (5, 7)}
_LONGEST: Final = 32  # digits or characters a caller can be asked to say


def load_flow(source: Path | str, *, file: str | None = None) -> Flow:
    """Load a flow from a file, or from its text.

    Args:
        source: a Path to read, or the YAML itself.
        file: what messages call it; the file's name, or "flow" for a text.

    Raises:
        FlowError: the flow cannot be used; the message is `FILE:LINE: what is wrong; what to do`.
    """
    if isinstance(source, Path):
        file = file or source.name
        try:
            source = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FlowError(f"{file}:1: this file cannot be read: {error}") from error
    return _flow(read(source, file or "flow"), hashlib.sha256(source.encode()).hexdigest()[:12])


def _flow(at: Located, version: str) -> Flow:
    top = at.section("a flow", _FLOW_KEYS, _FLOW_REQUIRED)
    slots = {name.text(): _slot(name, each) for name, each in top["slots"].items()}
    task_names = frozenset(name.text() for name, _ in top["tasks"].items())
    scope = Scope(
        slots=frozenset(slots),
        tasks=task_names,
        actions=_actions(top.get("actions")),
        fillers=_fillers(top.get("fillers")),
        defined={*BUILT_IN, *slots, *top.texts("facts")},
    )
    phrases = _phrases(top.get("phrases"), scope)
    tasks = {name.text(): _task(name, each, scope) for name, each in top["tasks"].items()}
    modes = {name.text(): _mode_of_task(each) for name, each in top["tasks"].items()}
    verified_by = _verifications(top.get("verified_by"), scope)
    _check_names(scope)
    return Flow(
        name=top.text("name"),
        language=top.text("language", "en"),
        version=version,
        prompts=_prompts(top["prompts"]),
        open_reprompts=_shared_reprompts(top["reprompts"], "open", ()),
        yes_no_reprompts=_shared_reprompts(top["reprompts"], "yes_no", ("question",)),
        thresholds=_thresholds(top.get("thresholds")),
        agent_task=top["agent_task"].one_of("task", task_names),
        intents={
            name.text(): _intent(name, each, task_names) for name, each in top["intents"].items()
        },
        slots=_linked(slots, top["slots"]),
        phrases=phrases,
        tasks=tasks,
        barge_in={name: mode for name, mode in modes.items() if mode is not None},
        says=_says(top.get("actions"), tasks),
        returns=_returns(top.get("returns"), task_names),
        verified_by=verified_by,
    )


def _named(key: Located) -> str:
    name = key.text()
    if not is_name(name) or "." in name:
        key.fail(f"'{name}' is not a name; use small letters, digits and _, such as order_number")
    return name


# --- texts ----------------------------------------------------------------------------------------


def _prompts(at: Located) -> Prompts:
    section = at.section("prompts", _PROMPT_FIELDS, _PROMPT_FIELDS)
    return Prompts(
        **{name: _spoken(section[name], allowed) for name, allowed in _PROMPT_FIELDS.items()}
    )


def _text(at: Located, allowed: tuple[str, ...]) -> str:
    """A text in which only these {fields} may stand."""
    text = at.text()
    for name, _ in fields_of(text):
        if name not in allowed:
            at.fail(unknown(f"'{{{name}}}' has no value here", name, allowed))
    return text


def _spoken(at: Located, allowed: tuple[str, ...], mode: BargeIn | None = None) -> Text:
    """A text, or `{say: …, short: …, barge_in: …}`; `mode` holds where it says nothing."""
    if not at.is_mapping:
        return Text(say=_text(at, allowed), barge_in=mode)
    section = at.section("a text", _TEXT_KEYS, ("say",))
    text = text_of(section, "say", lambda each: _text(each, allowed))
    return text if text.barge_in else replace(text, barge_in=mode)


def _reprompts(
    section: Section, allowed: tuple[str, ...], mode: BargeIn | None = None
) -> Reprompts:
    for name in ("no_input", "no_match", "help"):
        if name not in section:
            section.at.fail(f"there is no '{name}'; add what is said then")
    return Reprompts(
        no_input=_texts(section["no_input"], allowed, mode),
        no_match=_texts(section["no_match"], allowed, mode),
        help=_spoken(section["help"], allowed, mode),
    )


def _texts(at: Located, allowed: tuple[str, ...], mode: BargeIn | None) -> tuple[Text, ...]:
    if not at.is_list:
        return (_spoken(at, allowed, mode),)
    texts = tuple(_spoken(each, allowed, mode) for each in at.list())
    return texts or at.fail("add at least one text")


def _shared_reprompts(at: Located, name: str, allowed: tuple[str, ...]) -> Reprompts:
    both = at.section("reprompts", ("open", "yes_no"), ("open", "yes_no"))
    keys = ("no_input", "no_match", "help")
    return _reprompts(both[name].section(f"the reprompts '{name}'", keys), allowed)


def _phrases(at: Located | None, scope: Scope) -> dict[str, tuple[Phrase, ...]]:
    found: dict[str, tuple[Phrase, ...]] = {}
    for name, each in at.items() if at else ():
        found[_named(name)] = tuple(_phrase(case, scope) for case in each.list())
    scope.defined.update(found)
    return found


def _phrase(at: Located, scope: Scope) -> Phrase:
    case = at.section("a phrase", ("when", "say", "short"), ("say",))
    when = condition_of(case["when"], scope) if "when" in case else Condition()
    return Phrase(when=when, say=scope.text(case))


# --- what there is --------------------------------------------------------------------------------


def _thresholds(at: Located | None) -> Thresholds:
    if at is None:
        return Thresholds()
    names = ("accept", "confirm", "choose", "digress", "confidence")
    section = at.section("thresholds", names)
    given = {name: section[name].number(0, 1) for name in names if name in section}
    thresholds = Thresholds(**given)
    if thresholds.confirm > thresholds.accept:
        at.fail(f"confirm {thresholds.confirm} is above accept {thresholds.accept}; lower it")
    return thresholds


def _intent(key: Located, at: Located, tasks: frozenset[str]) -> Intent:
    keys = ("says", "task", "examples")
    section = at.section(f"the intent '{key.text()}'", keys, keys)
    examples = section.texts("examples")
    if len(examples) < 2:
        section["examples"].fail("an intent needs at least 2 examples; 25 make it dependable")
    return Intent(
        name=_named(key),
        says=section.text("says"),
        task=section["task"].one_of("task", tasks),
        examples=examples,
    )


def _slot(key: Located, at: Located) -> Slot:
    section = at.section(f"the slot '{key.text()}'", _SLOT_KEYS, ("type", "ask"))
    kind = SlotType(section["type"].one_of("type", list(SlotType)))
    country = (
        section["country"].one_of("country", _POSTCODE_LENGTHS) if "country" in section else "us"
    )
    mode = barge_in_of(section)
    low, high = _lengths(section.get("length"))
    if kind is SlotType.POSTCODE:
        low, high = _POSTCODE_LENGTHS[country]
    elif kind is SlotType.DIGITS and low is None:
        at.fail("a slot of digits needs its 'length'; for example 4, or [8, 10] for 8 to 10")
    return Slot(
        name=_named(key),
        type=kind,
        ask=_spoken(section["ask"], (), mode),
        reprompts=_reprompts(section, (), mode),
        min_length=low,
        max_length=high,
        country=country,
        patience_s=section["patience"].number(*_PATIENCE_S) if "patience" in section else None,
        keep=section["keep"].flag() if "keep" in section else False,
        depends_on=section.texts("depends_on"),
        cues=section.texts("cues"),
        forget_when_said=section.texts("forget_when_said"),
    )


def _lengths(at: Located | None) -> tuple[int | None, int | None]:
    if at is None:
        return None, None
    if not at.is_list:
        length = at.integer(1, _LONGEST)
        return length, length
    bounds = [each.integer(1, _LONGEST) for each in at.list()]
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        at.fail("a range of lengths is [shortest, longest], for example [8, 10]")
    return bounds[0], bounds[1]


def _linked(slots: dict[str, Slot], at: Located) -> dict[str, Slot]:
    """Check what slots say of each other."""
    for key, value in at.items():
        for name in slots[key.text()].depends_on:
            if name not in slots or name == key.text():
                value.fail(unknown(f"slot '{name}' is not defined", name, slots))
    return slots


def _actions(at: Located | None) -> dict[str, ActionDefaults]:
    found: dict[str, ActionDefaults] = {}
    for name, each in at.items() if at else ():
        section = each.section(f"the action '{name.text()}'", _ACTION_KEYS)
        found[_named(name)] = ActionDefaults(
            filler=_text(section["filler"], ()) if "filler" in section else None,
            on=statuses_of(section.get("on")),
        )
    return found


def _fillers(at: Located | None) -> tuple[str, ...]:
    if at is None:
        return ()
    listed = at.list() if at.is_list else [at]
    return tuple(_text(each, ()) for each in listed)


def _returns(at: Located | None, tasks: frozenset[str]) -> dict[str, Return]:
    found: dict[str, Return] = {}
    for name, each in at.items() if at else ():
        section = each.section(f"the step '{name.text()}'", ("says", "task", "then"), ("task",))
        found[_named(name)] = Return(
            says=section.text("says", name.text().replace("_", " ")),
            task=section["task"].one_of("task", tasks),
            then=section["then"].one_of("task", tasks) if "then" in section else None,
        )
    return found


def _verifications(at: Located | None, scope: Scope) -> tuple[Verification, ...]:
    return tuple(_verification(each, scope) for each in at.list()) if at else ()


def _verification(at: Located, scope: Scope) -> Verification:
    case = at.section("a verification", ("when", "say", "slots"), ("when", "say"))
    slots = case["slots"].list() if "slots" in case else ()
    return Verification(
        when=condition_of(case["when"], scope),
        say=_text(case["say"], ()),
        slots=tuple(each.one_of("slot", scope.slots) for each in slots),
    )


def _says(at: Located | None, tasks: Mapping[str, tuple[Instruction, ...]]) -> dict[str, str]:
    """What each action does, in words that hold nothing but its arguments."""
    found: dict[str, str] = {}
    performed = [each for steps in tasks.values() for each in steps if isinstance(each, Perform)]
    for name, each in at.items() if at else ():
        says = each.section("an action", _ACTION_KEYS).get("says")
        if says is not None:
            uses = [step.arguments for step in performed if step.action == name.text()]
            found[name.text()] = _text(says, tuple(each for one in uses for each in one))
    return found


def _task(key: Located, at: Located, scope: Scope) -> tuple[Instruction, ...]:
    _named(key)
    return compile_task(_steps_of(at)["steps"] if at.is_mapping else at, scope)


def _steps_of(at: Located) -> Section:
    """A task as `{barge_in: …, steps: […]}`."""
    return at.section("a task", ("barge_in", "steps"), ("steps",))


def _mode_of_task(at: Located) -> BargeIn | None:
    return barge_in_of(_steps_of(at)) if at.is_mapping else None


def _check_names(scope: Scope) -> None:
    for name, at in scope.used:
        root = name.partition(".")[0]
        if root not in scope.defined:
            at.fail(unknown(f"'{root}' is not defined", root, scope.defined))
        if not is_name(name):
            at.fail(f"'{name}' is not a name such as order.status")
    for _, at in scope.used:
        _check_filters(at)


def _check_filters(at: Located) -> None:
    if at.is_mapping or at.is_list:
        return
    for _, kind in fields_of(at.text()):
        if kind is not None and kind not in FILTERS:
            at.fail(unknown(f"there is no filter '{kind}'", kind, FILTERS))
