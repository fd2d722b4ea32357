"""Speech to text with the bundled model, and the rules around any model."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import catalog, letters
from models.catalog import ContextRule, Rule
from models.errors import DamagedModelError, EngineError, UnknownModelError
from models.loading import best_compute_type
from models.speech import RATE_HZ
from models.stt import Request, SttEngine
from models.transcript import normalise
from models.window import token_cap
from tests.fakes.sounds import noise, pcm_of, say, tone


@pytest.fixture(scope="module")
def engine() -> SttEngine:
    return SttEngine()


# --- what is heard --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["yes please", "where is my order", "my order number is four eight seven one two"]
)
def test_hears_what_the_built_in_voice_says(engine: SttEngine, text: str):
    assert engine.transcribe(say(text)).text == text


def test_hears_it_at_any_level_and_with_silence_around(engine: SttEngine):
    quiet = (say("yes please") // 12).astype(np.int16)
    padded = np.pad(quiet, (3 * RATE_HZ, 2 * RATE_HZ))
    assert engine.transcribe(padded).text == "yes please"


def test_n_best_is_distinct_and_ordered(engine: SttEngine):
    heard = engine.transcribe(say("my name is sarah miller")).hypotheses
    assert 2 <= len(heard) <= 5
    assert len({h.text for h in heard}) == len(heard)
    assert all(one.log_prob >= other.log_prob for one, other in pairwise(heard))
    assert all(h.text == normalise(h.text) != "" for h in heard)


def test_clear_speech_is_more_confident_than_noisy_speech(engine: SttEngine):
    clear = say("my order number is four four seven one two")
    noisy = pcm_of(clear + noise(len(clear) / RATE_HZ, 2600)[: len(clear)])
    assert engine.transcribe(clear).confidence > 0.5 > engine.transcribe(noisy).confidence


def test_cost_is_measured(engine: SttEngine):
    assert 0.0 < engine.transcribe(say("yes please")).cpu_s < 5.0


def test_every_length_is_encodable(engine: SttEngine):
    """Also the lengths around 160 frames, which CTranslate2 would take for encoder output."""
    speech = say("my order number is four four seven one two three")
    for samples in range(11_600, 13_400, 160):
        assert engine.transcribe(speech[:samples]).text.startswith("my")


# --- what is not speech ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(np.zeros(0), id="nothing"),
        pytest.param(np.zeros(1), id="one sample"),
        pytest.param(noise(0.09, 3000), id="90 ms"),
        pytest.param(np.zeros(16_000), id="silence"),
        pytest.param(np.full(16_000, 5_000.0), id="direct current"),
        pytest.param(noise(2, 30), id="line noise"),
        pytest.param(noise(2, 3000), id="loud noise"),
        pytest.param(tone(2, 440), id="tone"),
        pytest.param(tone(2, 350, 440), id="dial tone"),
        pytest.param(tone(2, 50), id="mains hum"),
        pytest.param(np.eye(1, 8_000, 4_000)[0] * 30_000, id="click"),
    ],
)
def test_what_is_not_speech_is_empty(engine: SttEngine, sound: NDArray[np.float64]):
    heard = engine.transcribe(pcm_of(sound))
    assert heard.hypotheses == ()
    assert heard.text == ""
    assert heard.confidence == 0.0


@pytest.mark.parametrize("gain", [1, 40])
def test_a_minute_of_speech_takes_bounded_time(engine: SttEngine, gain: int):
    long = np.tile(say("my order number is four four seven one two. "), 30)[: 70 * RATE_HZ]
    began_s = time.process_time()
    heard = engine.transcribe(pcm_of(long.astype(np.float64) * gain))
    assert time.process_time() - began_s < 20.0
    assert heard.text.count("order number") >= 5 or gain > 1


# --- wrong input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(8000, dtype=np.float32),
        np.full(8000, np.nan),
        np.zeros((8000, 1), dtype=np.int16),
        np.zeros(8000, dtype=np.int32),
        b"\0" * 16_000,
    ],
)
def test_wrong_audio_is_refused(engine: SttEngine, wrong: Any):
    with pytest.raises(ValueError, match="audio must be"):
        engine.transcribe(wrong)


def test_a_folder_without_a_model_does_not_load(tmp_path: Path):
    with pytest.raises(EngineError, match="does not load"):
        SttEngine(tmp_path)


def test_unknown_models_and_thread_counts_are_refused():
    with pytest.raises(UnknownModelError):
        SttEngine("whisper-enormous")
    with pytest.raises(ValueError, match="threads"):
        SttEngine(threads=0)


def test_clipped_speech_is_still_heard(engine: SttEngine):
    assert (
        engine.transcribe(pcm_of(say("yes please").astype(np.float64) * 8.0)).text == "yes please"
    )


@pytest.mark.parametrize("rate_hz", [2_000, 48_000])
def test_audio_of_another_rate_ends_in_time(engine: SttEngine, rate_hz: int):
    """Nobody can tell that int16 samples are of another rate: no hang, no runaway repeat."""
    wrong = np.repeat(say("where is my order"), rate_hz // 8_000 or 1)[:: 8_000 // rate_hz or 1]
    heard = engine.transcribe(wrong)
    assert len(heard.text.split()) <= token_cap(len(wrong) / RATE_HZ)


# --- damaged models -----------------------------------------------------------------------------


def damaged(folder: Path, name: str, content: bytes) -> Path:
    """The bundled model with one file replaced."""
    shutil.copytree(catalog.locate("frontdesk-small"), folder)
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.bin", b""),
        ("model.bin", b"\x06\0\0\0\x0c\0WhisperSpec\0"),
        ("model.bin", bytes(1_000_000)),
        ("model.bin", bytes(range(256)) * 40),
        ("config.json", b"{"),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_model_is_an_engine_error_of_one_line(tmp_path: Path, name: str, content: bytes):
    with pytest.raises(EngineError, match="does not load") as raised:
        SttEngine(damaged(tmp_path / "stt", name, content))
    assert "\n" not in str(raised.value)


def test_altered_weights_of_a_known_model_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = catalog.locate("frontdesk-small") / "model.bin"
    altered = bytearray(whole.read_bytes())
    altered[3_000] ^= 0xFF
    damaged(tmp_path / "stt", "model.bin", bytes(altered))
    monkeypatch.setattr(catalog, "_BUNDLED", tmp_path)
    with pytest.raises(DamagedModelError, match="sha256"):
        SttEngine()


def test_letters_that_are_damaged_or_another_models_are_noticed(tmp_path: Path):
    with pytest.raises(DamagedModelError, match="damaged"):
        SttEngine(damaged(tmp_path / "cut", letters.FILE, b"PK"))
    folder = damaged(tmp_path / "other", letters.FILE, b"")
    letters.save(folder, np.zeros((letters.BLANK + 1, 128), np.float32), np.zeros(29, np.float32))
    with pytest.raises(DamagedModelError, match="encoder of 128"):
        SttEngine(folder)


def test_without_letters_the_decoder_is_taken_at_its_word(engine: SttEngine, tmp_path: Path):
    folder = tmp_path / "stt"
    shutil.copytree(catalog.locate("frontdesk-small"), folder)
    catalog.state_context(folder, ContextRule(rule=Rule.EXACT, margin_s=0.0, longest_s=9.0))
    (folder / letters.FILE).unlink()
    alone = SttEngine(folder)
    pcm = say("four eight eight one five")
    (one,), (both,) = (e.transcribe_batch([e.prepare(Request(pcm=pcm))]) for e in (alone, engine))
    assert {h.text for h in one.hypotheses} == {h.text for h in both.hypotheses}
    known = {h.text: h.log_prob for h in one.hypotheses}
    lost = [known[h.text] - h.log_prob for h in both.hypotheses]
    assert min(lost) == pytest.approx(0.0, abs=1e-6)
    assert max(lost) > 0.0


# --- words ----------------------------------------------------------------------------------------


def test_a_folder_that_states_its_context_is_used_as_trained(engine: SttEngine, tmp_path: Path):
    folder = tmp_path / "own"
    shutil.copytree("models/bundled/stt", folder)
    rule = ContextRule(rule=Rule.EXACT, margin_s=0.0, longest_s=9.0)
    catalog.state_context(folder, rule)
    own = SttEngine(folder)
    pcm = say("four eight one five")
    frames = own.prepare(Request(pcm=pcm)).lengths
    assert frames == engine.prepare(Request(pcm=pcm)).lengths
    hinted = own.transcribe(pcm, hint="where is my parcel. i want to pay my bill.")
    assert hinted.text == engine.transcribe(pcm).text


def test_words_are_in_order_and_inside_the_sound(engine: SttEngine):
    silence = np.zeros(RATE_HZ, dtype=np.int16)
    heard = engine.transcribe(
        np.concatenate([silence, say("where is my order"), silence]), words=True
    )
    assert [word.text for word in heard.words] == heard.text.split()
    starts = [word.start_s for word in heard.words]
    assert starts == sorted(starts)
    assert starts[0] >= 0.95
    assert heard.words[-1].end_s <= 1.05 + len(say("where is my order")) / RATE_HZ


def test_words_of_a_long_utterance_go_on_through_its_windows(engine: SttEngine):
    long = np.tile(np.concatenate([say("where is my order"), np.zeros(2_000, np.int16)]), 9)
    heard = engine.transcribe(long, words=True)
    assert len(long) / RATE_HZ > 9.0
    assert len(heard.words) == len(heard.text.split())
    assert heard.words[-1].end_s > 9.0
    assert all(a.start_s <= b.start_s for a, b in pairwise(heard.words))


def test_words_are_not_timed_unless_asked_for(engine: SttEngine):
    assert engine.transcribe(say("yes please")).words == ()


# --- batches and devices ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [ContextRule(rule=Rule.FLOOR, floor_s=4.0), ContextRule(rule=Rule.EXACT, step_s=2.0)],
)
def test_utterances_decoded_together_come_out_as_alone(rule: ContextRule):
    engine = SttEngine(context=rule)
    assert engine.batches
    said = [say("yes please"), say("where is my order"), say("no")]
    prepared = [engine.prepare(Request(pcm=pcm)) for pcm in said]
    assert len({one.batch_key for one in prepared}) == 1
    together = engine.transcribe_batch(prepared)
    alone = [engine.transcribe(pcm) for pcm in said]
    assert [one.text for one in together] == [one.text for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.hypotheses[0].log_prob == pytest.approx(other.hypotheses[0].log_prob, abs=0.02)


def test_the_compute_type_follows_the_device():
    assert best_compute_type("cpu", small=True) == "int8"
    assert best_compute_type("cuda", small=True) == "float16"
    assert best_compute_type("cuda", small=False) == "int8_float16"


# --- threads --------------------------------------------------------------------------------------


def test_threads_get_their_own_answers():
    engine = SttEngine(threads=2)
    texts = ["yes please", "where is my order", "no", "goodbye"]
    with ThreadPoolExecutor(6) as pool:
        heard = [t.text for t in pool.map(engine.transcribe, [say(text) for text in texts * 3])]
    assert heard == texts * 3
