"""What happened in a call so far, as it is told to the person who takes it over.

It listens where the conversation is recorded and where its actions run, and passes everything on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from server.handoff.context import Line
from voice.events import ActionOutcome, PerformAction, TurnRecord
from voice.ports import Actions, Journal

_SPOKEN: Final = ("speech", "keys")
_MOST_SPOKEN_LINES: Final = 2_000  # two hours between caller and agent; the records keep all


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One action of the call; without an outcome it still runs."""

    action: PerformAction
    outcome: ActionOutcome | None


class CallStory:
    """voice.ports.Journal and voice.ports.Actions of one call, remembering what passes through."""

    def __init__(self, *, journal: Journal, actions: Actions) -> None:
        self._journal, self._actions = journal, actions
        self._turns: dict[int, TurnRecord] = {}
        self._deeds: dict[str, Deed] = {}
        self._lines: list[Line] = []
        self.colleague: str | None = None  # who gave the caller back to us, to have them again

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
        self._deeds[action.key] = Deed(action=action, outcome=None)
        outcome = await self._actions.perform(action)
        self._deeds[action.key] = Deed(action=action, outcome=outcome)
        return outcome

    def settled(self, action: PerformAction, outcome: ActionOutcome) -> None:
        """What came of an action after the dialog had gone on without it."""
        self._deeds[action.key] = Deed(action=action, outcome=outcome)

    def said(self, who: str, text: str, at_s: float) -> None:
        """Add what caller and agent said to each other; `at_s` since the call was answered."""
        self._lines = [*self._lines[1 - _MOST_SPOKEN_LINES :], Line(who=who, text=text, at_s=at_s)]

    # --- what is told -----------------------------------------------------------------------------

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
