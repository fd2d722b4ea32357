"""Where a dialog stands, for a person who takes the call over."""

from collections.abc import Mapping
from dataclasses import dataclass

from dialog.plan import Flow, Verification
from dialog.runner import Runner
from dialog.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStanding:
    """A value the caller gave; `known_right` when they said yes to it, or a check proved it."""

    name: str
    value: str
    known_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the caller was at, and what is known of it.

    task: in words, "change the address on an order"; None when nothing was begun.
    missing: names of the task's slots that have no value yet, in the order of asking.
    verified: how the caller proved who they are, in words.
    facts: what the flow noted, JSON values.
    says: what each action does, by name, with its arguments in {braces}; look-ups have none.
    returns: steps at which the call may be given back, by name, in words.
    verifiable: whether the flow knows a way to prove who calls.
    language: what the call is spoken in, as a BCP 47 tag.
    """

    task: str | None
    slots: tuple[SlotStanding, ...]
    missing: tuple[str, ...]
    verified: tuple[str, ...]
    facts: Mapping[str, object]
    says: Mapping[str, str]
    returns: Mapping[str, str]
    verifiable: bool
    language: str = "en"


def standing(flow: Flow, state: State) -> Standing:
    """Where a call stands in its flow."""
    intent = flow.intents.get(state.intent or "")
    proofs = _proofs(flow, state)
    proven = {*state.confirmed, *(slot for each in proofs for slot in each.slots)}
    wanted = flow.slots_of(intent.task, without=flow.agent_task) if intent else ()
    return Standing(
        task=intent.says if intent else None,
        slots=tuple(
            SlotStanding(name=name, value=value, known_right=name in proven)
            for name, value in state.slots.items()
        ),
        missing=tuple(slot.name for slot in wanted if slot.name not in state.slots),
        verified=tuple(each.say for each in proofs),
        facts=state.facts,
        says=flow.says,
        verifiable=bool(flow.verified_by),
        language=flow.language,
        returns={name: each.says for name, each in flow.returns.items()},
    )


def _proofs(flow: Flow, state: State) -> list[Verification]:
    lookup = Runner(flow, state).lookup
    return [each for each in flow.verified_by if each.when.holds(lookup)]
