import random
import wave
from pathlib import Path

import numpy as np
import pytest

from models.espeak import EspeakVoice
from models.train import augment, build, codecs, corpus, digits, people, rhvoice
from models.train.corpus import RATE_HZ, Utterance
from models.train.espeak_voice import EspeakVoices
from models.train.phonemes import frames
from models.train.text import Texts

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


def db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


@pytest.mark.parametrize("codec", [augment.mu_law, augment.a_law])
def test_codecs_keep_speech_and_add_little_noise(codec: augment.Codec) -> None:
    error = codec(TONE) - TONE
    assert 30 < db(augment.rms(TONE) / augment.rms(error)) < 50


def chirp() -> augment.Audio:
    """A second that rises from 300 to 2,000 Hz, like no steady tone that a codec could learn."""
    time = np.arange(RATE_HZ) / RATE_HZ
    return (0.4 * np.sin(2 * np.pi * (300 * time + 850 * time**2))).astype(np.float32)


@pytest.mark.skipif(not codecs.has_gsm(), reason="libgsm is not installed")
@pytest.mark.parametrize("count", [RATE_HZ, RATE_HZ - 77, 1])
def test_gsm_is_heard_in_time_and_with_its_noise(count: int) -> None:
    said = chirp()[:count]
    heard = codecs.gsm(said)
    assert heard.shape == said.shape
    if count > 1:
        assert 3 < db(augment.rms(said) / augment.rms(heard - said)) < 30


@pytest.mark.parametrize("bits_per_s", [8_000, 24_000])
@pytest.mark.parametrize("count", [RATE_HZ, RATE_HZ - 77, 1])
def test_opus_is_heard_in_time(count: int, bits_per_s: int) -> None:
    said = chirp()[:count]
    heard = codecs.opus(said, bits_per_s)
    assert heard.shape == said.shape
    if count > 1:
        lags = np.correlate(heard, said, "full")
        assert abs(int(np.argmax(lags)) - len(said) + 1) < RATE_HZ // 500
        assert db(augment.rms(said) / augment.rms(heard)) == pytest.approx(0, abs=3)


def test_every_codec_is_drawn_and_none_moves_the_sound() -> None:
    said = np.pad(chirp(), 800).astype(np.float32)
    rng = random.Random(5)
    for _ in range(60):
        heard = augment.coded(said, rng)
        assert heard.shape == said.shape
        lags = np.correlate(heard, said, "full")
        assert abs(int(np.argmax(lags)) - len(said) + 1) < RATE_HZ // 500


@pytest.mark.parametrize("wanted_db", [0.0, 10.0, 25.0])
def test_noise_is_as_far_below_speech_as_asked(wanted_db: float) -> None:
    noise = np.random.default_rng(1).standard_normal(len(TONE)).astype(np.float32)
    added = augment.with_noise(TONE, noise, wanted_db) - TONE
    assert db(augment.rms(TONE) / augment.rms(added)) == pytest.approx(wanted_db, abs=0.1)


def test_pauses_do_not_make_speech_quieter() -> None:
    spoken = np.pad(TONE, (0, 5 * RATE_HZ))
    assert augment.speech_rms(spoken) == pytest.approx(augment.rms(TONE), rel=0.02)


def test_levelled_audio_never_exceeds_full_scale() -> None:
    assert np.abs(augment.levelled(TONE, -1.0)).max() <= 1.0


def test_band_keeps_the_middle_and_drops_the_edges() -> None:
    def level(hz: float) -> float:
        tone = np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
        return db(augment.rms(augment.band(tone, 300, 3_400)) / augment.rms(tone))

    assert level(1_000) > -1
    assert level(100) < -20
    assert level(3_900) < -6


def test_lost_packets_repeat_the_one_before_more_quietly() -> None:
    heard = augment.concealed(TONE, 1.0, random.Random(1))
    packet = RATE_HZ // 50
    np.testing.assert_allclose(heard[packet : 2 * packet], TONE[:packet] * 0.5)


def test_reverb_goes_on_after_the_sound() -> None:
    click = np.zeros(RATE_HZ, dtype=np.float32)
    click[100] = 1.0
    wet = augment.reverb(click, 0.3, 0.5, np.random.default_rng(1))
    assert wet[100] > 0.5
    assert augment.rms(wet[200:1_000]) > 0.001


def test_telephone_says_where_the_utterance_lies() -> None:
    for seed in range(50):
        placed = augment.telephone(TONE, random.Random(seed), np.random.default_rng(seed), [TONE])
        assert 0 <= placed.begin_s < placed.end_s <= len(placed.audio) / RATE_HZ
        assert np.isfinite(placed.audio).all()
        assert np.abs(placed.audio).max() <= 1.01


def test_nobody_is_never_louder_than_full_scale() -> None:
    for seed in range(30):
        audio = augment.nobody(1.0, random.Random(seed), np.random.default_rng(seed))
        assert len(audio) == RATE_HZ
        assert np.abs(audio).max() <= 1.01


