"""One generator process: callers on one clock, told by its parent whom to call next.

    python -m loadtest.load.generator

Standard input has one JSON object a line: first the settings, then {"dial": number, "scenario":
index}, {"stop": reason} at the end. Standard output has {"ready": …}, {"call": …} for each call
that is over, {"gap": [number, when, ms]} as it is measured, {"pulse": …} once a second.
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from loadtest.call_line import open_call
from loadtest.clock import MediaClock
from loadtest.errors import CallFailedError, LoadtestError
from loadtest.impair import Impairment
from loadtest.load.host import stolen_s
from loadtest.load.precedence import take_precedence
from loadtest.load.reading import RememberingReader, remembering_reader
from loadtest.load.records import CallRecord, Pulse, record_of
from loadtest.pcm import Pcm
from loadtest.recorder import Recorder
from loadtest.report import CallEvent, HeardPrompt
from loadtest.scenario import Scenario, load_scenario
from loadtest.scenario_call import ScenarioCall, failed_report
from loadtest.sounds import SpeechCache, sounds_of
from loadtest.speech import VoiceSettings

_PULSE_S: Final = 1.0
_STOP_S: Final = 8.0  # for BYEs and last words; then calls are cut
_KEPT_S: Final = 120.0  # of audio when no recording is wanted: more than any prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorSettings:
    """The first line a generator gets."""

    process: int
    target: str
    scenarios: tuple[str, ...]  # paths
    cache: str  # folder of rendered speech
    caller: str  # prefix of the callers' numbers
    recordings: str | None = None  # folder for stereo WAVs
    agent_voice: Mapping[str, Any] = field(default_factory=dict[str, Any])
    network: Mapping[str, Any] | None = None

    def to_line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> "GeneratorSettings":
        data = cast("dict[str, Any]", json.loads(line))
        data["scenarios"] = tuple(data["scenarios"])
        return cls(**data)


def main() -> int:
    """Run until told to stop, or until the parent is gone."""
    gc.freeze()  # what is loaded stays: collections then look at calls only
    try:
        asyncio.run(_serve())
    except (LoadtestError, OSError, ValueError, KeyError) as error:
        _tell({"failed": f"{error}"})
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _tell(message: Mapping[str, Any]) -> None:
    """One line to the parent; a parent that is gone is noticed when its pipe ends."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _tell_gap(number: int, answered_s: float, event: CallEvent) -> None:
    """A gap at once: a ramp is judged while its calls are up."""
    if isinstance(event, HeardPrompt) and event.gap_ms is not None:
        _tell({"gap": [number, answered_s + event.at_s, event.gap_ms]})


async def _serve() -> None:
    lines = await _standard_input()
    settings = GeneratorSettings.from_line((await lines.readline()).decode())
    scenarios = [load_scenario(Path(path)) for path in settings.scenarios]
    cache = SpeechCache(Path(settings.cache))
    sounds = [await sounds_of(scenario, cache) for scenario in scenarios]
    phrases = dict.fromkeys(phrase for scenario in scenarios for phrase in scenario.phrases)
    voice = VoiceSettings(**settings.agent_voice)
    async with remembering_reader(phrases, voice) as reader:
        generator = Generator(settings, scenarios, sounds, reader)
        take_precedence()
        _tell({"ready": settings.process})
        await generator.run(lines)


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


class Generator:
    """The callers of this process."""

    def __init__(
        self,
        settings: GeneratorSettings,
        scenarios: list[Scenario],
        sounds: list[dict[str, Pcm]],
        reader: RememberingReader,
    ) -> None:
        self._settings = settings
        self._scenarios = scenarios
        self._sounds = sounds
        self._reader = reader
        self._clock = MediaClock()
        self._network = Impairment(**settings.network) if settings.network is not None else None
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._up: dict[int, ScenarioCall] = {}
        self._stopping: str | None = None
        self._cpu_before_s = time.process_time()  # rendering is not part of the load

    async def run(self, lines: asyncio.StreamReader) -> None:
        """Do what the parent says until it says stop, or is gone."""
        pulsing = asyncio.create_task(self._pulse(), name="pulse")
        try:
            while self._stopping is None and (line := await lines.readline()):
                self._obey(json.loads(line))
            await self._stop()
        finally:
            pulsing.cancel()
            await asyncio.gather(pulsing, return_exceptions=True)
            self._tell_pulse()

    def _obey(self, message: Mapping[str, Any]) -> None:
        if "stop" in message:
            self._stopping = str(message["stop"])
            return
        number = int(message["dial"])
        task = asyncio.create_task(self._call(number, int(message["scenario"])), name="call")
        self._calls[number] = task
        task.add_done_callback(lambda done: self._over(number, done))

    def _over(self, number: int, task: asyncio.Task[None]) -> None:
        del self._calls[number]
        if not task.cancelled() and (error := task.exception()) is not None:
            _tell({"lost": number, "error": f"{type(error).__name__}: {error}"})

    async def _stop(self) -> None:
        """Hang up all calls, and cut those that do not end."""
        for call in self._up.values():
            call.hang_up(self._stopping or "the run is over")
        if self._calls:
            _, late = await asyncio.wait(self._calls.values(), timeout=_STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _call(self, number: int, index: int) -> None:
        scenario, settings = self._scenarios[index], self._settings
        dialled_s = time.monotonic()
        caller = f"{settings.caller}{number}"
        try:
            async with open_call(
                settings.target,
                caller=caller,
                network=self._network,
                clock=self._clock,
                recorder=Recorder(keep_s=None if settings.recordings is not None else _KEPT_S),
            ) as line:
                answered_s = time.monotonic()
                call = ScenarioCall(
                    scenario,
                    line,
                    self._reader,
                    self._sounds[index],
                    lambda event: _tell_gap(number, answered_s, event),
                )
                self._up[number] = call
                if self._stopping is not None:
                    call.hang_up(self._stopping)
                ended = await call.run()
                ended_s = time.monotonic()
                report = call.report(settings.target, ended, cpu_s=0.0, recording=None)
        except CallFailedError as error:
            # The socket lingers after a refusal, which is none of the far end's time.
            after_s = error.after_s
            ended_s = time.monotonic() if after_s is None else dialled_s + after_s
            report = failed_report(scenario.name, settings.target, error)
        else:
            if settings.recordings is not None:
                path = Path(settings.recordings) / f"{number:05d}-{scenario.name}.wav"
                await asyncio.to_thread(line.recorder.save_stereo, path)
        finally:
            self._up.pop(number, None)
        self._tell_call(
            record_of(
                number,
                report,
                dialled_s=dialled_s,
                ended_s=ended_s,
                stopped=self._stopping is not None,
            )
        )

    def _tell_call(self, record: CallRecord) -> None:
        _tell({"call": record.to_dict()})

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(_PULSE_S)
            self._tell_pulse()

    def _tell_pulse(self) -> None:
        pulse = Pulse(
            at_s=time.monotonic(),
            process=self._settings.process,
            active=len(self._calls),
            cpu_s=time.process_time() - self._cpu_before_s,
            reader_cpu_s=self._reader.cpu_s,
            late=tuple(self._clock.lateness.to_list()),
            stolen_s=stolen_s(),
        )
        _tell({"pulse": asdict(pulse)})


if __name__ == "__main__":
    sys.exit(main())
