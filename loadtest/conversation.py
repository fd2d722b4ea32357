"""The caller's mind as a sans-I/O machine: what it makes of what it hears, and what it does next.

Theory of operation. Times are seconds on the caller's clock.

    LISTENING --prompt ended--> RECOGNISING --known--> SPEAKING --said--> LISTENING
        ^                            |
        +------ nothing known -------+     patience over: asks again, or gives up
    LISTENING --hangs_up answer--> LEAVING --time over--> OVER

A prompt is everything the frontdesk says since the caller last spoke. What matches nothing is not
answered at once: it may be a filler ("one moment") before the answer, and both are one prompt then.
During a prompt only answers that interrupt are looked for, every 300 ms. After an interruption the
rest of the old prompt is not listened to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from loadtest.listening import Understood
from loadtest.report import Outcome
from loadtest.scenario import (
    Answer,
    HangsUp,
    MakesNoise,
    Presses,
    Says,
    Scenario,
    StaysSilent,
)

_PEEK_S: Final = 0.3  # between looks into a prompt that may be interrupted
_LEAD_S: Final = 0.1  # of audio before the detected start: soft consonants


class Mind(StrEnum):
    LISTENING = "listening"  # the frontdesk speaks, or should
    RECOGNISING = "recognising"  # a prompt ended, its phrases are being looked for
    SPEAKING = "speaking"  # the caller speaks or sends keys
    LEAVING = "leaving"  # waits for the frontdesk to hang up
    OVER = "over"


# --- what happens to the caller -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptStarted:
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptEnded:
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    asked: "Recognise"
    understood: Understood


@dataclass(frozen=True, slots=True, kw_only=True)
class SayingEnded:
    pass


Event: TypeAlias = PromptStarted | PromptEnded | Recognised | SayingEnded


# --- what the caller does -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognise:
    """Look for the scenario's phrases between two moments; answer with `Recognised`."""

    start_s: float
    end_s: float
    final: bool  # the prompt is over; otherwise a look into it


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Tell the watcher what a finished prompt was."""

    matched: tuple[str, ...]
    score: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Say `text`, or send `keys` when there are any; answer with `SayingEnded`."""

    prompt: Heard
    text: str = ""
    keys: str = ""
    interrupting: bool = False
    wordless: bool = False  # a noise: nothing that is answered


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    reason: str


Command: TypeAlias = Recognise | Heard | Speak | HangUp


