"""Speech to text with the bundled model, and the rules around any model."""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import catalog
from models.catalog import ContextRule, Rule
from models.confidence import Confidence
from models.decoding import (
    Decoded,
    Encoded,
    Search,
    Tokens,
    WhisperDecoder,
    best_compute_type,
    encoder_frames,
)
from models.errors import DamagedModelError, EngineError, UnknownModelError
from models.espeak import EspeakVoice
from models.speech import RATE_HZ, Pcm
from models.stt import Request, SttEngine, rejected, token_cap
from models.transcript import Hypothesis, distinct, normalise, scored
from models.utterance import LEAD_S, TAIL_S, Utterance, windows


@pytest.fixture(scope="module")
def engine() -> SttEngine:
    return SttEngine()


def say(text: str, voice: str = "en-us") -> Pcm:
    return EspeakVoice(voice).render(text).pcm


def pcm_of(samples: NDArray[np.float64]) -> Pcm:
    return np.clip(samples, -32768, 32767).astype(np.int16)


def noise(seconds: float, level: float) -> NDArray[np.float64]:
    return np.random.default_rng(3).standard_normal(round(seconds * RATE_HZ)) * level


def tone(seconds: float, *frequencies: float) -> NDArray[np.float64]:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 3000.0 * np.sum([np.sin(2 * np.pi * f * t) for f in frequencies], axis=0)


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


# --- words ----------------------------------------------------------------------------------------


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


def test_utterances_decoded_together_come_out_as_alone():
    engine = SttEngine(context=ContextRule(rule=Rule.FLOOR, floor_s=4.0))
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


# --- the second look ------------------------------------------------------------------------------


def generating(
    engine: SttEngine, monkeypatch: pytest.MonkeyPatch, *log_probs: float, text: str = "hello"
) -> list[int]:
    """Have decodes succeed with these log probabilities; returns the encoder lengths asked for."""
    lengths: list[int] = []
    answers = iter(log_probs)

    def answer(encoded: Sequence[Encoded], search: Search) -> list[Decoded]:
        lengths.extend(one.length for one in encoded)
        return [Decoded((hypothesis(text, next(answers)),), 0.0) for _ in encoded]

    monkeypatch.setattr(engine.decoder, "generate", answer)
    return lengths


@pytest.fixture(scope="module")
def stock() -> SttEngine:
    """The bundled weights, treated as published ones are."""
    return SttEngine(context=ContextRule(rule=Rule.FLOOR, floor_s=10.0, margin_s=2.0))


def test_a_likely_decode_is_not_repeated(stock: SttEngine, monkeypatch: pytest.MonkeyPatch):
    lengths = generating(stock, monkeypatch, -0.3)
    stock.transcribe(say("hello"))
    assert len(lengths) == 1


def test_an_unlikely_decode_is_repeated_at_full_length(
    stock: SttEngine, monkeypatch: pytest.MonkeyPatch
):
    lengths = generating(stock, monkeypatch, -1.2, -0.4)
    heard = stock.transcribe(say("hello"))
    assert lengths[1] == 3000 > lengths[0]
    assert heard.hypotheses[0].log_prob == pytest.approx(-0.4)


def test_models_of_short_inputs_are_asked_again_only_where_they_repeat(
    engine: SttEngine, monkeypatch: pytest.MonkeyPatch
):
    lengths = generating(engine, monkeypatch, -1.2)
    engine.transcribe(say("hello"))
    assert len(lengths) == 1
    lengths = generating(engine, monkeypatch, -0.2, -0.4, text="four " * 40)
    engine.transcribe(say("hello"))
    assert len(lengths) == 2


def test_the_likelier_of_the_two_is_kept(stock: SttEngine, monkeypatch: pytest.MonkeyPatch):
    generating(stock, monkeypatch, -1.2, -1.4)
    heard = stock.transcribe(say("hello"))
    assert heard.hypotheses[0].log_prob == pytest.approx(-1.2)


def test_what_stays_very_unlikely_is_not_speech(stock: SttEngine, monkeypatch: pytest.MonkeyPatch):
    generating(stock, monkeypatch, -1.9, -1.8)
    assert stock.transcribe(say("hello")).hypotheses == ()


def test_stock_models_get_ten_seconds(stock: SttEngine, monkeypatch: pytest.MonkeyPatch):
    lengths = generating(stock, monkeypatch, -0.3)
    stock.transcribe(say("hello"))
    assert lengths == [1000]


class Failing:
    """A model that encodes and then fails."""

    def __init__(self, decoder: WhisperDecoder) -> None:
        self.encode = decoder._whisper.model.encode  # pyright: ignore[reportPrivateUsage]

    def generate(self, *_: object, **__: object) -> None:
        raise RuntimeError("out of\nmemory")


def test_engine_failures_are_one_line(engine: SttEngine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine.decoder._whisper, "model", Failing(engine.decoder))  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(EngineError, match="out of memory"):
        engine.transcribe(say("hello"))


# --- the rules by themselves ----------------------------------------------------------------------


@given(st.floats(0.02, 30), st.integers(1, 3000), st.sampled_from([80, 128]))
def test_encoder_length_is_even_holds_the_audio_and_avoids_the_trap(
    context_s: float, frames: int, mels: int
):
    length = encoder_frames(context_s, frames, mels)
    assert length % 2 == 0
    assert frames <= length <= 3000
    assert length // 2 != mels


