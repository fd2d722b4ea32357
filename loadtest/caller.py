"""A caller that listens: dials, hears prompts by their sound, answers aloud, and keeps the score."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.report import CallEvent, CallReport
from loadtest.scenario import Scenario
from loadtest.speech import VoiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerOptions:
    caller: str = "caller"  # the user part of our From
    local_host: str | None = None  # the address to call from; by default what the route says
    record: Path | None = None  # stereo WAV: left the caller, right the frontdesk
    agent_voice: VoiceSettings = field(default_factory=VoiceSettings)  # whose prompts to recognise
    ring_timeout_s: float = 32.0  # without a final answer: CANCEL


class SimulatedCaller:
    """One call of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        target: str,
        *,
        options: CallerOptions | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
    ) -> None:
        self._scenario = scenario
        self._target = target
        self._options = options or CallerOptions()
        self._on_event = on_event

    async def run(self) -> CallReport:
        """Make the call; refusals and dead targets are outcomes of the report, not exceptions.

        Raises:
            BadTargetError: `target` is not a SIP URI over UDP.
            VoiceError: a text of the scenario cannot be rendered.
            AudioFileError: the recording cannot be written.
        """
        raise NotImplementedError