class Conversation:
    """See the module's docstring. Feed it events and, every 20 ms, the time."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.mind = Mind.LISTENING
        self._used = [0] * len(scenario.answers)
        self._missing = dict.fromkeys(scenario.goal)
        self._asked_again = 0
        self.wrong_record = False
        """Whether the frontdesk said that it did something else than it was asked to."""
        self.met_person = False
        """Whether it left the matter to a person."""
        self._prompt_start_s: float | None = None
        self._prompt_end_s = 0.0
        self._sounding = False  # the frontdesk speaks now
        self._deaf = False  # to the rest of an interrupted prompt
        self._patience_until_s = scenario.patience_s
        self._leave_at_s = 0.0
        self._next_peek_s = 0.0
        self._peeking = False
        self.outcome: Outcome | None = None
        """Why the caller hung up in failure; None when it did not."""

    @property
    def missing_goals(self) -> tuple[str, ...]:
        """The goal's phrases not heard so far."""
        return tuple(self._missing)

    @property
    def asked_twice(self) -> int:
        """How often the frontdesk asked for what the caller had answered already."""
        answers = zip(self._scenario.answers, self._used, strict=True)
        return round(sum(max(0.0, used - answer.natural_uses) for answer, used in answers))

    @property
    def leaving(self) -> bool:
        """Whether the caller has said its goodbye: the call may end."""
        return self.mind is Mind.LEAVING or (self.mind is Mind.OVER and self.outcome is None)

    def receive(self, event: Event, now_s: float) -> list[Command]:
        """Take in what happened."""
        match event:
            case PromptStarted(at_s=at_s):
                return self._prompt_started(at_s)
            case PromptEnded(at_s=at_s):
                return self._prompt_ended(at_s, now_s)
            case Recognised(asked=asked, understood=understood):
                if asked.final:
                    return self._recognised(asked, understood, now_s)
                return self._peeked(asked, understood, now_s)
            case SayingEnded():
                return self._said(now_s)
            case _:
                assert_never(event)

    def tick(self, now_s: float) -> list[Command]:
        """What time alone brings."""
        if self.mind is Mind.OVER:
            return []
        if now_s >= self._scenario.timeout_s:
            return self._give_up(Outcome.TIMED_OUT, "the scenario's time is over")
        if self.mind is Mind.LEAVING and now_s >= self._leave_at_s:
            self.mind = Mind.OVER
            return [HangUp(reason="the scenario is over")]
        if self.mind is Mind.LISTENING and not self._sounding and now_s >= self._patience_until_s:
            return self._ask_again(now_s)
        return self._peek(now_s)

    def last_words(self, now_s: float) -> Recognise | None:
        """What to look into once the far end has hung up: a prompt that was never finished."""
        if self._prompt_start_s is None or self._deaf:
            return None
        return self._whole_prompt(now_s)

    def note_last_words(self, asked: Recognise, understood: Understood) -> Heard:
        """Count what the last words were towards the goal, and tell."""
        self._note_goal(understood)
        self._note_record(understood)
        return self._heard(asked, understood)

    # --- prompts ----------------------------------------------------------------------------------

    def _prompt_started(self, at_s: float) -> list[Command]:
        self._sounding = True
        if self._prompt_start_s is None and not self._deaf:
            self._prompt_start_s = at_s
            self._next_peek_s = at_s + _PEEK_S
        return []

    def _prompt_ended(self, at_s: float, now_s: float) -> list[Command]:
        self._sounding = False
        self._prompt_end_s = at_s
        if self._deaf:
            self._deaf = False
            return []
        if self.mind is not Mind.LISTENING:
            return []
        return self._recognise(now_s)

    def _recognise(self, now_s: float) -> list[Command]:
        self.mind = Mind.RECOGNISING
        return [self._whole_prompt(now_s)]

    def _whole_prompt(self, now_s: float) -> Recognise:
        assert self._prompt_start_s is not None
        return Recognise(start_s=max(0.0, self._prompt_start_s - _LEAD_S), end_s=now_s, final=True)

    def _recognised(self, asked: Recognise, understood: Understood, now_s: float) -> list[Command]:
        if self.mind is not Mind.RECOGNISING:
            return []
        self.mind = Mind.LISTENING
        if self._sounding:
            return []  # it goes on speaking: hear it out
        self._note_goal(understood)
        self._note_record(understood)
        heard = self._heard(asked, understood)
        answer = self._choose(understood, range(len(self._scenario.answers)))
        if answer is None:
            self._patience_until_s = now_s + self._scenario.not_understood.after_s
            return [heard]
        return [heard, *self._act(answer, heard, now_s, interrupting=False)]

    def _heard(self, asked: Recognise, understood: Understood) -> Heard:
        scores = [match.score for match in understood.heard]
        start_s = self._prompt_start_s if self._prompt_start_s is not None else asked.start_s
        return Heard(
            matched=tuple(match.text for match in understood.heard),
            score=min(scores, default=understood.best_miss),
            start_s=start_s,
            end_s=asked.end_s if self._sounding else max(self._prompt_end_s, start_s),
        )

    def _note_goal(self, understood: Understood) -> None:
        for match in understood.heard:
            self._missing.pop(match.text, None)

    def _note_record(self, understood: Understood) -> None:
        """What a whole prompt says about what was done, and by whom."""
        texts = {match.text for match in understood.heard}
        wrong = self._scenario.wrong
        if wrong is not None and wrong.hears in texts and wrong.unless not in texts:
            self.wrong_record = True
        if not texts.isdisjoint(self._scenario.person):
            self.met_person = True

    # --- interruptions ----------------------------------------------------------------------------

    def _peek(self, now_s: float) -> list[Command]:
        start_s = self._prompt_start_s
        eager = any(answer.interrupts_after_s is not None for answer in self._scenario.answers)
        listening = self.mind is Mind.LISTENING and self._sounding and start_s is not None
        if not (eager and listening) or self._peeking or now_s < self._next_peek_s:
            return []
        assert start_s is not None
        self._next_peek_s = now_s + _PEEK_S
        self._peeking = True
        return [Recognise(start_s=max(0.0, start_s - _LEAD_S), end_s=now_s, final=False)]

    def _peeked(self, asked: Recognise, understood: Understood, now_s: float) -> list[Command]:
        self._peeking = False
        start_s = self._prompt_start_s
        if self.mind is not Mind.LISTENING or not self._sounding or start_s is None:
            return []
        due = [
            index
            for index, answer in enumerate(self._scenario.answers)
            if answer.interrupts_after_s is not None
            and now_s - start_s >= answer.interrupts_after_s
        ]
        answer = self._choose(understood, due)
        if answer is None:
            return []
        self._note_goal(understood)
        heard = self._heard(asked, understood)
        return [heard, *self._act(answer, heard, now_s, interrupting=True)]

    # --- answers ----------------------------------------------------------------------------------

    def _choose(self, understood: Understood, among: Iterable[int]) -> int | None:
        """Of the answers whose phrases were all heard: most phrases, then the best score."""
        scores = {match.text: match.score for match in understood.heard}

        def fits(answer: Answer, used: int) -> bool:
            fresh = answer.limit is None or used < answer.limit
            return fresh and all(phrase in scores for phrase in answer.hears)

        def rank(index: int) -> tuple[int, float]:
            hears = self._scenario.answers[index].hears
            return len(hears), min(scores[phrase] for phrase in hears)

        fitting = [i for i in among if fits(self._scenario.answers[i], self._used[i])]
        return max(fitting, key=rank, default=None)

    def _act(self, index: int, heard: Heard, now_s: float, *, interrupting: bool) -> list[Command]:
        action = self._scenario.answers[index].action
        time = self._used[index]
        self._used[index] += 1
        self._forget_prompt(interrupting=interrupting)
        match action:
            case Says(texts=texts):
                self.mind = Mind.SPEAKING
                text = texts[min(time, len(texts) - 1)]
                return [Speak(prompt=heard, text=text, interrupting=interrupting)]
            case Presses(keys=keys):
                self.mind = Mind.SPEAKING
                return [Speak(prompt=heard, keys=keys, interrupting=interrupting)]
            case MakesNoise():
                self.mind = Mind.SPEAKING
                noise = action.name
                return [Speak(prompt=heard, text=noise, interrupting=interrupting, wordless=True)]
            case StaysSilent(for_s=for_s):
                self._patience_until_s = now_s + for_s
                return []
            case HangsUp(after_s=after_s):
                self.mind = Mind.LEAVING
                self._leave_at_s = now_s + after_s
                return []
            case _:
                assert_never(action)

    def _ask_again(self, now_s: float) -> list[Command]:
        start_s = self._prompt_start_s
        heard = Heard(
            matched=(),
            score=0.0,
            start_s=now_s if start_s is None else start_s,
            end_s=now_s if start_s is None else self._prompt_end_s,
        )
        if self._asked_again >= self._scenario.not_understood.times:
            what = "said nothing" if start_s is None else "said nothing the caller knows"
            return self._give_up(Outcome.FAILED, f"the frontdesk {what}")
        self._asked_again += 1
        self._forget_prompt(interrupting=False)
        self.mind = Mind.SPEAKING
        return [Speak(prompt=heard, text=self._scenario.not_understood.says)]

    def _said(self, now_s: float) -> list[Command]:
        if self.mind is not Mind.SPEAKING:
            return []
        self.mind = Mind.LISTENING
        self._patience_until_s = now_s + self._scenario.patience_s
        if self._prompt_start_s is not None and not self._sounding:
            return self._recognise(now_s)  # it spoke, and ended, while the caller spoke
        return []

    def _forget_prompt(self, *, interrupting: bool) -> None:
        self._prompt_start_s = None
        self._deaf = interrupting

    def _give_up(self, outcome: Outcome, reason: str) -> list[Command]:
        self.mind = Mind.OVER
        self.outcome = outcome
        return [HangUp(reason=reason)]
