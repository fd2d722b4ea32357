"""What the caller does when: follows its plan by what it hears; pure, positions are samples.

Theory of operation. The caller waits until a prompt has been said to its end, thinks for a moment,
and gives the next answer that its plan has for this prompt. While a prompt sounds that will be long
(the greeting, or the reply to a request) the plan's next overlap is put over it. A stretch that the
caller interrupted, or that began and ended while it spoke, is not answered: frontdesk owes the next
word. When nothing it knows is heard for `_PATIENCE_S`, it hangs up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Final, TypeAlias

from loadtest.pcm import RATE_HZ
from loadtest.turns.cases import Kind, Overlap, Plan, Utterance
from loadtest.turns.prompts import Prompt
from loadtest.turns.spans import HeardSpan

_THINKING_S: Final = (0.60, 1.00)  # from the end of a prompt to the answer; includes recognising it
_PATIENCE_S: Final = 20.0  # twice frontdesk's own time without input, and its reprompt
_MAX_CALL_S: Final = 300.0
_KEYS_AFTER: Final = 2  # spoken answers to the same question in a row
DONE: Final = "the plan is done"  # why a call ended that went well
_LONG_REPLIES: Final = frozenset({Prompt.POSTCODE, Prompt.ANYTHING_ELSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """Do this now."""

    utterance: Utterance
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    reason: str


Move: TypeAlias = Do | Leave


class Script:
    """One call's decisions. Tell it what is heard and said; ask it every 20 ms what to do."""

    def __init__(self, plan: Plan) -> None:
        self._random = Random(plan.seed)
        self._answers: dict[Prompt, Iterator[Utterance]] = {
            prompt: cycle(answers) for prompt, answers in plan.answers.items()
        }
        self._keys = plan.keys
        self._asked: Prompt | None = None
        self._times_asked = 0
        self._overlaps = list(plan.overlaps)
        self._rounds = plan.rounds
        self._asked_more = 0
        self._expects_long = True  # the greeting
        self._answer: tuple[int, Utterance] | None = None
        self._overlap_at: int | None = None
        self._said_until = 0
        self._owed_since: int | None = None  # frontdesk owes a reply to what began here
        self._last_event = 0
        self._leaving_at: int | None = None

    def far_end_began(self, at: int) -> None:
        """Frontdesk begins to speak."""
        self._last_event = at
        self._answer = None
        if self._expects_long and self._overlaps and at >= self._said_until:
            self._overlap_at = at + round(self._overlaps[0].after_s * RATE_HZ)

    def far_end_quiet(self, at: int) -> None:
        """Frontdesk fell silent at `at`; what it said is not known yet."""
        self._last_event = at
        self._overlap_at = None

    def far_end_said(self, span: HeardSpan) -> None:
        """What frontdesk said, after `far_end_quiet`."""
        if span.ending is None or self._is_answered(span):
            return
        self._owed_since = None
        if span.ending is Prompt.GOODBYE:
            self._leaving_at = span.end
            return
        if span.ending is Prompt.ANYTHING_ELSE:
            self._asked_more += 1
        if self._asked_more >= self._rounds or span.ending not in self._answers:
            self._leaving_at = span.end
            return
        think_s = self._random.uniform(*_THINKING_S)
        at = span.end + round(think_s * RATE_HZ)
        self._answer = (at, self._answer_to(span.ending))
        self._expects_long = span.ending in _LONG_REPLIES

    def _answer_to(self, prompt: Prompt) -> Utterance:
        self._times_asked = self._times_asked + 1 if prompt is self._asked else 1
        self._asked = prompt
        if self._times_asked > _KEYS_AFTER and prompt in self._keys:
            return Utterance(kind=Kind.KEYS, keys=self._keys[prompt])
        return next(self._answers[prompt])

    def saying(self, move: Do, start: int, end: int) -> None:
        """We say it, from `start` to `end`."""
        self._said_until = self._last_event = end
        if move.overlap is None or move.overlap.takes_turn:
            self._owed_since = start
        if move.overlap is not None:
            self._overlaps.pop(0)
            # Until frontdesk knows which order it is about, it answers with a short question.
            self._expects_long = move.overlap.takes_turn and self._asked_more > 0

    def tick(self, now: int, *, far_end_speaks: bool) -> Move | None:
        """What to do at sample `now`; None: listen on."""
        if now < self._said_until:
            return None
        if self._overlap_at is not None and now >= self._overlap_at and far_end_speaks:
            self._overlap_at = None
            overlap = self._overlaps[0]
            return Do(utterance=overlap.utterance, overlap=overlap)
        if self._answer is not None and now >= self._answer[0] and not far_end_speaks:
            (_, utterance), self._answer = self._answer, None
            return Do(utterance=utterance)
        return self._reason_to_leave(now)

    def _is_answered(self, span: HeardSpan) -> bool:
        """Whether we have spoken since: the prompt we interrupted, or one under our answer."""
        if span.end <= self._said_until:
            return True
        return self._owed_since is not None and span.start < self._owed_since

    def _reason_to_leave(self, now: int) -> Leave | None:
        if self._leaving_at is not None and now - self._leaving_at > RATE_HZ:
            return Leave(reason=DONE)
        if now - self._last_event > _PATIENCE_S * RATE_HZ:
            return Leave(reason="nothing to answer was heard for 20 s")
        if now > _MAX_CALL_S * RATE_HZ:
            return Leave(reason="the call was too long")
        return None
