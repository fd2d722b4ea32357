"""Piper voices, through piper and onnxruntime, with a network of a few nodes for weights.

The network has the inputs and outputs of a Piper voice: 512 samples of a tone per phoneme, times
the length scale.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import EngineError, MissingModelError
from models.piper_voice import (
    CLAUSE_PAUSE_S,
    FIRST_CLAUSE_WORDS,
    SENTENCE_PAUSE_S,
    PiperVoice,
    clauses,
    estimated_timings,
    pause_after,
    sentences,
)
from models.tts import open_voice

SAMPLES_PER_PHONEME = 512
_FLOAT, _INT64 = 1, 7  # onnx.TensorProto.DataType


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _field(number: int, value: int | bytes | str) -> bytes:
    """One field in protocol buffers' wire format."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _node(op: str, inputs: list[str], output: str, **attributes: int) -> bytes:
    fields = [_field(1, name) for name in inputs] + [_field(2, output), _field(4, op)]
    for name, value in attributes.items():
        fields.append(_field(5, _field(1, name) + _field(3, value) + _field(20, 2)))
    return _field(1, b"".join(fields))


def _tensor(name: str, array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    kind = _INT64 if array.dtype == np.int64 else _FLOAT
    dims = b"".join(_field(1, size) for size in array.shape)
    return _field(5, dims + _field(2, kind) + _field(8, name) + _field(9, array.tobytes()))


def _value(number: int, name: str, kind: int, dims: list[int | str]) -> bytes:
    shape = b"".join(_field(1, _field(1 if isinstance(d, int) else 2, d)) for d in dims)
    return _field(
        number, _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))
    )


