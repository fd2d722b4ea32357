"""A caller that listens: dials, knows prompts by their sound, answers aloud, keeps the score.

    python -m loadtest.caller change_address sip:frontdesk@127.0.0.1:5060 --events -

The decisions are in loadtest/conversation.py, its ears and mouth in loadtest/scenario_call.py.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from loadtest.call_line import is_page, is_stream, open_call
from loadtest.errors import BadTargetError, CallFailedError, LoadtestError
from loadtest.listening import PhraseBook
from loadtest.report import CallEvent, CallReport, Outcome, to_json_line
from loadtest.scenario import Scenario, find_scenario, load_scenario
from loadtest.scenario_call import ScenarioCall, failed_report, ignore
from loadtest.sip_call import TIMER_B_S
from loadtest.sip_uri import SipUri
from loadtest.sounds import sounds_of
from loadtest.speech import VoiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerOptions:
    caller: str = "caller"  # the user part of our From
    local_host: str | None = None  # the address to call from; by default what the route says
    record: Path | None = None  # stereo WAV: left the caller, right the frontdesk
    agent_voice: VoiceSettings = field(default_factory=VoiceSettings)  # whose prompts to recognise
    ring_timeout_s: float = TIMER_B_S  # without a final answer: CANCEL


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
        self._on_event = on_event or ignore

    async def run(self) -> CallReport:
        """Make the call; refusals and dead targets are outcomes of the report, not exceptions.

        Everything is rendered before dialling, so that no gap is the caller's own.

        Raises:
            BadTargetError: `target` is neither a SIP URI over UDP nor a URL we know.
            VoiceError: a text of the scenario cannot be rendered.
            AudioFileError: the recording cannot be written.
        """
        if not (is_stream(self._target) or is_page(self._target)):
            SipUri.parse(self._target)
        scenario, options = self._scenario, self._options
        book = await PhraseBook.learn(
            scenario.phrases, options.agent_voice, threshold=scenario.threshold
        )
        spoken = await sounds_of(scenario)
        cpu_s = time.process_time()
        try:
            async with open_call(
                self._target,
                caller=options.caller,
                local_host=options.local_host,
                ring_timeout_s=options.ring_timeout_s,
            ) as line:
                call = ScenarioCall(scenario, line, book, spoken, self._on_event)
                ended = await call.run()
        except BadTargetError:
            raise
        except CallFailedError as error:
            return failed_report(scenario.name, self._target, error)
        cpu_s = time.process_time() - cpu_s
        report = call.report(self._target, ended, cpu_s=cpu_s, recording=options.record)
        if options.record is not None:
            await asyncio.to_thread(line.recorder.save_stereo, options.record)
        return report


# --- the command ----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.caller",
        description="Make one simulated call; exit 0 only if its goal was reached.",
    )
    parser.add_argument("scenario", help="a YAML file, or the name of a shipped scenario")
    parser.add_argument(
        "target", help="sip:user@host:port, ws://… of a media stream, or http://…/phone"
    )
    parser.add_argument("--record", type=Path, metavar="FILE.wav", help="stereo recording")
    parser.add_argument(
        "--events", metavar="FILE", help="JSON lines of what happens; - is standard output"
    )
    parser.add_argument("--agent-voice", default="en-us", help="the frontdesk's built-in voice")
    parser.add_argument("--agent-rate", type=int, default=165, help="its words per minute")
    parser.add_argument("--agent-pitch", type=int, default=50, help="its pitch, 0 to 99")
    parser.add_argument("--caller", default="caller", help="user part of the From address")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 goal reached, 1 not, 2 it could not even be tried."""
    options = _parser().parse_args(arguments)
    try:
        scenario = load_scenario(find_scenario(options.scenario))
        with contextlib.ExitStack() as stack:
            out = _open_events(options.events, stack)

            def write(event: CallEvent | CallReport) -> None:
                if out is not None:
                    print(to_json_line(event), file=out, flush=True)

            caller = SimulatedCaller(
                scenario, options.target, options=_caller_options(options), on_event=write
            )
            report = asyncio.run(caller.run())
            write(report)
    except (LoadtestError, OSError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"{report.scenario}: {report.outcome}: {report.detail}", file=sys.stderr)
    return 0 if report.outcome is Outcome.COMPLETED else 1


def _caller_options(options: argparse.Namespace) -> CallerOptions:
    voice = VoiceSettings(
        name=options.agent_voice, rate_wpm=options.agent_rate, pitch=options.agent_pitch
    )
    return CallerOptions(caller=options.caller, record=options.record, agent_voice=voice)


def _open_events(path: str | None, stack: contextlib.ExitStack) -> TextIO | None:
    if path is None:
        return None
    if path == "-":
        return sys.stdout
    return stack.enter_context(Path(path).open("w", encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
