"""Conversation tests in YAML: what a caller says, what the back end answers, what must come of it.

    conversation: A caller changes an address
    facts: {caller: "+15550100"}
    actions:
      get_order: {status: succeeded, result: {order_number: "4815", postcode: "90210"}}
    turns:
      - say: change my address
        expect: {says: What is your order number?}
      - keys: "4815"
        expect:
          performs: {get_order: {order_number: "4815"}}
          says: What is the postcode

An action with one result always gives it; with a list, they are given in turn. `hand_offs` says
the same way how the caller comes back from a person (`reason`, `recovery`, `step`); without it
nobody is ever there, and a call back is what is left. A turn is `say` (a text, or a list for
n-best), `keys`, `silence: true`, `mumble: true` (speech without a word) or `interrupt` (what was
heard). `expect` takes `says` (all of these are part of what is said), `never_says`, `performs`
(every action, in order; a list when one comes twice), `hands_off` (what the person is told; true:
anything), `asks` (the kind of answer waited for), `barge_in` (what may interrupt the last of what
is said), `band`, `intent` and `ended`. `terse: true` plays a conversation with all texts in their
short form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, assert_never, cast

from dialog.events import (
    ActionEnded,
    ActionStatus,
    BargeIn,
    CallerKeyed,
    CallerSaid,
    CallerSilent,
    CallStarted,
    Effect,
    EndCall,
    Event,
    HandOff,
    HandOffEnded,
    Hypothesis,
    PerformAction,
    PromptInterrupted,
    Speak,
    Understanding,
)
from dialog.flow import Flow
from dialog.located import Located, Section, read
from dialog.session import Dialog
from dialog.state import State
from dialog.understand import IntentClassifier

_KINDS: Final = ("say", "keys", "silence", "mumble", "interrupt")
_EXPECTATIONS: Final = (
    *("says", "never_says", "performs", "hands_off", "asks", "barge_in", "band", "intent", "ended"),
)
_NOBODY: Final = HandOffEnded(reason="nobody_signed_in", recovery="callback")
_WORSE: Final = 0.2  # log-probability that each hypothesis of a list lies below the one before


class ConversationError(AssertionError):
    """A conversation went otherwise than written; the message shows where, and all up to there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    status: ActionStatus
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing the caller does, and what must come of it."""

    line: int
    event: Event
    shown: str
    expect: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    name: str
    file: str
    facts: Mapping[str, Any]
    terse: bool
    actions: Mapping[str, tuple[Outcome, ...]]
    hand_offs: tuple[HandOffEnded, ...]
    turns: tuple[Turn, ...]


def load_conversation(path: Path) -> Conversation:
    """Read a conversation.

    Raises:
        FlowError: it is not one; the message names the file and the line.
    """
    top = read(path.read_text(encoding="utf-8"), path.name).section(
        "a conversation",
        ("conversation", "facts", "terse", "actions", "hand_offs", "turns"),
        ("conversation", "turns"),
    )
    actions = top["actions"].items() if "actions" in top else ()
    return Conversation(
        name=top.text("conversation"),
        file=path.name,
        facts=top["facts"].value() if "facts" in top else {},
        terse=top["terse"].flag() if "terse" in top else False,
        actions={name.text(): _outcomes(each) for name, each in actions},
        hand_offs=_ways_back(top["hand_offs"]) if "hand_offs" in top else (_NOBODY,),
        turns=tuple(_turn(each) for each in top["turns"].list()),
    )


def _outcomes(at: Located) -> tuple[Outcome, ...]:
    return tuple(_outcome(each) for each in at.list()) if at.is_list else (_outcome(at),)


def _outcome(at: Located) -> Outcome:
    section = at.section("an outcome", ("status", "result"), ("status",))
    status = ActionStatus(section["status"].one_of("status", list(ActionStatus)))
    return Outcome(status=status, result=section["result"].value() if "result" in section else {})


def _ways_back(at: Located) -> tuple[HandOffEnded, ...]:
    return tuple(_way_back(each) for each in at.list()) if at.is_list else (_way_back(at),)


def _way_back(at: Located) -> HandOffEnded:
    section = at.section("a way back", ("reason", "recovery", "step"), ("reason",))
    return HandOffEnded(
        reason=section.text("reason"),
        recovery=section.text("recovery") or None,
        step=section.text("step") or None,
    )


def _turn(at: Located) -> Turn:
    section = at.section("a turn", (*_KINDS, "expect"))
    kind = next((each for each in _KINDS if each in section), None)
    if kind is None:
        at.fail(f"a turn needs one of {', '.join(_KINDS)}")
    event, shown = _event(kind, section)
    expect: dict[str, Any] = {}
    if "expect" in section:
        expected = section["expect"].section("expect", _EXPECTATIONS)
        expect = {name: expected[name].value() for name in _EXPECTATIONS if name in expected}
    return Turn(line=at.line, event=event, shown=shown, expect=expect)


def _event(kind: str, section: Section) -> tuple[Event, str]:
    if kind == "silence":
        return CallerSilent(), "(silence)"
    if kind == "mumble":
        return CallerSaid(), "(mumbles)"
    if kind == "say":
        texts = section[kind].texts()
        hypotheses = tuple(
            Hypothesis(text=text, log_prob=-_WORSE * rank) for rank, text in enumerate(texts)
        )
        return CallerSaid(hypotheses=hypotheses), " / ".join(texts)
    text = section.text(kind)
    if kind == "keys":
        return CallerKeyed(digits=text), f"(keys {text})"
    return PromptInterrupted(heard=text), f"(interrupts after: {text})"


# --- playing --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    """All that came of one turn."""

    speech: list[str] = field(default_factory=list[str])
    barge_in: BargeIn | None = None  # of the last that was said
    performed: list[PerformAction] = field(default_factory=list[PerformAction])
    handed_off: HandOff | None = None
    ended: str | None = None


class Player:
    """Plays a conversation against a flow; the snapshot goes through JSON at every step."""

    def __init__(
        self, conversation: Conversation, flow: Flow, classifier: IntentClassifier
    ) -> None:
        self._conversation = conversation
        self._flow = flow
        self._classifier = classifier
        self._dialog = self._with(facts=conversation.facts)
        self._understanding: Understanding | None = None
        self._given: dict[str, int] = {}
        self._handed_off = 0
        self._keys: set[str] = set()
        self.transcript: list[str] = []

    def play(self) -> None:
        """Play all turns.

        Raises:
            ConversationError: at the first turn that went otherwise than written.
        """
        self._take(CallStarted())
        for turn in self._conversation.turns:
            self.transcript.append(f"  caller: {turn.shown}")
            self._understanding = None
            reply = self._take(turn.event)
            for name, wanted in turn.expect.items():
                if problem := self._problem(name, wanted, reply):
                    self._fail(turn.line, problem)

    def _take(self, event: Event) -> _Reply:
        reply = _Reply()
        events: list[Event] = [event]
        while events:
            effects = self._dialog.receive(events.pop(0))
            self._restart()
            for effect in effects:
                if ended := self._effect(effect, reply):
                    events.append(ended)
        return reply

    def _restart(self) -> None:
        """Go on from the snapshot, as after a crash."""
        before = self._dialog.state
        state = State.from_json(before.to_json())
        if state != before:
            self._fail(0, f"the snapshot changed in JSON: {before} became {state}")
        self._understanding = self._dialog.understanding or self._understanding
        self._dialog = self._with(state=state)

    def _with(
        self, *, facts: Mapping[str, Any] | None = None, state: State | None = None
    ) -> Dialog:
        terse = self._conversation.terse
        return Dialog(
            self._flow, self._classifier, "call", facts=facts, state=state, terse=lambda: terse
        )

    def _effect(self, effect: Effect, reply: _Reply) -> Event | None:
        match effect:
            case Speak():
                reply.speech.append(effect.text)
                reply.barge_in = effect.barge_in
                self.transcript.append(f"  frontdesk: {effect.text}")
            case EndCall():
                reply.ended = effect.reason
                self.transcript.append(f"  (ends: {effect.reason})")
            case PerformAction():
                reply.performed.append(effect)
                return self._perform(effect)
            case HandOff():
                reply.handed_off = effect
                return self._hand_off(effect)
            case _:
                assert_never(effect)
        return None

    def _perform(self, action: PerformAction) -> ActionEnded:
        arguments = dict(action.arguments)
        if action.key in self._keys:
            self._fail(0, f"the idempotency key {action.key} was used twice")
        self._keys.add(action.key)
        outcomes = self._conversation.actions.get(action.name, ())
        count = self._given.get(action.name, 0)
        self._given[action.name] = count + 1
        if not outcomes or (len(outcomes) > 1 and count >= len(outcomes)):
            self._fail(0, f"no result is written for {action.name} {arguments}, call {count + 1}")
        outcome = outcomes[count % len(outcomes)]
        self.transcript.append(f"  ({action.name} {arguments}: {outcome.status})")
        return ActionEnded(
            name=action.name, key=action.key, status=outcome.status, result=outcome.result
        )

    def _hand_off(self, effect: HandOff) -> HandOffEnded:
        ways_back = self._conversation.hand_offs
        if len(ways_back) > 1 and self._handed_off >= len(ways_back):
            self._fail(0, f"no way back is written for {effect}")
        ended = ways_back[self._handed_off % len(ways_back)]
        self._handed_off += 1
        self.transcript.append(f"  (handed off, {effect.reason}; comes back: {ended})")
        return ended

    # --- checking ---------------------------------------------------------------------------------

    def _problem(self, name: str, wanted: Any, reply: _Reply) -> str | None:
        said = " ".join(reply.speech)
        understanding = self._understanding
        match name:
            case "says":
                missing = [each for each in _texts(wanted) if each not in said]
                return f"expected to say {missing[0]!r}, but said {said!r}" if missing else None
            case "never_says":
                there = [each for each in _texts(wanted) if each in said]
                return f"{there[0]!r} must not be said, but is in {said!r}" if there else None
            case "performs":
                return _unlike(wanted, reply.performed)
            case "hands_off":
                return _handed_off_otherwise(wanted, reply.handed_off)
            case "ended":
                return _differs("end", wanted, reply.ended)
            case "asks":
                return _differs("answer", wanted, str(self._dialog.expects.kind))
            case "barge_in":
                return _differs("mode", wanted, reply.barge_in)
            case "band":
                return _differs("band", wanted, understanding.band if understanding else None)
            case _:
                return _differs("intent", wanted, understanding.intent if understanding else None)

    def _fail(self, line: int, problem: str) -> None:
        place = f"{self._conversation.file}:{line}" if line else self._conversation.file
        heard = "\n".join(self.transcript)
        raise ConversationError(f"{place}: {problem}\n{self._conversation.name}\n{heard}")


def _texts(wanted: Any) -> Sequence[str]:
    return cast(list[str], wanted) if isinstance(wanted, list) else [str(wanted)]


def _differs(what: str, wanted: Any, found: Any) -> str | None:
    return None if wanted == found else f"expected the {what} {wanted!r}, but it is {found!r}"


def _handed_off_otherwise(wanted: Any, found: HandOff | None) -> str | None:
    """Compare with what the person is told; only what is written is compared."""
    if not isinstance(wanted, Mapping):
        return _differs("hand-off", bool(wanted), found is not None)
    for name, value in cast(Mapping[str, Any], wanted).items():
        if problem := _differs(f"hand-off's {name}", value, getattr(found, name, None)):
            return problem
    return None


def _unlike(wanted: Any, performed: list[PerformAction]) -> str | None:
    """Compare the actions, in order; only the arguments that are written are compared."""
    several = cast(list[Mapping[str, Any]], wanted if isinstance(wanted, list) else [wanted or {}])
    expected = [each for actions in several for each in actions.items()]
    names = [each.name for each in performed]
    if names != [name for name, _ in expected]:
        return f"expected the actions {[name for name, _ in expected]}, but they are {names}"
    for (name, arguments), action in zip(expected, performed, strict=True):
        for key, value in cast(Mapping[str, Any], arguments or {}).items():
            if action.arguments.get(key) != value:
                return f"expected {name} with {key}={value!r}, but it is {dict(action.arguments)}"
    return None
