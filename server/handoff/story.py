"""What happened in a call so far, as it is told to the person who takes it over.

It listens where the conversation is recorded and where its actions run, and passes everything on.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from server.handoff.context import Line
from voice.events import ActionOutcome, ActionStatus, PerformAction, TurnRecord
from voice.ports import Actions, Journal

_SPOKEN: Final = ("speech", "keys")
_MOST_SPOKEN_LINES: Final = 2_000  # two hours between caller and agent; the records keep all


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One action of the call; without an outcome it still runs."""

    action: PerformAction
    outcome: ActionOutcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that a story holds, for another process to go on with.

    lines: what caller and agent said to each other.
    """

    turns: tuple[TurnRecord, ...] = ()
    deeds: tuple[Deed, ...] = ()
    lines: tuple[Line, ...] = ()
    colleague: str | None = None


class CallStory:
    """voice.ports.Journal and voice.ports.Actions of one call, remembering what passes through.

    Attributes:
        colleague: who gave the caller back to us, to have them again.
        on_deed: told of every action when it begins, and when its outcome is known.
    """

    def __init__(self, *, journal: Journal, actions: Actions) -> None:
        self._journal, self._actions = journal, actions
        self._turns: dict[int, TurnRecord] = {}
        self._deeds: dict[str, Deed] = {}
        self._lines: list[Line] = []
        self.colleague: str | None = None
        self.on_deed: Callable[[Deed], None] | None = None

    @classmethod
    def without_dialog(cls, told: Told | None = None) -> "CallStory":
        """Of a call in which no dialog of this process goes on."""
        story = cls(journal=_NoTurns(), actions=_NoActions())
        story.retell(told or Told())
        return story

    # --- what passes through ----------------------------------------------------------------------

    def decided(self, record: TurnRecord) -> None:
        """See voice.ports.Journal."""
        self._turns[record.index] = record
        self._journal.decided(record)

    def turn(self, record: TurnRecord) -> None:
        """See voice.ports.Journal."""
        self._turns[record.index] = record
        self._journal.turn(record)

    async def perform(self, action: PerformAction) -> ActionOutcome:
        """See voice.ports.Actions."""
        self.happened(Deed(action=action, outcome=None))
        outcome = await self._actions.perform(action)
        self.happened(Deed(action=action, outcome=outcome))
        return outcome

    def settled(self, action: PerformAction, outcome: ActionOutcome) -> None:
        """What came of an action after the dialog had gone on without it."""
        self.happened(Deed(action=action, outcome=outcome))

    def happened(self, deed: Deed) -> None:
        """Keep it, in the place of what was known of the same action."""
        self._deeds[deed.action.key] = deed
        if self.on_deed is not None:
            self.on_deed(deed)

    def said(self, who: str, text: str, at_s: float) -> None:
        """Add what caller and agent said to each other; `at_s` since the call was answered."""
        self._lines = [*self._lines[1 - _MOST_SPOKEN_LINES :], Line(who=who, text=text, at_s=at_s)]

    def retell(self, told: Told) -> None:
        """Know what is told, in the place of what was known of the same."""
        self._turns |= {turn.index: turn for turn in told.turns}
        self._deeds |= {deed.action.key: deed for deed in told.deeds}
        self._lines = list(told.lines)
        self.colleague = told.colleague

    # --- what is told -----------------------------------------------------------------------------

    @property
    def told(self) -> Told:
        """All of it."""
        return Told(
            turns=self.turns,
            deeds=self.deeds,
            lines=tuple(self._lines),
            colleague=self.colleague,
        )

    @property
    def turns(self) -> tuple[TurnRecord, ...]:
        """With the dialog, in order; the last may still be playing."""
        return tuple(self._turns[index] for index in sorted(self._turns))

    @property
    def next_index(self) -> int:
        """The index of the next turn to be recorded."""
        return max(self._turns, default=-1) + 1

    @property
    def deeds(self) -> tuple[Deed, ...]:
        """Everything asked of a back end, in order."""
        return tuple(self._deeds.values())

    @property
    def lines(self) -> tuple[Line, ...]:
        """Everything said and keyed, in order of time."""
        told = [line for turn in self.turns for line in lines_of(turn)]
        return tuple(sorted([*told, *self._lines], key=lambda line: line.at_s))

    @property
    def said_last(self) -> str:
        """What was being said at this moment: the caller's last words, or ours."""
        lines = self.lines
        caller = [line.text for line in lines if line.who == "caller"]
        return caller[-1] if caller else (lines[-1].text if lines else "")

    @property
    def heard_values(self) -> Mapping[str, float | None]:
        """Slots by name, with the recogniser's confidence in the words that filled them last.

        None: the value was keyed.
        """
        found: dict[str, float | None] = {}
        for turn in self.turns:
            if turn.understanding is not None and turn.caller_kind in _SPOKEN:
                found |= dict.fromkeys(turn.understanding.slots or {}, _confidence(turn))
        return found


def _confidence(turn: TurnRecord) -> float | None:
    if turn.caller_kind != "speech" or not turn.n_best:
        return None
    return round(min(1.0, math.exp(turn.n_best[0].log_prob)), 3)


def lines_of(turn: TurnRecord) -> list[Line]:
    """What the caller and frontdesk said in a turn; a turn in which nobody spoke has none."""
    lines: list[Line] = []
    if turn.caller_text:
        text = turn.caller_text if turn.caller_kind == "speech" else f"(keys {turn.caller_text})"
        lines.append(Line(who="caller", text=text, at_s=turn.started_at_s))
    if turn.said:
        cut = turn.heard if turn.interrupted else None
        at_s = turn.started_at_s + turn.times.gap_s
        lines.append(Line(who="frontdesk", text=turn.said, at_s=at_s, heard=cut))
    return lines


class _NoTurns:
    """voice.ports.Journal of a call without a dialog."""

    def decided(self, record: TurnRecord) -> None: ...

    def turn(self, record: TurnRecord) -> None: ...


class _NoActions:
    """voice.ports.Actions of a call without a dialog."""

    async def perform(self, action: PerformAction) -> ActionOutcome:
        """See voice.ports.Actions; nobody asks."""
        return ActionOutcome(
            name=action.name, key=action.key, status=ActionStatus.UNAVAILABLE, result={}
        )