def test_token_cap_grows_with_the_utterance_and_ends():
    assert 12 <= token_cap(0.2) < token_cap(2.0) < token_cap(10.0) <= token_cap(60.0) <= 224


def test_no_speech_needs_both_signs():
    assert rejected(-1.2, 0.9)
    assert not rejected(-0.3, 0.9)
    assert not rejected(-1.2, 0.1)
    assert rejected(-2.0, 0.0)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (" Yes, please!", "yes please"),
        ("It's O’Brien's.", "it's o'brien's"),
        ("'Hello'  WORLD—ok", "hello world ok"),
        ("4-4-7 1", "4 4 7 1"),
        ("...", ""),
        ("snake_case", "snake case"),
    ],
)
def test_text_is_lower_case_without_punctuation(raw: str, plain: str):
    assert normalise(raw) == plain


@given(st.text(max_size=50))
def test_normalising_twice_changes_nothing(text: str):
    assert normalise(normalise(text)) == normalise(text)


def hypothesis(text: str, log_prob: float) -> Hypothesis:
    return Hypothesis(text=text, log_prob=log_prob)


def test_repeated_texts_are_kept_once_at_their_best():
    found = [hypothesis("no", -0.5), hypothesis("yes", -0.2), hypothesis("no", -0.9)]
    assert distinct(found) == (hypothesis("yes", -0.2), hypothesis("no", -0.5))


def test_empty_best_hypothesis_means_nothing_was_said():
    assert distinct([hypothesis("", -0.1), hypothesis("yes", -0.9)]) == ()
    assert distinct([hypothesis("yes", -0.1), hypothesis("", -0.9)]) == (hypothesis("yes", -0.1),)


@given(st.floats(-20, 0), st.floats(0, 5))
def test_confidence_is_a_share_and_grows_with_its_evidence(log_prob: float, margin: float):
    value = Confidence().of(log_prob, margin)
    assert 0.0 <= value <= 1.0
    assert Confidence().of(min(0.0, log_prob + 0.1), margin) >= value
    assert Confidence().of(log_prob, margin + 0.1) >= value


def test_a_lead_over_the_second_counts():
    close = scored((hypothesis("a", -0.3), hypothesis("b", -0.31)), 0.0, 0.0)
    clear = scored((hypothesis("a", -0.3), hypothesis("b", -1.3)), 0.0, 0.0)
    assert clear.confidence > close.confidence


def test_silence_at_the_edges_is_cut_to_what_models_know():
    pcm = np.pad(say("yes please"), (4 * RATE_HZ, 4 * RATE_HZ))
    utterance = Utterance.of(pcm)
    assert utterance is not None
    speech_s = len(say("yes please")) / RATE_HZ
    assert len(utterance.pcm) / RATE_HZ == pytest.approx(speech_s + LEAD_S + TAIL_S, abs=0.1)


def test_audio_that_ends_with_a_word_gets_silence_after_it():
    utterance = Utterance.of(say("yes please"))
    assert utterance is not None
    assert not utterance.pcm[-round(0.3 * RATE_HZ) :].any()


def test_long_utterances_are_cut_where_it_is_quiet():
    word, pause = say("yes please"), np.zeros(RATE_HZ, dtype=np.int16)
    utterance = Utterance.of(np.concatenate([word, pause] * 8))
    assert utterance is not None
    parts = list(windows(utterance, 4.0))
    assert np.array_equal(np.concatenate(parts), utterance.pcm)
    assert all(len(part) <= 4.0 * RATE_HZ for part in parts)
    assert all(not part[-40:].any() for part in parts[:-1])


class Tokenizer:
    """A vocabulary of single words."""

    def __init__(self, *special: str) -> None:
        self.ids = {name: 100 + index for index, name in enumerate(special)}

    def token_to_id(self, name: str) -> int | None:
        return self.ids.get(name)

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        return SimpleNamespace(ids=list(range(len(text.split()))))


def prompt_of(
    special: list[str], *, multilingual: bool, hint: str | None, language: str = "de"
) -> list[int]:
    model = SimpleNamespace(is_multilingual=multilingual)
    whisper = SimpleNamespace(hf_tokenizer=Tokenizer(*special), model=model)
    return Tokens(whisper, language).prompt(hint)


START, END, PLAIN = "<|startoftranscript|>", "<|endoftext|>", "<|notimestamps|>"
MULTI = [END, START, PLAIN, "<|de|>", "<|transcribe|>", "<|startofprev|>"]

PROMPTS: list[tuple[Callable[[], list[int]], list[int]]] = [
    (lambda: prompt_of([END, START, PLAIN], multilingual=False, hint=None), [101, 102]),
    (lambda: prompt_of(MULTI, multilingual=True, hint=None), [101, 103, 104, 102]),
    (lambda: prompt_of(MULTI, multilingual=True, hint="a b"), [105, 0, 1, 101, 103, 104, 102]),
    (lambda: prompt_of([END, START, PLAIN], multilingual=False, hint="a b"), [101, 102]),
]


@pytest.mark.parametrize(("made", "expected"), PROMPTS)
def test_prompts_follow_the_models_vocabulary(made: Callable[[], list[int]], expected: list[int]):
    assert made() == expected


def test_a_language_the_model_lacks_is_an_engine_error():
    with pytest.raises(EngineError, match=r"<\|fr\|>"):
        prompt_of(MULTI, multilingual=True, hint=None, language="fr")
