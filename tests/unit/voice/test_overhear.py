"""Rules of overhearing: lines in order, cut where it is quiet, and never in the audio's way."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.voice import LOUD, FakeActivity, FakeStt
from voice.events import Expectation, Transcription
from voice.frames import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm, silence
from voice.overhear import Overhearing, OverhearOptions

Line = tuple[str, float, float]
WHOLE = OverhearOptions(piece_s=28.0, backlog=20)


class Speaker:
    """Somebody who speaks in virtual time, overheard."""

    def __init__(self, stt: FakeStt, *, options: OverhearOptions = WHOLE) -> None:
        self.lines: list[Line] = []
        self.now_s = 100.0
        self.ears = Overhearing(stt, FakeActivity(), self._on_line, options=options)

    def _on_line(self, text: str, started_at_s: float, ended_at_s: float) -> None:
        self.lines.append((text, started_at_s, ended_at_s))

    def says(self, seconds: float, frame: Pcm = LOUD, *, hears: Pcm | None = None) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.ears.push(frame)
            self.now_s += FRAME_S
            self.ears.act(self.now_s, hears)

    def pauses(self, seconds: float) -> None:
        self.says(seconds, silence())

    @property
    def texts(self) -> list[str]:
        return [text for text, _, _ in self.lines]


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_pause_ends_a_line_and_its_times_are_those_of_the_voice():
    speaker = Speaker(FakeStt("hello there"))
    speaker.pauses(1.0)
    speaker.says(2.0)
    speaker.pauses(1.0)
    await settled()
    assert speaker.lines == [("hello there", pytest.approx(101.0), pytest.approx(103.0))]


async def test_a_short_pause_does_not_end_a_line():
    stt = FakeStt("one line")
    speaker = Speaker(stt)
    for _ in range(3):
        speaker.says(1.0)
        speaker.pauses(0.5)
    speaker.pauses(0.5)
    await settled()
    assert speaker.texts == ["one line"]
    assert speaker.lines[0][2] - speaker.lines[0][1] == pytest.approx(4.0)


async def test_the_audio_has_what_came_before_the_detector_noticed_and_not_all_the_quiet_after():
    stt = FakeStt("hello")
    speaker = Speaker(stt)
    speaker.pauses(1.0)
    speaker.says(1.0)
    speaker.pauses(2.0)
    await settled()
    voiced = np.flatnonzero(stt.heard[0])
    assert len(voiced) == RATE_HZ  # every sample of it
    assert len(stt.heard[0]) - 1 - voiced[-1] == 0.2 * RATE_HZ


async def test_lines_come_in_the_order_they_were_said():
    class SlowThenFast(FakeStt):
        async def transcribe(
            self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
        ) -> Transcription:
            for _ in range(10 if len(self.texts) == 2 else 0):
                await asyncio.sleep(0)
            return await super().transcribe(pcm, expects=expects)

    speaker = Speaker(SlowThenFast("first", "second"))
    for _ in range(2):
        speaker.says(1.0)
        speaker.pauses(1.0)
    await settled()
    assert speaker.texts == ["first", "second"]


async def test_silence_tells_nothing():
    stt = FakeStt()
    speaker = Speaker(stt)
    speaker.pauses(5.0)
    await settled()
    assert (stt.heard, speaker.lines) == ([], [])


async def test_a_sound_without_words_is_no_line():
    speaker = Speaker(FakeStt("", "words"))
    for _ in range(2):
        speaker.says(0.5)
        speaker.pauses(1.0)
    await settled()
    assert speaker.texts == ["words"]


# --- long speech ---


def numbered(frames: Iterable[int]) -> list[Pcm]:
    """Loud frames, each unlike any other."""
    return [np.roll(LOUD, n) + np.int16(n) for n in frames]


async def test_long_speech_is_cut_in_its_quietest_moment_and_no_sample_is_lost_or_doubled():
    stt = FakeStt("first", "second")
    speaker = Speaker(stt)
    said = numbered(range(1000))  # 20 s
    for n in range(600, 612):  # a breath at 12 s
        said[n] = (said[n] // 50).astype(np.int16)
    for frame in said:
        speaker.says(FRAME_S, frame)
    speaker.pauses(1.0)
    await settled()
    assert speaker.texts == ["first", "second"]
    heard = np.concatenate(stt.heard)
    voiced = np.flatnonzero(heard)
    assert np.array_equal(heard[voiced[0] : voiced[-1] + 1], np.concatenate(said))
    assert 600 * FRAME_SAMPLES <= len(stt.heard[0]) - voiced[0] <= 612 * FRAME_SAMPLES
    (_, first_at, cut_at), (_, second_at, end_at) = speaker.lines
    assert (first_at, end_at) == (pytest.approx(100.0), pytest.approx(120.0))
    assert cut_at <= second_at
    assert cut_at == pytest.approx(112.1, abs=0.25)


async def test_who_never_pauses_is_transcribed_all_the_same():
    stt = FakeStt(*(f"part {n}" for n in range(20)))
    speaker = Speaker(stt)
    for frame in numbered(range(3000)):  # a minute
        speaker.says(FRAME_S, frame)
    speaker.pauses(1.0)
    await settled()
    assert all(len(pcm) <= 16 * RATE_HZ for pcm in stt.heard)
    heard = np.concatenate(stt.heard)
    voiced = np.flatnonzero(heard)
    assert voiced[-1] - voiced[0] + 1 == 3000 * FRAME_SAMPLES
    assert speaker.texts == [f"part {n}" for n in range(len(stt.heard))]


async def test_a_line_goes_to_the_recogniser_in_short_pieces_cut_where_it_is_quiet():
    stt = FakeStt("one", "", "three", "four")
    speaker = Speaker(stt, options=OverhearOptions())
    for seconds in (2.0, 1.5, 2.4, 1.0):
        speaker.says(seconds)
        speaker.pauses(0.2)
    speaker.pauses(1.0)
    await settled()
    assert speaker.lines == [("one three four", pytest.approx(100.0), pytest.approx(107.5))]
    voiced = [np.flatnonzero(pcm) for pcm in stt.heard]
    assert [len(samples) / RATE_HZ for samples in voiced] == [2.0, 1.5, 2.4, 1.0]
    assert all(len(pcm) <= 3.0 * RATE_HZ for pcm in stt.heard)


async def test_speech_without_any_pause_is_cut_into_pieces_all_the_same():
    stt = FakeStt(*(str(n) for n in range(10)))
    speaker = Speaker(stt, options=OverhearOptions())
    said = numbered(range(500))  # 10 s
    for frame in said:
        speaker.says(FRAME_S, frame)
    speaker.pauses(1.0)
    await settled()
    heard = np.concatenate(stt.heard)
    voiced = np.flatnonzero(heard)
    assert np.array_equal(heard[voiced[0] : voiced[-1] + 1], np.concatenate(said))
    assert all(len(pcm) <= 3.0 * RATE_HZ for pcm in stt.heard)
    assert speaker.texts == [" ".join(str(n) for n in range(len(stt.heard)))]


# --- when things go wrong ---


async def test_a_recogniser_that_fails_costs_one_line(caplog: pytest.LogCaptureFixture):
    speaker = Speaker(FakeStt(None, "after"))
    for _ in range(2):
        speaker.says(1.0)
        speaker.pauses(1.0)
    await settled()
    assert speaker.texts == ["after"]
    assert speaker.ears.failed == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_reader_that_raises_costs_one_line(caplog: pytest.LogCaptureFixture):
    told: list[str] = []

    def on_line(text: str, started_at_s: float, ended_at_s: float) -> None:
        told.append(text)
        if text == "first":
            raise KeyError(text)

    speaker = Speaker(FakeStt())
    speaker.ears = Overhearing(FakeStt("first", "second"), FakeActivity(), on_line)
    for _ in range(2):
        speaker.says(1.0)
        speaker.pauses(1.0)
    await settled()
    assert told == ["first", "second"]
    assert "lost" in caplog.text


class StuckStt(FakeStt):
    """Answers once it is released."""

    def __init__(self, *texts: str) -> None:
        super().__init__(*texts)
        self.released = asyncio.Event()
        self.cancelled = False

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return await super().transcribe(pcm, expects=expects)


async def test_the_oldest_lines_are_dropped_and_counted_when_the_recogniser_does_not_keep_up():
    stt = StuckStt("in work", "fifth", "sixth")
    speaker = Speaker(stt, options=OverhearOptions(piece_s=28.0, backlog=2))
    for n in range(6):
        speaker.says(1.0 + n)
        speaker.pauses(1.0)
        await settled()
    assert speaker.ears.dropped == 3
    stt.released.set()
    await settled()
    assert speaker.texts == ["in work", "fifth", "sixth"]
    lengths = [ended - started for _, started, ended in speaker.lines]
    assert lengths == pytest.approx([1.0, 5.0, 6.0])


async def test_closing_cancels_the_recogniser_and_nothing_is_heard_or_told_any_more():
    stt = StuckStt("never")
    speaker = Speaker(stt)
    speaker.says(1.0)
    speaker.pauses(1.0)
    await settled()
    speaker.ears.close()
    speaker.ears.close()
    await settled()
    assert stt.cancelled
    speaker.says(1.0)
    speaker.pauses(1.0)
    stt.released.set()
    await settled()
    assert (stt.heard, speaker.lines) == ([], [])


async def test_what_was_being_said_when_the_speaker_hung_up_is_a_line():
    speaker = Speaker(FakeStt("goodb"))
    speaker.pauses(1.0)
    speaker.says(1.0)
    await speaker.ears.finish(timeout_s=5.0)
    assert speaker.lines == [("goodb", pytest.approx(101.0), pytest.approx(102.0))]
    speaker.says(1.0)
    speaker.pauses(1.0)
    await settled()
    assert len(speaker.lines) == 1


async def test_finishing_waits_no_longer_than_it_is_told():
    stt = StuckStt("never")
    speaker = Speaker(stt)
    speaker.says(1.0)
    await speaker.ears.finish(timeout_s=0.0)
    await settled()
    assert stt.cancelled
    assert speaker.lines == []


@pytest.mark.parametrize("guards_echo", [True, False])
async def test_others_voices_that_come_back_are_not_the_speakers_where_echo_is_guarded(
    guards_echo: bool,
):
    rng = np.random.default_rng(3)
    stt = FakeStt("an echo")
    speaker = Speaker(stt, options=replace(WHOLE, guards_echo=guards_echo))
    others = [rng.normal(0, 4000, FRAME_SAMPLES).astype(np.int16) for _ in range(500)]
    delay = 8
    for n, frame in enumerate(others):
        echo = others[n - delay] // 6 if n >= delay else silence()
        speaker.says(FRAME_S, echo.astype(np.int16), hears=frame)
    speaker.pauses(1.0)
    await settled()
    assert speaker.texts == ([] if guards_echo else ["an echo"])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"quiet_s": 0.0}, "quiet_s"),
        ({"cut_after_s": 3.0}, "cut_after_s"),
        ({"cut_after_s": 30.0}, "cut_after_s"),
        ({"piece_s": 1.0}, "piece_s"),
        ({"piece_s": 30.0}, "piece_s"),
        ({"backlog": 0}, "backlog"),
    ],
)
def test_options_that_make_no_sense_are_refused(changed: dict[str, float], named: str):
    with pytest.raises(ValueError, match=named):
        OverhearOptions(**changed)  # pyright: ignore[reportArgumentType]
