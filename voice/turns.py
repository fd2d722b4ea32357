"""The turns of a call that are in the making: what was heard, what is said, how it ends.

Theory of operation. A turn's words are heard in its reply. When the caller says more before they
have heard it, the answer to that takes its place, and the reply is dropped. That is right for an
answer and wrong for a deed: that an order was cancelled has to be heard, whatever was said
meanwhile. So from the moment an action of it begins, a turn whose reply is dropped goes on in the
next one, the one that the caller has begun: its words, its ending, and what is still to be said
of the action are heard there, before the answer.
"""

from collections import deque
from dataclasses import dataclass, field

from voice.events import HandOff, Transcription, TurnTimes, Understanding
from voice.playout import Reply


@dataclass(slots=True, eq=False)
class Turn:
    """One turn in the making."""

    kind: str
    started_at_s: float
    index: int = -1  # not counted yet: it may turn out to be none
    reply: Reply = field(default_factory=Reply)
    caller_text: str = ""
    transcription: Transcription = field(default_factory=Transcription)
    understanding: Understanding | None = None
    actions: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])
    end_reason: str | None = None
    hand_off: HandOff | None = None
    times: TurnTimes = field(default_factory=TurnTimes)
    announced_at_s: float = 0.0
    announced: bool = False  # the floor knows of the reply
    acted: bool = False  # an action of it has begun, here or in a turn that goes on in this one
    planned: bool = False  # nothing will be added to the reply
    over: bool = False  # the reply was heard, cut or dropped
    interrupted: bool = False
    goes_on_in: "Turn | None" = None


class Turns:
    """Those of one call, by the reply they are heard in, until they are on record."""

    def __init__(self, first_index: int) -> None:
        self._next_index = first_index
        self._begun: dict[int, Turn] = {}  # by id of the reply
        self._coming: deque[Turn] = deque()  # have words already, and nothing of the caller's

    def begin(self, kind: str, started_at_s: float) -> Turn:
        """The caller's next: the one that an earlier one goes on in, if any."""
        turn = self._coming.popleft() if self._coming else self._made(kind, started_at_s)
        turn.kind, turn.started_at_s = kind, started_at_s
        return turn

    def count(self, turn: Turn) -> None:
        """It is one: the caller did something."""
        turn.index = self._next_index
        self._next_index += 1

    def of(self, reply: Reply) -> Turn | None:
        return self._begun.get(id(reply))

    @property
    def coming(self) -> Turn | None:
        """The next one, if it has words already."""
        return self._coming[0] if self._coming else None

    def heard_in(self, turn: Turn) -> Turn:
        """The turn in whose reply more words of this one are heard: mostly its own."""
        while turn.over and turn.acted:
            if turn.goes_on_in is None:
                turn.goes_on_in = self._made(turn.kind, turn.started_at_s)
                turn.goes_on_in.acted = True
                self._coming.append(turn.goes_on_in)
            turn = turn.goes_on_in
        return turn

    def dropped(self, turn: Turn) -> bool:
        """Its reply was given up and nothing of it was heard; whether it goes on in the next."""
        if not turn.acted:
            return False
        later = self.heard_in(turn)
        del self._begun[id(later.reply)]
        later.reply, later.said, turn.said = turn.reply.anew(), turn.said, []
        self._begun[id(later.reply)] = later
        return True

    def close(self, turn: Turn) -> None:
        """It goes on record; how it ends passes to the one it goes on in."""
        self._begun.pop(id(turn.reply), None)
        later = turn.goes_on_in
        if later is not None:
            later.end_reason, turn.end_reason = turn.end_reason or later.end_reason, None
            later.hand_off, turn.hand_off = turn.hand_off or later.hand_off, None

    def counted(self) -> list[Turn]:
        """All that are not on record yet but should be."""
        return [turn for turn in self._begun.values() if turn.index >= 0]

    def _made(self, kind: str, started_at_s: float) -> Turn:
        turn = Turn(kind=kind, started_at_s=started_at_s)
        self._begun[id(turn.reply)] = turn
        return turn
