"""A whole scenario by audio alone, against a scripted frontdesk that is not ours.

The frontdesk of these tests is a little SIP and RTP over real sockets, written from the RFCs
alone. Both ends run on an event loop whose clock is five times as fast, so that a call of a
minute takes seconds.
"""

import asyncio
import json
import re
import selectors
import socket
import struct
import time
import wave
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from loadtest import g711
from loadtest.activity import Activity, SpeechStopped
from loadtest.caller import CallerOptions, SimulatedCaller, main
from loadtest.errors import (
    AudioFileError,
    BadKeysError,
    BadTargetError,
    LoadtestError,
    VoiceError,
)
from loadtest.pcm import FRAME_SAMPLES, SILENCE, frames_of
from loadtest.phone import CallOptions, CallSummary, Play, Press, Say, place_call
from loadtest.report import (
    CallAnswered,
    CallEnded,
    CallerSaid,
    CallEvent,
    CallReport,
    HeardPrompt,
    Outcome,
)
from loadtest.scenario import (
    Answer,
    HangsUp,
    NotUnderstood,
    Presses,
    Says,
    Scenario,
    find_scenario,
    load_scenario,
)
from loadtest.speech import VoiceSettings, render
from loadtest.wav import read_wav

SPEED = 5.0
AGENT = VoiceSettings()
ADDRESS = "42 Oak Street, Springfield"
WELCOME = (
    "Welcome to Oakline. You can change the address on an order, or ask where an order is. "
    "How can I help you?"
)
CHANGED = f"The address is changed to {ADDRESS}. Is there anything else I can do for you?"
PREPARED = "Your order is being prepared. Is there anything else I can do for you?"
GOODBYE = "Thank you for calling Oakline. Goodbye."
HAPPY = (
    WELCOME,
    "What is your order number?",
    "What is the postcode on the order?",
    "What is the new address?",
    f"I have {ADDRESS}. Is that right?",
    CHANGED,
    PREPARED,
    GOODBYE,
)

Result = TypeVar("Result")


