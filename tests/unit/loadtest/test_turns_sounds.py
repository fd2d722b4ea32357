"""What the suite's callers sound like, and what their telephones send."""

import multiprocessing

import numpy as np
import pytest

from loadtest.activity import levels_db, sounding_span
from loadtest.listening import PhraseBook
from loadtest.pcm import FRAME_SAMPLES, RATE_HZ, Pcm
from loadtest.recorder import Track
from loadtest.speech import VoiceSettings, render
from loadtest.turns.cases import Condition, Kind, Surroundings, Utterance
from loadtest.turns.mouth import Mouth
from loadtest.turns.plans import VOICES, Sort, plans
from loadtest.turns.prompts import Prompt
from loadtest.turns.reader import reading
from loadtest.turns.sounds import SPEECH_DB, at_level, breath, cough, room, words
from loadtest.turns.spans import HeardSpan, learn_prompts, name_span, stretches_of


def _rms_db(pcm: Pcm) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) / 32_768))


def test_words_have_the_level_of_a_handset_and_no_silence_around_them():
    pcm = words("four eight one five", VOICES[0])
    assert _rms_db(pcm) == pytest.approx(SPEECH_DB, abs=0.5)
    assert sounding_span(pcm) == (0, pcm.size - pcm.size % 80)


@pytest.mark.parametrize("snr_db", [10.0, 20.0])
def test_room_lies_under_speech_by_its_signal_to_noise_ratio(snr_db: float):
    assert _rms_db(room(3, 2.0, snr_db)) == pytest.approx(SPEECH_DB - snr_db, abs=0.5)


def test_cough_is_short_and_breath_is_soft():
    assert cough(1).size < 0.6 * RATE_HZ
    assert max(levels_db(breath(1))) < max(levels_db(cough(1))) - 10


def test_sounds_are_the_same_for_the_same_seed_and_no_other():
    assert np.array_equal(cough(5), cough(5))
    assert not np.array_equal(breath(5), breath(6))


def test_pause_lies_between_the_pieces_of_an_utterance():
    pcm = Utterance(kind=Kind.DIGIT_GROUPS, pieces=("four eight", 0.5, "one five")).render(
        VOICES[0]
    )
    sounding = np.flatnonzero(pcm)
    longest = int(np.diff(sounding).max())
    # Not compared with the pieces' own lengths: espeak-ng never says the same words twice alike.
    assert RATE_HZ // 2 <= longest < 0.6 * RATE_HZ
    assert 0.2 * pcm.size < sounding[np.diff(sounding).argmax()] < 0.8 * pcm.size


def test_every_kind_and_condition_is_in_a_run_of_fourteen_calls():
    run = plans(14, seed=1)
    made = [each for plan in run for answers in plan.answers.values() for each in answers]
    made += [overlap.utterance for plan in run for overlap in plan.overlaps]
    assert {each.kind for each in made} == set(Kind) - {Kind.ECHO}
    assert {plan.condition for plan in run} == set(Condition)


def test_run_of_one_sort_has_all_its_kinds():
    assert {plan.condition for plan in plans(2, seed=1, only=Sort.NOISE)} == {
        Condition.NOISE_10,
        Condition.NOISE_20,
    }
    losses = {plan.network.loss for plan in plans(3, seed=1, only=Sort.NETWORK) if plan.network}
    assert losses == {0.01, 0.03, 0.05}


def test_words_and_sounds_over_prompts_are_said_over_lossy_lines_too():
    made = plans(3, seed=1, only=Sort.LOSSY_OVERLAPS)
    networks = [plan.network for plan in made if plan.network is not None]
    assert {network.loss for network in networks} == {0.01, 0.03, 0.05}
    assert {(network.delay_s, network.jitter_s) for network in networks} == {(0.03, 0.01)}
    kinds = {overlap.utterance.kind for plan in made for overlap in plan.overlaps}
    assert kinds == {Kind.INTERRUPTION, Kind.BACKCHANNEL, Kind.NOISE, Kind.BACKGROUND}
    assert {plan.condition for plan in made} == {Condition.NETWORK}


