"""Voice activity: a batch gives the numbers of single runs; speech is told from other sounds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import EngineError, MissingModelError
from models.espeak import EspeakVoice
from models.speech import Pcm
from models.vad import MAX_BACKLOG, WINDOW, SileroVad, VadStream, silero_path

FRAME = 160
NO_GATE = float("-inf")


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return EspeakVoice().render("Hello, I would like to check my order please.").pcm


def noise(seconds: float, dbfs: float, seed: int = 1) -> Pcm:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * 8000))
    return np.clip(samples * 32768 * 10 ** (dbfs / 20), -32768, 32767).astype(np.int16)


def frames(pcm: Pcm) -> list[Pcm]:
    return [pcm[at : at + FRAME] for at in range(0, len(pcm) - FRAME + 1, FRAME)]


def listen(vad: SileroVad, pcm: Pcm) -> NDArray[np.float64]:
    """The probability after each 20 ms."""
    stream = vad.open_stream()
    heard: list[float] = []
    for frame in frames(pcm):
        stream.push(frame)
        vad.run()
        heard.append(stream.probability)
    vad.close_stream(stream)
    return np.array(heard)


def reference(pcm: Pcm) -> list[float]:
    """Silero as its authors run it: one stream, window by window."""
    import onnxruntime

    ort: Any = onnxruntime
    session = ort.InferenceSession(str(silero_path()), providers=["CPUExecutionProvider"])
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros((1, 32), np.float32)
    heard: list[float] = []
    for at in range(0, len(pcm) - WINDOW + 1, WINDOW):
        window = pcm[None, at : at + WINDOW].astype(np.float32) / 32768
        feed = {"input": np.concatenate((context, window), 1), "state": state, "sr": np.array(8000)}
        output, state = session.run(None, feed)
        context = window[:, -32:]
        heard.append(float(output[0, 0]))
    return heard


def test_matches_silero_run_by_itself(speech: Pcm):
    pcm = speech[: 60 * WINDOW]  # shorter than the two seconds between fresh starts
    vad = SileroVad(gate_dbfs=NO_GATE)
    stream = vad.open_stream()
    heard: list[float] = []
    for at in range(0, len(pcm), WINDOW):
        stream.push(pcm[at : at + WINDOW])
        vad.run()
        heard.append(stream.probability)
    assert heard == pytest.approx(reference(pcm), abs=1e-5)


def test_a_batch_equals_single_runs(speech: Pcm):
    inputs = [np.roll(speech, shift) for shift in (0, 3_000, 11_000)]
    inputs += [noise(len(speech) / 8000, dbfs) for dbfs in (-70, -40)]
    alone = [listen(SileroVad(), pcm) for pcm in inputs]

    vad = SileroVad()
    streams = [vad.open_stream() for _ in inputs]
    together: list[list[float]] = []
    for tick in zip(*map(frames, inputs), strict=True):
        for stream, frame in zip(streams, tick, strict=True):
            stream.push(frame)
        vad.run()
        together.append([stream.probability for stream in streams])
    np.testing.assert_allclose(np.array(together).T, np.array(alone), atol=1e-5)


@pytest.mark.parametrize("noise_dbfs", [-70, -55, -40])
@pytest.mark.parametrize("wait_s", [0.5, 20.0])
def test_speech_is_heard_within_120_ms_however_long_the_wait(
    speech: Pcm, noise_dbfs: float, wait_s: float
):
    background = noise(wait_s + len(speech) / 8000 + 1.0, noise_dbfs)
    begin = round(wait_s * 8000)
    background[begin : begin + len(speech)] += speech // 2
    heard = listen(SileroVad(), background)
    first = begin // FRAME
    assert heard[: first - 1].max() < 0.3
    assert np.flatnonzero(heard[first:] > 0.5)[0] * 20 <= 120
    during = heard[first : first + len(speech) // FRAME]
    assert (during > 0.5).mean() > 0.8
    assert heard[-20:].max() < 0.3


def test_tones_are_not_speech():
    tone = (6000 * np.sin(np.arange(24_000) * 2 * np.pi * 425 / 8000)).astype(np.int16)
    assert (listen(SileroVad(), tone)[25:] < 0.5).all()


def test_silence_costs_no_inference(speech: Pcm):
    vad = SileroVad()
    stream = vad.open_stream()
    stream.push(np.zeros(4 * WINDOW, dtype=np.int16))
    assert vad.run() == 0
    stream.push(speech[:WINDOW] * 2)
    stream.push(speech[4000 : 4000 + WINDOW])
    assert vad.run() >= 1


def test_the_gate_changes_little_of_what_is_heard(speech: Pcm):
    pcm = np.concatenate([noise(1, -70), speech, noise(1, -70, seed=2), speech])
    agree = (listen(SileroVad(), pcm) > 0.5) == (listen(SileroVad(gate_dbfs=NO_GATE), pcm) > 0.5)
    assert agree.mean() > 0.95


def test_run_waits_for_a_full_window():
    vad = SileroVad(gate_dbfs=NO_GATE)
    stream = vad.open_stream()
    stream.push(noise(0.02, -30))
    assert vad.run() == 0
    stream.push(noise(0.02, -30))
    assert vad.run() == 1
    assert vad.run() == 0


def test_a_stream_that_fell_behind_catches_up_but_not_for_ever():
    vad = SileroVad(gate_dbfs=NO_GATE)
    stream = vad.open_stream()
    stream.push(noise(60, -30))
    assert vad.run() == MAX_BACKLOG // WINDOW


def test_the_newest_audio_survives_a_backlog(speech: Pcm):
    vad = SileroVad()
    stream = vad.open_stream()
    stream.push(np.zeros(3 * MAX_BACKLOG, dtype=np.int16))
    for frame in frames(speech[2000 : 2000 + MAX_BACKLOG]):
        stream.push(frame)
    vad.run()
    assert stream.probability > 0.5


def test_streams_come_and_go_without_disturbing_others(speech: Pcm):
    alone = listen(SileroVad(), speech)
    vad = SileroVad()
    steady = vad.open_stream()
    guests: list[VadStream] = []
    heard: list[float] = []
    for tick, frame in enumerate(frames(speech)):
        guests.append(vad.open_stream())
        for guest in guests:
            guest.push(noise(0.02, -30, seed=tick))
        steady.push(frame)
        vad.run()
        heard.append(steady.probability)
        if tick % 3 == 2:
            vad.close_stream(guests.pop(0))
    assert np.array(heard) == pytest.approx(alone, abs=1e-5)
    assert len(vad) == 1 + len(guests)


def test_a_closed_stream_is_silent_and_its_place_starts_afresh(speech: Pcm):
    vad = SileroVad()
    old = vad.open_stream()
    old.push(speech[:MAX_BACKLOG])
    vad.run()
    vad.close_stream(old)
    vad.close_stream(old)
    new = vad.open_stream()
    old.push(speech[:MAX_BACKLOG])
    assert vad.run() == 0
    assert old.probability == new.probability == 0.0


def test_reset_forgets(speech: Pcm):
    vad = SileroVad()
    stream = vad.open_stream()
    stream.push(speech[2000 : 2000 + MAX_BACKLOG])
    vad.run()
    assert stream.probability > 0.5
    stream.reset()
    assert stream.probability == 0.0
    assert vad.run() == 0


@pytest.mark.parametrize(
    "wrong", [np.zeros(160, np.float32), np.zeros((1, 160), np.int16), np.zeros(160, np.int32)]
)
def test_wrong_audio_is_refused(wrong: NDArray[np.int16]):
    with pytest.raises(ValueError, match="int16"):
        SileroVad().open_stream().push(wrong)


def test_a_damaged_model_does_not_load(tmp_path: Path):
    (tmp_path / "vad.onnx").write_bytes(b"nothing")
    with pytest.raises(EngineError, match=r"vad\.onnx does not load"):
        SileroVad(tmp_path / "vad.onnx")


def test_without_pipecat_the_model_is_missing(monkeypatch: pytest.MonkeyPatch):
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr("models.vad.find_spec", nothing)
    with pytest.raises(MissingModelError, match="pipecat"):
        silero_path()
