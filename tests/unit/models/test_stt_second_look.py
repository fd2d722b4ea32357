"""When an utterance is decoded again, and the rules that decide it."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import ContextRule, Rule
from models.confidence import Confidence
from models.decoding import (
    Decoded,
    Encoded,
    Search,
    Tokens,
    WhisperDecoder,
    encoder_frames,
)
from models.errors import EngineError
from models.speech import RATE_HZ
from models.stt import SttEngine
from models.transcript import Hypothesis, distinct, normalise, scored
from models.utterance import LEAD_S, TAIL_S, Utterance, windows
from models.window import rejected, token_cap
from tests.fakes.sounds import say


@pytest.fixture(scope="module")
def engine() -> SttEngine:
    return SttEngine()


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
