"""The command-line phone against a scripted frontdesk over real sockets."""

import wave
from pathlib import Path

import numpy as np
import pytest

from loadtest.errors import (
    AudioFileError,
    BadKeysError,
    BadTargetError,
    LoadtestError,
    VoiceError,
)
from loadtest.phone import CallOptions, CallSummary, Play, Press, Say, place_call
from loadtest.speech import VoiceSettings
from loadtest.wav import read_wav
from tests.fakes.scripted_desk import GOODBYE, WELCOME, ScriptedFrontdesk, run_fast


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
    assert 500 <= summary.gaps_ms[0] < 3_000
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
