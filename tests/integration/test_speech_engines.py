"""The engines together: what our voice says over a telephone line, our ears hear and understand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.espeak import EspeakVoice
from models.pool import RecognitionPool
from models.speech import RATE_HZ, Pcm
from models.stt import SttEngine
from models.transcript import Hypothesis as Heard
from models.transcript import Transcript
from models.tts import CachedVoice
from models.vad import SileroVad
from server.speech import Recogniser, merged, vocabulary_of
from voice.events import Expectation, Expects, SpeechError

FRAME = 160

PHRASES = [
    "yes please",
    "no",
    "where is my order",
    "my order number is four four seven one two",
    "i want to check my order",
    "cancel my subscription",
    "i need to speak to an agent",
    "what's my balance",
    "change the address on my order",
    "that's right",
    "thanks that's all",
    "goodbye",
]


def over_the_telephone(pcm: Pcm, rng: np.random.Generator) -> Pcm:
    """With line noise, through mu-law."""
    x = pcm.astype(np.float64) / 32768 + rng.standard_normal(len(pcm)) * 10 ** (-58 / 20)
    size = np.log1p(255.0 * np.abs(np.clip(x, -1.0, 1.0))) / np.log1p(255.0)
    code: NDArray[np.float64] = np.rint(size * 127.0) / 127.0
    back: NDArray[np.float64] = np.sign(x) * np.expm1(code * np.log(256.0)) / 255.0
    return np.rint(back * 32767.0).astype(np.int16)


def word_errors(said: str, heard: str) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(heard.split()) + 1))
    for i, word in enumerate(said.split(), start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard.split(), start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


@pytest.fixture(scope="module")
def engine() -> SttEngine:
    return SttEngine(threads=2)


@pytest.mark.parametrize("voice", ["en-us", "en-gb"])
def test_the_bundled_model_understands_the_built_in_voice(engine: SttEngine, voice: str):
    rng = np.random.default_rng(7)
    errors = words = 0
    for phrase in PHRASES:
        heard = engine.transcribe(over_the_telephone(EspeakVoice(voice).render(phrase).pcm, rng))
        errors += word_errors(phrase, heard.text)
        words += len(phrase.split())
    assert errors / words <= 0.12


def test_short_context_is_no_worse_than_stock_faster_whisper(engine: SttEngine):
    """The same weights, padded to 30 s by faster-whisper itself."""
    rng = np.random.default_rng(11)
    ours = theirs = words = 0
    for phrase in PHRASES[:6]:
        pcm = over_the_telephone(EspeakVoice("en-us", 170).render(phrase).pcm, rng)
        padded = np.pad(pcm, (2400, 3200))
        ours += word_errors(phrase, engine.transcribe(padded).text)
        theirs += word_errors(phrase, stock(engine, padded))
        words += len(phrase.split())
    assert ours <= theirs + round(0.05 * words)


def stock(engine: SttEngine, pcm: Pcm) -> str:
    from models.speech import resample

    whisper = engine.decoder._whisper  # pyright: ignore[reportPrivateUsage]
    wide = resample((pcm / 32768).astype(np.float32), RATE_HZ, 16_000)
    segments, _ = whisper.transcribe(
        wide, beam_size=5, temperature=0.0, without_timestamps=True, language="en"
    )
    return "".join(segment.text for segment in segments).strip()


def test_two_utterances_are_found_by_voice_activity_and_heard(engine: SttEngine):
    rng = np.random.default_rng(5)
    voice = CachedVoice(EspeakVoice())
    pause = np.zeros(RATE_HZ, dtype=np.int16)
    said = ["where is my order", "yes please"]
    call = [pause, voice.render(said[0]).pcm, pause, voice.render(said[1]).pcm, pause]
    line = over_the_telephone(np.concatenate(call), rng)

    vad = SileroVad()
    stream = vad.open_stream()
    speaking: list[bool] = []
    for at in range(0, len(line) - FRAME + 1, FRAME):
        stream.push(line[at : at + FRAME])
        vad.run()
        speaking.append(stream.probability > 0.5)

    heard = [engine.transcribe(line[begin:end]).text for begin, end in utterances(speaking)]
    assert heard == said


def utterances(speaking: list[bool]) -> list[tuple[int, int]]:
    """Sample ranges of speech with 200 ms before, ended by 500 ms without."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    quiet = 0
    for tick, voiced in enumerate(speaking):
        quiet = 0 if voiced else quiet + 1
        if voiced and begin is None:
            begin = max(0, tick - 10)
        elif begin is not None and quiet == 25:
            found.append((begin * FRAME, (tick + 1) * FRAME))
            begin = None
    return found


# --- what the dialog expects ----------------------------------------------------------------------


def heard_as(*free: tuple[str, float], allowed: tuple[tuple[str, float], ...]) -> Transcript:
    return Transcript(
        hypotheses=tuple(Heard(text=text, log_prob=p) for text, p in free),
        constrained=tuple(Heard(text=text, log_prob=p) for text, p in allowed),
    )


def texts(heard: Transcript, expects: Expectation) -> list[str]:
    return [one.text for one in merged(heard, vocabulary_of(expects))]


FOUR_DIGITS = Expectation(kind=Expects.DIGITS, min_length=4, max_length=4)


def test_an_answer_hardly_less_likely_than_what_is_none_goes_first():
    heard = heard_as(("for ate one five", -0.4), allowed=(("four eight one five", -0.45),))
    assert texts(heard, FOUR_DIGITS) == ["four eight one five", "for ate one five"]


def test_an_answer_much_less_likely_is_left_out():
    """Whatever the slot: it would vote for a value nobody said."""
    heard = heard_as(("where is my parcel", -0.3), allowed=(("nine eight nine two", -0.9),))
    assert texts(heard, FOUR_DIGITS) == ["where is my parcel"]


def test_answers_keep_the_order_that_knows_the_wanted_length():
    likely, wanted = ("four one five", -0.2), ("four eight one five", -0.35)
    heard = heard_as(likely, wanted, ("for one five", -0.8), allowed=(wanted, likely))
    assert texts(heard, FOUR_DIGITS) == [wanted[0], likely[0], "for one five"]


def test_half_a_number_is_not_completed_by_guesses():
    half, guess = ("four eight", -0.1), ("four eight eight eight", -0.9)
    heard = heard_as(half, allowed=(half, guess))
    assert texts(heard, FOUR_DIGITS) == ["four eight"]


def test_open_questions_are_not_constrained():
    heard = heard_as(("hello", -0.3), allowed=())
    assert vocabulary_of(Expectation()) is None
    assert texts(heard, Expectation()) == ["hello"]


async def test_the_recogniser_answers_by_what_is_expected(engine: SttEngine):
    pool = RecognitionPool(engine, threads=2)
    recogniser = Recogniser(pool)
    pcm = over_the_telephone(
        EspeakVoice("en-us").render("four eight one five").pcm, np.random.default_rng(3)
    )
    heard = await recogniser.transcribe(pcm, expects=FOUR_DIGITS)
    assert heard.text == "four eight one five"
    assert recogniser.wait_s >= 0.0
    pool.close()


async def test_wrong_audio_and_a_closed_line_are_speech_errors(engine: SttEngine):
    pool = RecognitionPool(engine)
    recogniser = Recogniser(pool)
    with pytest.raises(SpeechError, match="int16"):
        await recogniser.transcribe(np.zeros((9, 9), dtype=np.int16), expects=Expectation())
    pool.close()
    with pytest.raises(SpeechError, match="closed"):
        await recogniser.transcribe(np.zeros(9, dtype=np.int16), expects=Expectation())
