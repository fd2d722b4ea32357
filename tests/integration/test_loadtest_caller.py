"""Whole scenarios by audio alone, against a scripted frontdesk that is not ours."""

import asyncio
import json
import socket
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtest.caller import CallerOptions, SimulatedCaller, main
from loadtest.phone import CallOptions, CallSummary, place_call
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
from tests.fakes.scripted_desk import (
    GOODBYE,
    HAPPY,
    WELCOME,
    ScriptedFrontdesk,
    run_fast,
)


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
    # The desk waits for 500 ms of quiet and then 200 ms more; only a busy machine adds to that.
    assert all(700 <= gap < 3_000 for gap in report.gaps_ms)
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
    assert 2.0 < first.said_start_s < 6.0  # the prompt takes 6.4 s
    # The desk stops 30 ms of sound, and a packet, after the onset.
    assert first.silenced_ms is not None
    assert 20 <= first.silenced_ms < 2_000


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