class FastSelector(selectors.DefaultSelector):
    """Waits a fifth of the time it is asked to."""

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout and timeout / SPEED)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds are a fifth as long; sockets and threads are as they are."""

    def __init__(self) -> None:
        super().__init__(FastSelector())

    def time(self) -> float:
        return time.monotonic() * SPEED


def run_fast(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        return runner.run(work)


class ScriptedFrontdesk(asyncio.DatagramProtocol):
    """Answers one call, says each prompt in turn whenever the caller has finished speaking."""

    def __init__(
        self, prompts: Sequence[str], *, hangs_up: bool = True, delay_s: float = 0
    ) -> None:
        self.prompts = list(prompts)
        self.hangs_up = hangs_up
        self.delay_s = delay_s
        self.methods: list[str] = []
        self.heard_keys: list[int] = []
        self.interrupted = False
        self.deaf_to_invites = 0
        self._turn = 0
        self._out: list[Any] = []
        self._ear = Activity(quiet_s=0.5)
        self._stopped_speaking = False
        self._playing = False

    async def __aenter__(self) -> "ScriptedFrontdesk":
        loop = asyncio.get_running_loop()
        self._voices = [render(prompt, AGENT) for prompt in self.prompts]
        self._sip, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._rtp, _ = await loop.create_datagram_endpoint(
            lambda: _Rtp(self.receive_rtp), local_addr=("127.0.0.1", 0)
        )
        self._talking: asyncio.Task[None] | None = None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
        self._sip.close()
        self._rtp.close()

    @property
    def target(self) -> str:
        return f"sip:desk@127.0.0.1:{self._sip.get_extra_info('sockname')[1]}"

    # SIP

    def datagram_received(self, data: bytes, addr: Any) -> None:
        text = data.decode()
        method = text.split(" ", 1)[0]
        self.methods.append(method)
        if method == "INVITE" and self.deaf_to_invites:
            self.deaf_to_invites -= 1
        elif method == "INVITE":
            self._invite, self._peer = text, addr
            media = re.search(r"m=audio (\d+)", text)
            assert media is not None
            self._media = ("127.0.0.1", int(media[1]))
            self._sip.sendto(self._answer(text, "180 Ringing"), addr)
            self._sip.sendto(self._answer(text, "200 OK", self._sdp()), addr)
        elif method == "ACK" and self._talking is None:
            self._talking = asyncio.create_task(self._talk())
        elif method == "BYE":
            self._sip.sendto(self._answer(text, "200 OK"), addr)
            if self._talking is not None:
                self._talking.cancel()

    def _answer(self, request: str, status: str, body: str = "") -> bytes:
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq): .*?\r\n", request, re.MULTILINE)
        to = re.search(r"^To: (.*?)\r\n", request, re.MULTILINE)
        assert to is not None
        tag = "" if "tag=" in to[1] else ";tag=desk"
        port = self._sip.get_extra_info("sockname")[1]
        head = f"SIP/2.0 {status}\r\n{''.join(kept)}To: {to[1]}{tag}\r\n"
        head += f"Contact: <sip:desk@127.0.0.1:{port}>\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def _sdp(self) -> str:
        port = self._rtp.get_extra_info("sockname")[1]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"
        )

    def _field(self, name: str) -> str:
        found = re.search(rf"^{name}: (.*?)\r\n", self._invite, re.MULTILINE)
        assert found is not None
        return found[1]

    def _bye(self) -> None:
        contact = self._field("Contact").strip("<>")
        bye = (
            f"BYE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKbye\r\n"
            f"From: {self._field('To')};tag=desk\r\nTo: {self._field('From')}\r\n"
            f"Call-ID: {self._field('Call-ID')}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        )
        self._sip.sendto(bye.encode(), self._peer)

    # RTP

    def receive_rtp(self, data: bytes) -> None:
        if data[1] & 0x7F == 96:
            if data[13] & 0x80:
                self.heard_keys.append(data[12])
            return
        for event in self._ear.receive(g711.decode(data[12:], "PCMU")):
            if isinstance(event, SpeechStopped):
                self._stopped_speaking = True
            elif self._playing:
                self.interrupted = True
                self._out.clear()

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        started_s, sequence = loop.time(), 0
        self._next_prompt()
        while True:
            frame = self._out.pop(0) if self._out else None
            if frame is None and self._playing:
                self._playing = False
                if self._turn == len(self._voices) and self.hangs_up:
                    self._bye()
                    return
            if self._stopped_speaking and not self._playing and self._turn < len(self._voices):
                await self._pause()
                self._next_prompt()
            payload = g711.encode(SILENCE if frame is None else frame, "PCMU")
            header = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * FRAME_SAMPLES, 7)
            self._rtp.sendto(header + payload, self._media)
            sequence += 1
            await asyncio.sleep(max(0, started_s + sequence * 0.02 - loop.time()))

    async def _pause(self) -> None:
        self._out = [SILENCE] * round(self.delay_s / 0.02)

    def _next_prompt(self) -> None:
        self._out += frames_of(self._voices[self._turn])
        self._turn += 1
        self._playing = True
        self._stopped_speaking = False


class _Rtp(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._receive(data)


def test_caller_completes_the_demo_scenario_by_audio_alone(tmp_path: Path) -> None:
    recording = tmp_path / "call.wav"
    events: list[CallEvent] = []

    async def call() -> Any:
        async with ScriptedFrontdesk(HAPPY, delay_s=0.2) as desk:
            caller = SimulatedCaller(
                load_scenario(find_scenario("change_address")),
                desk.target,
                options=CallerOptions(record=recording),
                on_event=events.append,
            )
            return await caller.run()

    report = run_fast(call())
    assert report.outcome is Outcome.COMPLETED, report.detail
    assert [turn.said for turn in report.turns] == [
        "i'd like to change my shipping address",
        "four eight one five",
        "nine zero two one zero",
        "forty two oak street springfield",
        "yes",
        "where is my order",
        "goodbye",
        "",
    ]
    assert len(report.gaps_ms) == 7
    # The desk waits for 500 ms of quiet and then 200 ms more; ears and frames add some tens of ms.
    assert all(700 <= gap < 1000 for gap in report.gaps_ms)
    assert report.cut_offs == 0
    kinds = [type(event) for event in events]
    assert kinds[0] is CallAnswered
    assert kinds[-1] is CallEnded
    assert kinds.count(HeardPrompt) == 8
    assert kinds.count(CallerSaid) == 7
    with wave.open(str(recording), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8_000, 2)
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(stereo).max(axis=0).min() > 5_000


def call_with(
    prompts: Sequence[str], scenario: Scenario, *, hangs_up: bool = True
) -> tuple[CallReport, ScriptedFrontdesk]:
    async def call() -> tuple[CallReport, ScriptedFrontdesk]:
        async with ScriptedFrontdesk(prompts, hangs_up=hangs_up) as desk:
            return await SimulatedCaller(scenario, desk.target).run(), desk

    return run_fast(call())


def test_caller_says_no_to_another_street_number() -> None:
    wrong = "I have 43 Oak Street, Springfield. Is that right?"
    report, _ = call_with([wrong, GOODBYE], load_scenario(find_scenario("change_address")))
    assert [turn.said for turn in report.turns] == ["no", ""]
    assert report.outcome is Outcome.HUNG_UP_ON
    assert "never heard: The address is changed" in report.detail


def test_caller_sends_keys_when_the_scenario_says_so() -> None:
    scenario = Scenario(
        name="keys",
        answers=(
            Answer(hears=("What is your order number",), action=Presses(keys="48#")),
            Answer(hears=("Goodbye",), action=HangsUp(after_s=0.2)),
        ),
        goal=("Goodbye",),
        not_understood=NotUnderstood(says="well", times=1, after_s=1),
    )
    prompts = ["What is your order number?", GOODBYE]
    report, desk = call_with(prompts, scenario, hangs_up=False)
    # Three end packets each (RFC 4733). Keys make no sound, so the desk went on when asked "well".
    assert desk.heard_keys == [4] * 3 + [8] * 3 + [11] * 3
    assert report.turns[0].said == "[48#]"
    assert report.outcome is Outcome.COMPLETED
    assert desk.methods == ["INVITE", "ACK", "BYE"]


def test_caller_interrupts_and_times_how_soon_the_frontdesk_is_silent() -> None:
    scenario = Scenario(
        name="interrupt",
        answers=(
            Answer(
                hears=("Welcome to Oakline",),
                action=Says(texts=("i'd like to change my shipping address",)),
                interrupts_after_s=2.0,
            ),
            Answer(hears=("Goodbye",), action=HangsUp(after_s=3)),
        ),
        goal=("Goodbye",),
    )
    report, desk = call_with([WELCOME, GOODBYE], scenario)
    assert desk.interrupted
    assert report.outcome is Outcome.COMPLETED
    first = report.turns[0]
    assert first.said_start_s is not None
    assert 2.0 < first.said_start_s < 4.0  # the prompt alone takes 6.4 s
    # The desk stops 30 ms of sound, and a packet, after the onset.
    assert first.silenced_ms is not None
    assert 20 <= first.silenced_ms < 300


def test_caller_gives_up_on_a_frontdesk_it_does_not_understand() -> None:
    scenario = Scenario(
        name="stuck",
        answers=(Answer(hears=("Goodbye",), action=HangsUp(after_s=1)),),
        goal=("Goodbye",),
        not_understood=NotUnderstood(says="repeat that please", times=1, after_s=0.5),
    )
    prompts = ["What is your order number?", "Sorry, I did not understand.", GOODBYE]
    report, desk = call_with(prompts, scenario, hangs_up=False)
    assert report.outcome is Outcome.FAILED
    assert [turn.said for turn in report.turns] == ["repeat that please", ""]
    assert desk.methods[-1] == "BYE"


def test_lost_invites_are_repeated() -> None:
    async def call() -> tuple[CallSummary, list[str]]:
        async with ScriptedFrontdesk([GOODBYE]) as desk:
            desk.deaf_to_invites = 2
            return await place_call(CallOptions(target=desk.target)), desk.methods

    summary, methods = run_fast(call())
    assert methods[:4] == ["INVITE", "INVITE", "INVITE", "ACK"]
    assert summary.setup_ms >= 1_500  # 0.5 s and 1 s: RFC 3261's timer A


def test_nothing_listening_is_an_outcome_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scenario = load_scenario(find_scenario("change_address"))
    report = run_fast(SimulatedCaller(scenario, f"sip:desk@127.0.0.1:{port}").run())
    assert report.outcome is Outcome.UNREACHABLE
    assert report.detail == f"nothing listens at 127.0.0.1:{port} (UDP)"


def test_command_writes_json_lines_and_exits_by_the_goal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scenario = tmp_path / "short.yaml"
    scenario.write_text(
        "answers: [{hears: Goodbye, hangup_s: 3}]\ngoal: Goodbye\n", encoding="utf-8"
    )
    never = tmp_path / "never.yaml"
    never.write_text(
        "answers: [{hears: Goodbye, hangup_s: 3}]\ngoal: What is the new address\n",
        encoding="utf-8",
    )

    async def run_commands() -> tuple[int, int]:
        async with ScriptedFrontdesk([GOODBYE]) as first, ScriptedFrontdesk([GOODBYE]) as second:
            reached = await asyncio.to_thread(main, [str(scenario), first.target, "--events", "-"])
            missed = await asyncio.to_thread(main, [str(never), second.target])
            return reached, missed

    assert asyncio.run(run_commands()) == (0, 1)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [
        "call_answered",
        "heard_prompt",
        "call_ended",
        "report",
    ]
    assert lines[1]["matched"] == ["Goodbye"]
    assert lines[-1]["outcome"] == "completed"


def test_command_that_cannot_be_tried_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["change_address", "tel:+1"]) == 2
    assert main(["no_such_scenario", "sip:a@127.0.0.1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2


# --- the phone ------------------------------------------------------------------------------------


def test_phone_says_plays_and_keys_in_turn_and_saves_both_sides(tmp_path: Path) -> None:
    music = tmp_path / "in.wav"
    with wave.open(str(music), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        wave_44k = 8_000 * np.sin(2 * np.pi * 300 * np.arange(44_100) / 44_100)
        file.writeframes(np.repeat(wave_44k.astype("<i2"), 2).tobytes())
    told: list[str] = []

    async def call() -> tuple[CallSummary, list[int]]:
        async with ScriptedFrontdesk([WELCOME, "What is the new address?"], hangs_up=False) as desk:
            summary = await place_call(
                CallOptions(
                    target=desk.target,
                    items=(Say(text="where is my order"), Play(path=music), Press(digits="1#")),
                    save=tmp_path / "back.wav",
                    save_stereo=tmp_path / "both.wav",
                    answer_timeout_s=2.0,
                ),
                on_progress=told.append,
            )
            return summary, desk.heard_keys

    summary, keys = run_fast(call())
    assert (summary.items_sent, summary.prompts_heard, summary.ended_by) == (3, 2, "caller")
    assert keys == [1] * 3 + [11] * 3
    assert len(summary.gaps_ms) == 1
    assert 500 <= summary.gaps_ms[0] < 800
    assert summary.saved == (tmp_path / "back.wav", tmp_path / "both.wav")
    back, both = read_wav(tmp_path / "back.wav"), read_wav(tmp_path / "both.wav")
    assert back.size == both.size
    assert back.size / 8_000 == pytest.approx(summary.duration_s, abs=0.3)
    assert told[-1] == "heard nothing for 2 s"


def test_phone_stops_when_the_far_end_hangs_up(tmp_path: Path) -> None:
    async def call() -> CallSummary:
        async with ScriptedFrontdesk([GOODBYE]) as desk:
            options = CallOptions(
                target=desk.target, items=(Say(text="hello"),), save=tmp_path / "back.wav"
            )
            return await place_call(options)

    summary = run_fast(call())
    assert (summary.ended_by, summary.items_sent) == ("frontdesk", 0)
    assert (tmp_path / "back.wav").stat().st_size > 20_000


@pytest.mark.parametrize(
    ("options", "error", "line"),
    [
        (CallOptions(target="hello"), BadTargetError, "not a SIP address"),
        (
            CallOptions(target="sip:a@127.0.0.1", items=(Press(digits="12x"),)),
            BadKeysError,
            "'12x' cannot be keyed",
        ),
        (
            CallOptions(target="sip:a@127.0.0.1", items=(Play(path=Path("/nowhere.wav")),)),
            AudioFileError,
            "/nowhere.wav",
        ),
        (
            CallOptions(target="sip:a@127.0.0.1", voice=VoiceSettings(name="xx-nowhere"),
                        items=(Say(text="hi"),)),
            VoiceError,
            "xx-nowhere",
        ),
    ],
)  # fmt: skip
async def test_phone_that_cannot_even_dial_says_so_in_one_line(
    options: CallOptions, error: type[LoadtestError], line: str
) -> None:
    with pytest.raises(error, match=line) as caught:
        await place_call(options)
    assert "\n" not in str(caught.value)
