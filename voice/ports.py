"""What a call session asks of the world, as small Protocols.

voice/ knows neither the network, nor the engines, nor the dialog, nor the back end: the server
binds implementations to these ports. The events and effects that cross them are in voice/events.py.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol, runtime_checkable

from voice.events import (
    ActionOutcome,
    CallerEvent,
    CallerSaid,
    Effect,
    Expectation,
    LegEvent,
    PerformAction,
    Preview,
    SpeechChunk,
    Transcription,
    TurnRecord,
    Understanding,
)
from voice.frames import Pcm


class AudioLeg(Protocol):
    """The caller's end: 20 ms PCM in and out, keys, hang up."""

    on_event: Callable[[LegEvent], None]
    """Called on the event loop, never re-entrantly from receive_frame or send_frame."""

    @property
    def reports_keys(self) -> bool:
        """Whether the network promised to report keys, or ever did: then tones are not trusted."""
        ...

    def receive_frame(self) -> Pcm:
        """The next 20 ms from the caller, shape (160,); lost packets concealed. Never blocks."""
        ...

    def send_frame(self, pcm: Pcm) -> None:
        """Send 20 ms to the caller, shape (160,). Never blocks; a dead socket is silent."""
        ...

    async def hang_up(self, reason: str) -> None:
        """End the call at the network; idempotent."""
        ...


@runtime_checkable
class Buffered(Protocol):
    """An AudioLeg that keeps the caller's audio back a while, and knows for how long."""

    @property
    def delay_s(self) -> float:
        """From the arrival of the caller's audio to `receive_frame`, in seconds, as of late."""
        ...

    @property
    def slip(self) -> int:
        """How much later than the first frame the latest one was given out, in samples: an echo's
        delay grows and sinks with it."""
        ...


class SpeechToText(Protocol):
    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        """Transcribe one utterance.

        Args:
            pcm: int16 mono 8 kHz, any length; under 100 ms gives an empty transcription.
            expects: what the dialog waits for, as a hint.
            speculative: the caller may not be done: whoever has ended a turn is served first.

        Raises:
            SpeechError: the engine failed; the caller should be asked again.
        """
        ...


class TextToSpeech(Protocol):
    def synthesise(self, text: str) -> AsyncIterator[SpeechChunk]:
        """Speak `text`, in chunks as they are ready, int16 mono 8 kHz.

        Raises:
            SpeechError: the engine failed.
        """
        ...


class TurnModel(Protocol):
    """Has the speaker finished, judged by how they sound."""

    async def finished(self, pcm: Pcm) -> float:
        """The probability, in [0, 1], that the turn is over where `pcm` ends.

        Args:
            pcm: the turn so far with the quiet after it, int16 mono 8 kHz, shape (n,).

        Raises:
            SpeechError: the model failed; the turn ends as it would without one.
        """
        ...


class VoiceActivity(Protocol):
    """One call's voice activity detector: keeps state from frame to frame."""

    @property
    def probability(self) -> float:
        """Probability in [0, 1] that the latest audio is speech, as of the pool's last run."""
        ...

    def push(self, pcm: Pcm) -> None:
        """Add one frame, shape (160,)."""
        ...


class VoiceActivityPool(Protocol):
    """The detectors of all calls, run as one batch a tick."""

    def run(self) -> int:
        """One inference over every stream that has enough new audio; how many it served."""
        ...


class Recorder(Protocol):
    """The stereo recording of one call: caller left, frontdesk right, sample-aligned."""

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """Add 20 ms of both sides, which nobody writes to afterwards; never blocks."""
        ...


class Dialog(Protocol):
    """One call's dialog: deterministic; effects are returned, never run.

    It may think elsewhere. Meanwhile its properties are as before, and what is asked of it next is
    looked at afterwards, in the order of asking.
    """

    @property
    def expects(self) -> Expectation: ...

    @property
    def understanding(self) -> Understanding | None:
        """How the last caller event was understood."""
        ...

    async def preview(self, event: CallerSaid) -> Preview:
        """What `receive` would return, and how complete the answer is; changes nothing."""
        ...

    async def receive(self, *events: CallerEvent) -> Sequence[Effect]:
        """Take these events in order, and be where they lead in one step once they are thought out.

        If it raises, or its task is cancelled, none of them happened.
        """
        ...


class Actions(Protocol):
    async def perform(self, action: PerformAction) -> ActionOutcome:
        """Run a back-end action at most once under `action.key`.

        Never raises for a back end's failure: the outcome says what is known.
        """
        ...


class Journal(Protocol):
    """The records of one call; writes never block the call."""

    def decided(self, record: TurnRecord) -> None:
        """A turn was understood and its reply planned; `heard` is not known yet."""
        ...

    def turn(self, record: TurnRecord) -> None:
        """A turn is over: its reply was heard, cut short or dropped."""
        ...
