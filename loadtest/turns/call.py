"""One call of the suite: a plan with ears, a mouth and a line. The shell around script.py."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from loadtest.call_line import PlayedLine, open_call
from loadtest.errors import BadKeysError, CallFailedError
from loadtest.media import Sent
from loadtest.pcm import Pcm
from loadtest.report import MediaStats
from loadtest.turns.cases import Condition, Kind, Plan, Utterance
from loadtest.turns.mouth import Mouth
from loadtest.turns.reader import Reader
from loadtest.turns.script import Do, Leave, Script
from loadtest.turns.spans import HeardSpan, Stretch, StretchFinder, name_span


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something the caller did; positions are samples of the call's recording."""

    kind: Kind
    start: int
    end: int  # of the last sound: the answer is complete
    audible_end: int  # of the last sound that is heard over the room
    text: str
    overlap: bool  # over a prompt
    takes_turn: bool  # wants an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecording:
    """What the scoring looks at: both tracks of the recording, and what was done and heard."""

    name: str
    caller: str
    condition: Condition
    said: Pcm  # the caller's words alone, without the noise and echo that were sent with them
    heard: Pcm
    marks: tuple[Mark, ...]
    spans: tuple[HeardSpan, ...]
    ended: str
    media: MediaStats
    path_s: float = 0.0  # how long our packets take to frontdesk on average, as we delay them


async def make_call(target: str, plan: Plan, reader: Reader, *, caller: str) -> CallRecording:
    """Carry out `plan` and record it.

    Raises:
        CallFailedError: the call did not come about, or cannot be used.
        VoiceError: something in the plan cannot be said.
    """
    async with open_call(target, caller=caller, network=plan.network) as line:
        return await take_part(line, plan, reader, caller=caller)


async def take_part(line: PlayedLine, plan: Plan, reader: Reader, *, caller: str) -> CallRecording:
    """Carry out `plan` on a call that was answered, to its end; same errors as `make_call`."""
    sounds = await asyncio.to_thread(_render, plan)
    call = _Call(plan, line, reader, sounds)
    ended = await call.run()
    return call.recording(caller, ended)


def _render(plan: Plan) -> dict[int, Pcm]:
    """Every utterance of the plan, by identity: two with the same words are two sounds."""
    utterances = [each for answers in plan.answers.values() for each in answers]
    utterances += [overlap.utterance for overlap in plan.overlaps]
    return {id(each): each.render(plan.voice) for each in utterances}


class _Call:
    def __init__(
        self, plan: Plan, line: PlayedLine, reader: Reader, sounds: Mapping[int, Pcm]
    ) -> None:
        self._plan, self._line, self._reader, self._sounds = plan, line, reader, sounds
        self._script = Script(plan)
        self._mouth = Mouth(plan.surroundings, line.recorder.heard, plan.seed)
        self._finder: StretchFinder | None = None
        self._announced: int | None = None  # the stretch of which the script knows
        self._keys_until = 0
        self._marks: list[Mark] = []
        self._spans: list[HeardSpan] = []
        self._naming: set[asyncio.Task[None]] = set()
        self._leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> str:
        """Take part until the plan is done or the far end hangs up; returns why it ended."""
        self._line.start(self._on_frame)
        far_end = asyncio.create_task(self._line.wait_ended(), name="far-end")
        try:
            await asyncio.wait({far_end, self._leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            far_end.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await far_end
        if self._naming:
            await asyncio.wait(self._naming)
        return self._leaving.result() if self._leaving.done() else "the far end hung up"

    def recording(self, caller: str, ended: str) -> CallRecording:
        duration = self._line.now
        return CallRecording(
            name=self._plan.name,
            caller=caller,
            condition=self._plan.condition,
            said=self._mouth.said.read(0, duration),
            heard=self._line.recorder.heard.read(0, duration),
            marks=tuple(self._marks),
            spans=tuple(sorted(self._spans, key=lambda span: span.start)),
            ended=ended,
            media=self._line.stats(),
            path_s=self._plan.network.delay_s if self._plan.network else 0.0,
        )

    # --- every 20 ms ------------------------------------------------------------------------------

    def _on_frame(self, frame: Pcm, end: int) -> None:
        """One frame heard; the frame that we send next is queued here, after it was decided."""
        if self._leaving.done():
            return
        try:
            self._listen(frame, end)
            self._act()
        except CallFailedError as error:
            self._leaving.set_exception(error)

    def _listen(self, frame: Pcm, end: int) -> None:
        if self._finder is None:
            self._finder = StretchFinder(origin=end - frame.size)
        stretch = self._finder.receive(frame)
        if stretch is not None:
            self._script.far_end_quiet(stretch.end)
            task = asyncio.create_task(self._name(stretch), name="name-span")
            self._naming.add(task)
            task.add_done_callback(self._named)
        began = self._finder.began
        if began is not None and began != self._announced:
            self._announced = began
            self._script.far_end_began(began)

    async def _name(self, stretch: Stretch) -> None:
        speech = self._line.recorder.heard.read(*stretch.window)
        span = name_span(stretch, await self._reader.understand_later(speech))
        self._spans.append(span)
        self._script.far_end_said(span)

    def _named(self, task: "asyncio.Task[None]") -> None:
        """A caller that cannot tell what was said would wait for it until its patience ends."""
        self._naming.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._leaving.done():
            self._leaving.set_exception(error)

    def _act(self) -> None:
        now = self._line.now
        speaks = self._finder is not None and self._finder.began is not None
        match self._script.tick(now, far_end_speaks=speaks):
            case Do() as move:
                self._do(move, now)
            case Leave(reason=reason):
                self._leaving.set_result(reason)
            case None:
                pass
        if self._line.now >= self._keys_until:
            self._line.say(self._mouth.frame(self._line.now))

    def _do(self, move: Do, now: int) -> None:
        utterance = move.utterance
        sent = self._press(utterance) if utterance.keys else self._say(utterance, now)
        self._script.saying(move, sent.start, sent.end)
        self._marks.append(
            Mark(
                kind=utterance.kind,
                start=sent.start,
                end=sent.end,
                audible_end=self._audible_end(utterance, sent),
                text=utterance.text,
                overlap=move.overlap is not None,
                takes_turn=move.overlap is None or move.overlap.takes_turn,
            )
        )

    def _audible_end(self, utterance: Utterance, sent: Sent) -> int:
        if utterance.keys:
            return sent.end
        return sent.start + self._mouth.audible(self._sounds[id(utterance)])

    def _say(self, utterance: Utterance, now: int) -> Sent:
        return self._mouth.say(self._sounds[id(utterance)], now)

    def _press(self, utterance: Utterance) -> Sent:
        try:
            sent = self._line.press(utterance.keys)
        except ValueError as error:
            raise BadKeysError(str(error)) from error
        self._keys_until = sent.end
        return sent
