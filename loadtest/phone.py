"""A phone for the command line: dial, say or play or key things in turn, keep what came back."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, assert_never

from loadtest.activity import Activity, ActivityEvent, SpeechStarted, sounding_span
from loadtest.errors import BadKeysError
from loadtest.line import Line, open_line
from loadtest.media import LISTENING_DELAY
from loadtest.pcm import Pcm, seconds
from loadtest.report import MediaStats
from loadtest.rtp import is_key
from loadtest.sip_uri import SipUri
from loadtest.speech import VoiceSettings, render
from loadtest.wav import read_wav


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    path: Path  # WAV, any rate, mono or stereo, 8/16/24/32-bit PCM


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    digits: str  # 0-9 * # A-D


Item: TypeAlias = Say | Play | Press


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    target: str  # sip:user@host[:port]
    items: tuple[Item, ...] = ()  # sent in this order, each after the prompt before it ended
    save: Path | None = None  # what came back, mono
    save_stereo: Path | None = None  # left we, right the far end
    voice: VoiceSettings = field(default_factory=lambda: VoiceSettings(name="en-gb"))
    caller: str = "phone"
    local_host: str | None = None
    hold_s: float = 0.0  # stay on the line this long after the last answer
    quiet_s: float = 0.7  # this much quiet ends a prompt
    answer_timeout_s: float = 10.0  # without a sound from the far end, go on to the next item
    ring_timeout_s: float = 32.0
    max_call_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    setup_ms: float
    duration_s: float
    ended_by: str  # caller, frontdesk, network
    reason: str
    items_sent: int
    prompts_heard: int
    gaps_ms: tuple[float, ...]  # end of what we sent to the start of what came back
    media: MediaStats
    saved: tuple[Path, ...]


async def place_call(
    options: CallOptions, *, on_progress: Callable[[str], None] | None = None
) -> CallSummary:
    """Make one call and hang up after the last answer, or when the far end does.

    What is to be said or played is made ready before dialling. What was recorded is saved however
    the call ends, if it was answered.

    Args:
        options: whom to call and what to send.
        on_progress: gets a line for a person at each step.

    Raises:
        CallFailedError: unreachable, refused, bad URI, or keys that cannot be sent; one line.
        AudioFileError: a WAV to play cannot be read, or the result cannot be saved.
        VoiceError: a text cannot be spoken.
    """
    SipUri.parse(options.target)
    for item in options.items:
        if isinstance(item, Press) and not all(is_key(key) for key in item.digits):
            raise BadKeysError(f"{item.digits!r} cannot be keyed; keys are 0-9 * # A-D")
    ready = await asyncio.to_thread(lambda: [_prepare(item, options) for item in options.items])
    progress = on_progress or _ignore
    progress(f"calling {options.target}")
    async with open_line(
        options.target,
        caller=options.caller,
        local_host=options.local_host,
        ring_timeout_s=options.ring_timeout_s,
    ) as line:
        progress(f"answered after {1000 * line.answer.setup_s:.0f} ms")
        call = _Call(line, options, progress)
        try:
            summary = await call.run(ready)
        finally:
            saved = await asyncio.to_thread(_save, line, options)
    return replace(summary, saved=saved)


def _prepare(item: Item, options: CallOptions) -> Pcm | str:
    """The audio of an item, or its keys."""
    match item:
        case Say(text=text):
            return render(text, options.voice)
        case Play(path=path):
            return read_wav(path)
        case Press(digits=digits):
            return digits
        case _:
            assert_never(item)


def _save(line: Line, options: CallOptions) -> tuple[Path, ...]:
    saved: list[Path] = []
    if options.save is not None:
        line.media.recorder.save_heard(options.save)
        saved.append(options.save)
    if options.save_stereo is not None:
        line.media.recorder.save_stereo(options.save_stereo)
        saved.append(options.save_stereo)
    return tuple(saved)


def _ignore(line: str) -> None:
    """Nobody watches."""


class _Call:
    """One answered call: sends the items, each after the prompt before it."""

    def __init__(self, line: Line, options: CallOptions, progress: Callable[[str], None]) -> None:
        self._line = line
        self._options = options
        self._progress = progress
        self._activity = Activity(quiet_s=options.quiet_s, origin=-LISTENING_DELAY)
        # Unbounded in name only: a prompt makes two events, and max_call_s bounds the prompts.
        self._events: asyncio.Queue[ActivityEvent] = asyncio.Queue()
        self._gaps_ms: list[float] = []
        self._last_sound: int | None = None  # of ours, on our clock
        self._sending_until = 0
        self._sent_all = asyncio.Event()
        self._items_sent = 0
        self._prompts = 0

    async def run(self, ready: Sequence[Pcm | str]) -> CallSummary:
        media, phone = self._line.media, self._line.phone
        media.on_frame = self._hear
        media.start(self._line.answer.media)
        gone = asyncio.create_task(phone.wait_ended(), name="far-end")
        talk = asyncio.create_task(self._talk(ready), name="talk")
        try:
            await asyncio.wait(
                {gone, talk},
                timeout=self._options.max_call_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            reason = "done" if talk.done() else f"{self._options.max_call_s:.0f} s are over"
        finally:
            gone.cancel()
            talk.cancel()
            await asyncio.gather(gone, talk, return_exceptions=True)
        if not talk.cancelled() and (error := talk.exception()):
            raise error
        ended = await phone.hang_up(reason)
        return CallSummary(
            setup_ms=1000 * self._line.answer.setup_s,
            duration_s=seconds(media.now),
            ended_by=ended.by if ended else "caller",
            reason=ended.reason if ended else reason,
            items_sent=self._items_sent,
            prompts_heard=self._prompts,
            gaps_ms=tuple(self._gaps_ms),
            media=media.stats(),
            saved=(),
        )

    async def _talk(self, ready: Sequence[Pcm | str]) -> None:
        await self._hear_prompt()
        for item, content in zip(self._options.items, ready, strict=True):
            await self._send(item, content)
            await self._hear_prompt()
        if self._options.hold_s > 0:
            await asyncio.sleep(self._options.hold_s)

    def _hear(self, frame: Pcm, now: int) -> None:
        for event in self._activity.receive(frame):
            self._events.put_nowait(event)
        if self._line.media.now >= self._sending_until:
            self._sent_all.set()

    async def _hear_prompt(self) -> None:
        """Wait until the far end has spoken and is quiet; go on when it says nothing."""
        deadline_s = asyncio.get_running_loop().time() + self._options.answer_timeout_s
        try:
            async with asyncio.timeout_at(deadline_s):
                started = await self._events.get()
        except TimeoutError:
            self._progress(f"heard nothing for {self._options.answer_timeout_s:.0f} s")
            return
        if isinstance(started, SpeechStarted):
            self._note_gap(started.at)
            await self._events.get()  # its end
        self._prompts += 1
        self._progress(f"heard a prompt, {seconds(self._line.media.now):.1f} s into the call")

    def _note_gap(self, started_at: int) -> None:
        if self._last_sound is not None and started_at >= self._last_sound:
            self._gaps_ms.append(1000 * seconds(started_at - self._last_sound))
        self._last_sound = None

    async def _send(self, item: Item, content: Pcm | str) -> None:
        media = self._line.media
        self._progress(_telling(item))
        if isinstance(content, str):
            try:
                sent = media.press(content)
            except ValueError as error:
                raise BadKeysError(str(error)) from error
        else:
            sent = media.say(content)
        self._sending_until = sent.end
        self._sent_all.clear()
        await self._sent_all.wait()
        _, last = sounding_span(media.recorder.sent.read(sent.start, sent.end))
        self._last_sound = sent.start + last if last else sent.end
        self._items_sent += 1


def _telling(item: Item) -> str:
    match item:
        case Say(text=text):
            return f"saying: {text}"
        case Play(path=path):
            return f"playing: {path}"
        case Press(digits=digits):
            return f"keying: {digits}"
        case _:
            assert_never(item)