def tiny_network() -> bytes:
    tone = 0.01 * np.sin(np.arange(SAMPLES_PER_PHONEME // 4) * 0.2).astype(np.float32)
    graph = b"".join(
        [
            _node("Cast", ["input"], "ids", to=_FLOAT),
            _node("Unsqueeze", ["ids", "two"], "column"),
            _node("Gather", ["scales", "one"], "scale"),
            _node("Mul", ["scale", "four"], "quarters"),
            _node("Cast", ["quarters"], "count", to=_INT64),
            _node("Concat", ["ones", "count"], "repeats", axis=0),
            _node("Tile", ["tone", "repeats"], "long_tone"),
            _node("Mul", ["column", "long_tone"], "sound"),
            _node("Reshape", ["sound", "flat"], "output"),
            _field(2, "tiny"),
            _tensor("tone", tone.reshape(1, 1, -1)),
            _tensor("one", np.array([1], dtype=np.int64)),
            _tensor("two", np.array([2], dtype=np.int64)),
            _tensor("four", np.array([4], dtype=np.float32)),
            _tensor("ones", np.array([1, 1], dtype=np.int64)),
            _tensor("flat", np.array([1, 1, 1, -1], dtype=np.int64)),
            _value(11, "input", _INT64, ["batch", "phonemes"]),
            _value(11, "input_lengths", _INT64, ["batch"]),
            _value(11, "scales", _FLOAT, [3]),
            _value(12, "output", _FLOAT, ["batch", 1, 1, "time"]),
        ]
    )
    return _field(1, 8) + _field(8, _field(1, "") + _field(2, 13)) + _field(7, graph)


@pytest.fixture(scope="module")
def voice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voice")
    symbols = ["_", "^", "$", " ", *"abcdefghijklmnopqrstuvwxyzæðŋɑɐɔəɚɛɜɡɪɹɾʃʊʌʒθᵻˈˌː,.?!:;"]
    config = {
        "audio": {"sample_rate": 16_000},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "num_symbols": len(symbols),
        "num_speakers": 1,
        "phoneme_id_map": {symbol: [index] for index, symbol in enumerate(symbols)},
    }
    (folder / "tiny.onnx").write_bytes(tiny_network())
    (folder / "tiny.onnx.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def voice(voice_folder: Path) -> PiperVoice:
    return PiperVoice(voice_folder)


LONG = (
    "I have found your order, which was sent on Tuesday and should arrive tomorrow. Is that fine?"
)


def test_renders_speech_at_8_khz_with_every_word(voice: PiperVoice):
    speech = voice.render(LONG)
    assert speech.pcm.dtype == np.int16
    assert speech.pcm.ndim == 1
    assert [word.text for word in speech.words] == LONG.split()
    assert speech.words[-1].end_s <= speech.duration_s


def test_longer_texts_take_longer(voice: PiperVoice):
    assert voice.render(LONG).duration_s > 3 * voice.render("Is that fine?").duration_s


def test_speed_shortens_speech(voice_folder: Path, voice: PiperVoice):
    fast = PiperVoice(voice_folder, speed=2.0)
    ratio = voice.render("Is that fine?").duration_s / fast.render("Is that fine?").duration_s
    assert ratio == pytest.approx(2.0, abs=0.2)
    assert fast.name != voice.name


def test_stream_is_the_text_in_parts_the_first_of_them_short(voice: PiperVoice):
    parts = list(voice.stream(LONG))
    assert len(parts) >= 3
    assert [word.text for part in parts for word in part.words] == LONG.split()
    assert parts[0].duration_s < voice.render(LONG).duration_s / 3


def test_stream_pauses_between_its_parts(voice: PiperVoice):
    first, second = voice.stream("Hello there. Is that fine?")
    tail = first.pcm[-round(SENTENCE_PAUSE_S * 8000) :]
    assert not tail.any()
    assert second.pcm[-200:].any()


def test_phoneme_brackets_in_a_text_are_not_obeyed(voice: PiperVoice):
    spoken = voice.render("Dear [[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]] hello")
    assert [word.text for word in spoken.words][0::2] == ["Dear", "hello"]
    assert voice.render("[[]]").words == ()


@pytest.mark.parametrize("text", ["", "   ", "...", "—"])
def test_nothing_to_say_is_silent(voice: PiperVoice, text: str):
    assert voice.render(text).words == ()
    assert list(voice.stream(text)) == []


def test_opens_by_path(voice_folder: Path):
    assert open_voice(str(voice_folder / "tiny.onnx")).render("Hello").words
    assert open_voice(str(voice_folder), rate_wpm=200).render("Hello").words


def test_a_folder_without_a_voice_is_missing(tmp_path: Path):
    with pytest.raises(MissingModelError, match="no Piper voice"):
        PiperVoice(tmp_path)


def test_a_damaged_voice_does_not_load(tmp_path: Path, voice_folder: Path):
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(EngineError, match=r"bad\.onnx does not load"):
        PiperVoice(tmp_path)
    (tmp_path / "bad.onnx.json").write_bytes((voice_folder / "tiny.onnx.json").read_bytes())
    with pytest.raises(EngineError, match=r"bad\.onnx does not load"):
        PiperVoice(tmp_path)


def test_speed_must_be_in_range(voice_folder: Path):
    with pytest.raises(ValueError, match="speed"):
        PiperVoice(voice_folder, speed=0.0)


def test_first_clause_ends_at_punctuation_where_there_is_some():
    assert clauses("Thanks for calling, how can I help you today with your order?") == [
        "Thanks for calling,",
        "how can I help you today with your order?",
    ]


def test_first_clause_ends_before_a_joint_word_where_there_is_no_punctuation():
    first, _ = clauses("You can change the address on the order until it has been shipped")
    assert first == "You can change the address"
    assert len(first.split()) <= FIRST_CLAUSE_WORDS


def test_short_text_stays_whole():
    assert clauses("Is that right?") == ["Is that right?"]


def test_pauses_follow_punctuation():
    assert pause_after("Well then.") == SENTENCE_PAUSE_S
    assert pause_after("Well then,") == CLAUSE_PAUSE_S
    assert pause_after("Well then") == 0.0


@given(st.text(alphabet="ab ,.?!;:-and toif'\"", max_size=300))
def test_clauses_lose_nothing(text: str):
    plain = " ".join(text.split())
    assert " ".join(clauses(plain)) == plain
    assert " ".join(sentences(plain)) == plain


@given(st.lists(st.text(alphabet="abc12", min_size=1, max_size=9), min_size=1), st.floats(0.1, 30))
def test_estimated_times_fill_the_duration_in_order(words: list[str], duration_s: float):
    timings = estimated_timings(" ".join(words), duration_s)
    assert [text for text, _, _ in timings] == words
    assert timings[0][1] == 0.0
    assert timings[-1][2] == pytest.approx(duration_s)
    assert all(start_s < end_s for _, start_s, end_s in timings)