def test_echo_comes_back_after_50_to_300_ms():
    echoes = [plan.surroundings for plan in plans(20, seed=1, only=Sort.ECHO)]
    assert {echo.echo_db for echo in echoes} == {-12.0}
    delays = [echo.echo_delay_s for echo in echoes]
    assert 0.05 <= min(delays) < 0.1
    assert 0.25 < max(delays) <= 0.3


def test_no_caller_has_the_servers_voice():
    assert VoiceSettings().name not in {voice.name for voice in VOICES}


def _frames(mouth: Mouth, count: int, start: int = 0) -> Pcm:
    return np.concatenate([mouth.frame(start + n * FRAME_SAMPLES) for n in range(count)])


def test_quiet_line_sends_the_words_alone():
    mouth = Mouth(Surroundings(), Track(), seed=1)
    pcm = np.arange(1, 401, dtype=np.int16)
    sent = mouth.say(pcm, 0)
    assert (sent.start, sent.end) == (0, 400)
    assert np.array_equal(_frames(mouth, 3)[:400], pcm)
    assert np.array_equal(mouth.said.read(0, 400), pcm)


def test_echo_is_what_was_heard_later_and_quieter_and_not_what_was_said():
    heard = Track()
    heard.write(0, np.full(800, 1_000, dtype=np.int16))
    mouth = Mouth(Surroundings(echo_db=-12.0, echo_delay_s=0.1), heard, seed=1)
    sent = _frames(mouth, 15)
    assert not sent[:800].any()
    assert set(sent[800:1_600].tolist()) == {251}  # 1000 at -12 dB
    assert not mouth.said.read(0, 2_400).any()


def test_noise_is_around_the_words_but_not_among_them():
    mouth = Mouth(Surroundings(snr_db=20.0), Track(), seed=1)
    assert _rms_db(_frames(mouth, 100)) == pytest.approx(SPEECH_DB - 20, abs=1.0)
    assert not mouth.said.read(0, 1_600).any()


def test_room_drowns_a_soft_end_and_a_quiet_line_does_not():
    loud, soft = (
        at_level(np.random.default_rng(1).standard_normal(800).astype(np.float32), level)
        for level in (SPEECH_DB, SPEECH_DB - 25)
    )
    pcm = np.concatenate([loud, soft])
    assert Mouth(Surroundings(), Track(), seed=1).audible(pcm) == 1_600
    assert Mouth(Surroundings(snr_db=20.0), Track(), seed=1).audible(pcm) == 800
    assert Mouth(Surroundings(snr_db=40.0), Track(), seed=1).audible(pcm) == 1_600


def _heard(book: PhraseBook, pcm: Pcm) -> HeardSpan:
    """What the caller makes of `pcm`, heard between silences."""
    track = Track()
    track.write(RATE_HZ, pcm)
    track.write(RATE_HZ + pcm.size, np.zeros(RATE_HZ, np.int16))
    [stretch] = stretches_of(track.read(0, len(track)))
    return name_span(stretch, book.understand(track.read(*stretch.window)))


async def test_prompt_said_to_its_end_is_known_and_one_cut_short_is_not():
    voice = VoiceSettings()
    book = await learn_prompts(voice)
    prompt = render("I cannot find order 4815. What is your order number?", voice)
    assert _heard(book, prompt).ending is Prompt.ORDER_NUMBER
    assert _heard(book, prompt[: round(0.75 * prompt.size)]).ending is None


async def test_filler_and_apology_are_known():
    voice = VoiceSettings()
    book = await learn_prompts(voice)
    filler = _heard(book, render("One moment, please.", voice))
    assert (filler.filler, filler.apology) == (True, False)
    sorry = _heard(book, render("Sorry, I did not understand. How can I help you?", voice))
    assert (sorry.filler, sorry.apology) == (False, True)


async def test_reader_is_up_before_a_call_begins():
    async with reading(VoiceSettings()):
        assert multiprocessing.active_children(), "whoever asks first would wait for its start"


async def test_reader_in_its_own_process_hears_what_the_phrase_book_hears():
    voice = VoiceSettings()
    speech = render("What is your order number?", voice)
    async with reading(voice) as reader:
        understood = await reader.understand_later(speech)
    assert [match.text for match in understood.heard] == ["What is your order number?"]