def record(folder: Path, name: str, *, silence: int = 800) -> None:
    raw = np.pad((TONE[:1_600] * 20_000).astype("<i2"), silence)
    with wave.open(str(folder / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(raw.tobytes())


def test_recorded_digits_are_strung_as_their_text_says(tmp_path: Path) -> None:
    for digit in range(10):
        record(tmp_path, f"{digit}_ann_0.wav")
    found = digits.recordings(tmp_path)
    said = digits.strung(found, "ann", [4, 0, 4], random.Random(1), varied=False)
    assert said.text == "four zero four"
    assert said.voice == "ann"
    assert 0.6 < said.seconds < 2.2


def test_silence_around_recordings_is_cut(tmp_path: Path) -> None:
    for digit in range(10):
        record(tmp_path, f"{digit}_ann_0.wav", silence=8_000)
    assert len(digits.recordings(tmp_path)["ann"][7][0]) <= 1_610


def test_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no recordings"):
        digits.recordings(tmp_path)


def test_folders_go_together_and_who_left_out_a_digit_is_left_out(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second" / "01"
    for folder in (first, second):
        folder.mkdir(parents=True)
    for digit in range(10):
        record(first, f"{digit}_ann_0.wav")
        record(second, f"{digit}_01_0.wav")
    record(second, "3_02_0.wav")
    assert set(digits.recordings(first, tmp_path / "second")) == {"ann", "01"}


def test_only_the_named_speakers_are_drawn(tmp_path: Path) -> None:
    for digit in range(10):
        record(tmp_path, f"{digit}_ann_0.wav")
        record(tmp_path, f"{digit}_ben_0.wav")
    found = digits.recordings(tmp_path)
    rng = random.Random(1)
    assert {digits.draw(found, rng, speakers=("ben",)).voice for _ in range(20)} == {"ben"}


def recorded_people(folder: Path, lines: str) -> Path:
    (folder / people.LIST).write_text(lines)
    for name in ("a", "b", "long"):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            seconds = 9 if name == "long" else 1
            tone = np.sin(np.arange(16_000 * seconds) * 0.2) * 8_000
            file.writeframes(np.pad(tone, 4_000).astype("<i2").tobytes())
    return folder


def test_recordings_of_people_come_with_their_words(tmp_path: Path) -> None:
    folder = recorded_people(tmp_path, "a.wav\tann\tOne coffee, please.\nb.wav\tbob\t2 of them\n")
    found = people.recordings(folder)
    assert [(one.speaker, one.text) for one in found] == [
        ("ann", "one coffee please"),
        ("bob", "two of them"),
    ]
    assert len(found[0].audio) == pytest.approx(RATE_HZ, abs=200)  # edges cut, 8 kHz
    drawn = people.draw(found, random.Random(1))
    assert (drawn.voice, drawn.text) in {(one.speaker, one.text) for one in found}


def test_people_held_out_unclear_texts_and_long_recordings_are_left_out(tmp_path: Path) -> None:
    lines = "a.wav\tann\tyes\na.wav\tbob\tno\nb.wav\tann\t[beep]@\nlong.wav\tann\thello\n"
    found = people.recordings(recorded_people(tmp_path, lines), without=("bob",))
    assert [one.text for one in found] == ["yes"]


@pytest.mark.parametrize(
    ("lines", "complaint"), [("a.wav\tann\n", "two|2 fields"), ("a.wav\tann\t#\n", "no recording")]
)
def test_a_faulty_list_of_people_is_refused(tmp_path: Path, lines: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        people.recordings(recorded_people(tmp_path, lines))


def test_the_voices_of_training_and_of_the_server_share_one_library() -> None:
    server = EspeakVoice("en-us")
    before = server.render("four eight one five").pcm
    for _ in range(2):  # each time another that is gone before the server speaks again
        audio, targets = EspeakVoices().speak("four eight", "en-us", random.Random(1))
        assert len(audio) > 0
        assert targets.any()
        after = server.render("four eight one five").pcm  # its melody follows the last speaker's
        assert len(after) == pytest.approx(len(before), rel=0.05)


@pytest.mark.skipif(rhvoice.library() is None, reason="RHVoice is not installed")
def test_every_voice_of_rhvoice_says_more_in_a_longer_sentence() -> None:
    voices, rng = rhvoice.RhVoices(), random.Random(1)
    for voice in rhvoice.VOICES:
        short, long = (voices.speak(said, voice, rng) for said in ("yes", "yes " * 12))
        assert short is not None
        assert long is not None
        assert len(short[0]) / short[1] < 1.5 < len(long[0]) / long[1], voice
        assert augment.rms(short[0]) > 0.01, voice


def test_without_rhvoice_the_others_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhvoice, "library", lambda: None)
    with pytest.raises(OSError, match="RHVoice is not installed"):
        rhvoice.RhVoices()
    studio = build.Studio(Texts([Path("dialog/flows/orders.yaml")], []), None, ())
    said = studio.utterances(30, random.Random(1))
    assert len(said) == 30
    assert not any(one.voice.startswith("rhvoice") for one in said)


def test_phoneme_targets_lie_where_the_sounds_are() -> None:
    made = frames([(5, 0.0, 0.1), (9, 0.1, 0.2)], 0.3)
    assert made.tolist() == [5] * 5 + [9] * 5 + [0] * 5


def test_shard_comes_back_as_it_was(tmp_path: Path) -> None:
    said = [
        Utterance(
            text=text,
            voice="ann",
            kind="digits",
            pcm=np.arange(count, dtype=np.int16),
            targets=np.full(count // 160, 3, dtype=np.int16),
        )
        for text, count in (("four", 1_600), ("five six", 3_200))
    ]
    corpus.save(tmp_path / "one.npz", said)
    for before, after in zip(said, corpus.load(tmp_path / "one.npz"), strict=True):
        assert (after.text, after.voice, after.kind) == (before.text, before.voice, before.kind)
        np.testing.assert_array_equal(after.pcm, before.pcm)
        np.testing.assert_array_equal(after.targets, before.targets)


def test_half_written_shards_are_not_read(tmp_path: Path) -> None:
    corpus.save(tmp_path / "whole.npz", [])
    (tmp_path / "half.partial.npz").write_bytes(b"PK")
    assert [path.name for path in corpus.shards(tmp_path)] == ["whole.npz"]
