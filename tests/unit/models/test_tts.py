"""The built-in voice, and what is kept of what was said."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import EngineError, MissingModelError, UnknownModelError
from models.espeak import EspeakVoice
from models.speech import LEAD_S, RATE_HZ, TAIL_S, Pcm, Speech, Word, finish, joined
from models.tts import CachedVoice, open_voice

GREETING = "Hello, thanks for calling. Your order 4 4 7 1 – costs $5, right?"


def level_dbfs(pcm: Pcm) -> float:
    frames = pcm[: len(pcm) // 160 * 160].reshape(-1, 160).astype(float)
    rms = np.sqrt((frames * frames).mean(axis=1))
    active = rms[rms > rms.max() * 0.03]
    return float(20 * np.log10(np.sqrt((active * active).mean()) / 32768))


def alike(one: Speech, other: Speech) -> bool:
    """Whether they sound alike: espeak-ng's breath noise is never twice the same."""
    size = min(len(one.pcm), len(other.pcm))
    same_length = abs(len(one.pcm) - len(other.pcm)) < 0.02 * RATE_HZ
    levels = [
        np.abs(speech.pcm[: size // 400 * 400].astype(float)).reshape(-1, 400).mean(axis=1)
        for speech in (one, other)
    ]
    return same_length and float(np.corrcoef(levels)[0, 1]) > 0.98


def silence_s(pcm: Pcm) -> tuple[float, float]:
    """Seconds before the first and after the last sample above -50 dB of the peak."""
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > np.abs(pcm.astype(int)).max() / 316)
    return loud[0] / RATE_HZ, (len(pcm) - loud[-1]) / RATE_HZ


# --- espeak ---------------------------------------------------------------------------------------


def test_speech_is_int16_mono_8_khz_of_a_plausible_length():
    speech = EspeakVoice().render("one two three four five six seven eight nine ten")
    assert speech.pcm.dtype == np.int16
    assert speech.pcm.ndim == 1
    assert 2.0 < speech.duration_s < 6.0


@pytest.mark.parametrize("voice", ["en-us", "en-gb", "en-us+f3"])
def test_level_is_about_minus_20_dbfs_without_clipping(voice: str):
    pcm = EspeakVoice(voice).render(GREETING).pcm
    assert -23.0 < level_dbfs(pcm) < -18.5
    assert np.abs(pcm.astype(int)).max() < 32_000


@pytest.mark.parametrize("text", ["Hello", "so", "Peter", "Please hold.", GREETING])
def test_hardly_any_silence_at_the_edges(text: str):
    before_s, after_s = silence_s(EspeakVoice().render(text).pcm)
    assert before_s <= 0.010 + LEAD_S
    assert after_s <= TAIL_S + 0.010


def test_words_are_the_text_in_order_inside_the_audio():
    speech = EspeakVoice().render(f"  {GREETING}\n")
    assert " ".join(word.text for word in speech.words) == GREETING
    assert all(word.start_s <= word.end_s for word in speech.words)
    assert all(first.end_s <= second.start_s for first, second in pairwise(speech.words))
    assert speech.words[0].start_s >= 0.0
    assert speech.words[-1].end_s <= speech.duration_s


def test_words_sound_where_their_times_say():
    speech = EspeakVoice().render("Hello. Goodbye.")
    hello, goodbye = speech.words
    between = speech.pcm[round(hello.end_s * RATE_HZ) : round(goodbye.start_s * RATE_HZ)]
    inside = speech.pcm[round(goodbye.start_s * RATE_HZ) : round(goodbye.end_s * RATE_HZ)]
    assert goodbye.start_s - hello.end_s > 0.1  # there is a pause after a sentence
    assert np.abs(between.astype(int)).max() < np.abs(inside.astype(int)).max() / 50


def test_rate_and_pitch_are_heard():
    slow, fast = EspeakVoice(rate_wpm=120), EspeakVoice(rate_wpm=240)
    assert slow.render(GREETING).duration_s > 1.5 * fast.render(GREETING).duration_s
    low, high = EspeakVoice(pitch=20).render("Hello").pcm, EspeakVoice(pitch=90).render("Hello").pcm
    assert not np.array_equal(low, high)


def test_the_same_text_sounds_the_same_whoever_spoke_before():
    first = EspeakVoice().render(GREETING)
    EspeakVoice("en-gb+m3", rate_wpm=300, pitch=90).render("something else")
    assert alike(EspeakVoice().render(GREETING), first)


def test_markup_is_spoken_not_obeyed():
    plain = EspeakVoice().render("hello").duration_s
    marked = EspeakVoice().render("<break time='30s'/> hello [[h@l'oU]]")
    assert plain < marked.duration_s < 10.0
    assert [word.text for word in marked.words][-2:] == ["hello", "[[h@l'oU]]"]


@pytest.mark.parametrize("text", ["", " \n", "...", "?!", "—", "\x00\x07", "_"])
def test_nothing_to_say_is_empty(text: str):
    speech = EspeakVoice().render(text)
    assert len(speech.pcm) == 0
    assert speech.words == ()
    assert list(EspeakVoice().stream(text)) == []


def test_control_characters_do_not_end_the_text():
    speech = EspeakVoice().render("hello\x00world")
    assert [word.text for word in speech.words] == ["hello", "world"]


def test_too_long_and_invalid_texts_are_refused():
    with pytest.raises(ValueError, match="characters"):
        EspeakVoice().render("a" * 20_001)
    with pytest.raises(ValueError, match="surrogate"):
        EspeakVoice().render("hello \ud800")


@pytest.mark.parametrize(
    "voice", ["martian", "en-us+zz", "../../etc/passwd", "!v/f3", "en-us+", ""]
)
def test_unknown_voices_are_refused(voice: str):
    with pytest.raises(EngineError, match="no voice"):
        EspeakVoice(voice)


@pytest.mark.parametrize(
    "wrong", [{"rate_wpm": 20}, {"rate_wpm": 900}, {"pitch": -1}, {"pitch": 100}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EspeakVoice(**wrong)  # type: ignore[arg-type]


def test_threads_do_not_mix_their_audio():
    texts = ["Hello there.", "Your order is on its way.", "One moment please.", "Goodbye."]
    alone = {text: EspeakVoice().render(text) for text in texts}
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(EspeakVoice().render, texts * 10))
    assert all(alike(one, alone[text]) for one, text in zip(together, texts * 10, strict=True))
    assert not alike(alone[texts[0]], alone[texts[1]])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_keeps_the_promises_about_words(text: str):
    speech = EspeakVoice(rate_wpm=400).render(text)
    if speech.words:
        edges = [edge for word in speech.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert edges[-1] <= speech.duration_s


def test_open_voice_by_name():
    assert open_voice("espeak").name == EspeakVoice().name
    assert open_voice("espeak:en-gb+f3", rate_wpm=180).name == EspeakVoice("en-gb+f3", 180).name


def test_open_voice_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRONTDESK_MODELS", str(tmp_path))
    with pytest.raises(MissingModelError, match=r"run \./frontdesk models pull en_GB-alba-medium"):
        open_voice("en_GB-alba-medium")
    with pytest.raises(UnknownModelError, match="did you mean en_GB-alba-medium"):
        open_voice("en_GB-alba")


# --- finishing ------------------------------------------------------------------------------------


def test_finish_of_silence_is_empty():
    assert len(finish(np.zeros(8000, dtype=np.float32), 8000, [("a", 0.0, 1.0)]).pcm) == 0


def test_finish_moves_words_with_the_silence_it_cuts():
    tone = np.sin(np.arange(8000, dtype=np.float32))
    samples = np.concatenate([np.zeros(4000, dtype=np.float32), tone])
    (word,) = finish(samples, 8000, [("a", 0.5, 1.5)]).words
    assert word.start_s == pytest.approx(LEAD_S, abs=0.006)
    assert word.end_s == pytest.approx(LEAD_S + 1.0, abs=0.006)


def test_joined_speech_moves_the_later_words():
    part = Speech(pcm=np.ones(800, dtype=np.int16), words=(Word("a", 0.0, 0.1),))
    whole = joined([part, part], pause_s=0.05)
    edges = [(word.start_s, word.end_s) for word in whole.words]
    assert edges == [(0.0, 0.1), pytest.approx((0.15, 0.25))]
    assert len(whole.pcm) == 800 + 400 + 800


# --- the cache ------------------------------------------------------------------------------------


LONG = "Your order has left our warehouse, and it should be at the address you gave us in two days."


def test_long_text_begins_with_a_short_part_and_is_said_in_full():
    parts = list(EspeakVoice().stream(LONG))
    assert len(parts[0].words) <= 7
    assert [word.text for part in parts for word in part.words] == LONG.split()
    whole_s = EspeakVoice().render(LONG).duration_s
    assert sum(part.duration_s for part in parts) == pytest.approx(whole_s, rel=0.25)


def test_short_text_is_one_part():
    assert (
        len(list(EspeakVoice().stream("Your order has left our warehouse, and is on its way.")))
        == 1
    )


class CountingVoice:
    """Speaks one sample per character, and remembers what it was asked for."""

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.rendered: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def render(self, text: str) -> Speech:
        self.rendered.append(text)
        assert self.gate.wait(10)
        return Speech(pcm=np.ones(len(text), dtype=np.int16), words=(Word(text, 0.0, 0.1),))

    def stream(self, text: str) -> Iterator[Speech]:
        for word in text.split():
            yield self.render(word)


def test_a_text_is_rendered_once():
    voice = CountingVoice()
    cached = CachedVoice(voice)
    assert cached.render("hello") is cached.render(" hello ")
    assert voice.rendered == ["hello"]
    assert cached.cached("hello") is not None
    assert cached.cached("goodbye") is None


def test_what_is_shared_cannot_be_altered():
    speech = CachedVoice(CountingVoice()).render("hello")
    with pytest.raises(ValueError, match="read-only"):
        speech.pcm[0] = 5


def test_the_least_recently_said_text_goes_first():
    cached = CachedVoice(CountingVoice(), max_bytes=2 * 2 * 5)
    cached.render("aaaaa")
    cached.render("bbbbb")
    cached.render("aaaaa")
    cached.render("ccccc")
    assert cached.cached("aaaaa") is not None
    assert cached.cached("bbbbb") is None


def test_a_text_larger_than_the_cache_is_said_and_not_kept():
    cached = CachedVoice(CountingVoice(), max_bytes=4)
    assert len(cached.render("longer than that").pcm) > 2
    assert cached.cached("longer than that") is None


def test_streamed_speech_is_kept_whole():
    cached = CachedVoice(CountingVoice())
    assert [len(part.pcm) for part in cached.stream("one three")] == [3, 5]
    assert [len(part.pcm) for part in cached.stream("one three")] == [8]


def test_a_stream_that_is_dropped_halfway_is_not_kept():
    cached = CachedVoice(CountingVoice())
    next(iter(cached.stream("one two")))
    assert cached.cached("one two") is None


def test_two_callers_who_miss_together_render_once():
    voice = CountingVoice()
    voice.gate.clear()
    cached = CachedVoice(voice)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(cached.render, "hello") for _ in range(4)]
        voice.gate.set()
        assert {id(answer.result()) for answer in answers} == {id(cached.render("hello"))}
    assert voice.rendered == ["hello"]


def test_a_failed_rendering_leaves_the_text_free():
    class Failing(CountingVoice):
        def render(self, text: str) -> Speech:
            if not self.rendered:
                self.rendered.append(text)
                raise EngineError("broken")
            return super().render(text)

    cached = CachedVoice(Failing())
    with pytest.raises(EngineError):
        cached.render("hello")
    assert cached.render("hello").words


def test_prerendered_prompts_survive_a_restart(tmp_path: Path):
    done: list[tuple[int, int]] = []
    CachedVoice(CountingVoice(), folder=tmp_path).prerender(
        ["hello", "goodbye"], lambda n, of: done.append((n, of))
    )
    assert done == [(1, 2), (2, 2)]

    voice = CountingVoice()
    restarted = CachedVoice(voice, folder=tmp_path)
    assert restarted.render("hello").words == (Word("hello", 0.0, 0.1),)
    restarted.prerender(["hello", "goodbye"])
    assert voice.rendered == []


def test_what_was_not_prerendered_never_reaches_the_disk(tmp_path: Path):
    cached = CachedVoice(CountingVoice(), folder=tmp_path)
    cached.render("your balance is five dollars")
    assert list(tmp_path.iterdir()) == []


def test_another_voice_does_not_find_the_prompts(tmp_path: Path):
    CachedVoice(CountingVoice("a"), folder=tmp_path).prerender(["hello"])
    assert CachedVoice(CountingVoice("b"), folder=tmp_path).cached("hello") is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more"])
def test_a_damaged_prompt_file_is_rendered_again(tmp_path: Path, damage: bytes):
    CachedVoice(CountingVoice(), folder=tmp_path).prerender(["hello"])
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    voice = CountingVoice()
    CachedVoice(voice, folder=tmp_path).prerender(["hello"])
    assert voice.rendered == ["hello"]
    assert CachedVoice(CountingVoice(), folder=tmp_path).cached("hello") is not None


def test_known_sentences_around_a_slot_are_not_rendered_again():
    voice = CountingVoice()
    cached = CachedVoice(voice)
    for sentence in ("Hello there.", "Is that right?"):
        cached.render(sentence)
    voice.rendered.clear()
    parts = list(cached.stream("Hello there. I have 12 Mill Road. In Ashford. Is that right?"))
    assert " ".join(voice.rendered) == "I have 12 Mill Road. In Ashford."
    words = [word.text for part in parts for word in part.words]
    assert " ".join(words) == "Hello there. I have 12 Mill Road. In Ashford. Is that right?"
    pauses = [part for part in parts if not part.words]
    assert [part.duration_s for part in pauses] == [0.28, 0.28]


def test_text_of_unknown_sentences_is_left_to_the_voice_as_it_is():
    parts = list(CachedVoice(CountingVoice()).stream("I have nothing. You have all."))
    assert all(part.words for part in parts), "a pause that the voice did not make"
