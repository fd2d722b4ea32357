"""Who is near the microphone, and who is only in the room."""

import numpy as np
import pytest

from voice.frames import FRAME_SAMPLES, Pcm
from voice.loudness import CallerLevel


def voice(level_db: float, seconds: float = 1.0, *, seed: int = 1) -> Pcm:
    """Noise with the syllables of speech, at an active level in dBFS."""
    n = round(seconds * 8_000)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * np.arange(n) / 8_000)
    samples = np.random.default_rng(seed).standard_normal(n) * syllables
    gain = 32_768 * 10 ** (level_db / 20) / np.sqrt(np.mean(samples**2))
    return (samples * gain).clip(-32_768, 32_767).astype(np.int16)


def share_behind(level: CallerLevel, pcm: Pcm) -> float:
    frames = pcm.reshape(-1, FRAME_SAMPLES)
    behind = 0
    for frame in frames:
        level.hear(frame)
        behind += level.is_behind
    return behind / len(frames)


@pytest.mark.parametrize("caller_db", [-14.0, -20.0, -32.0])
def test_voice_twenty_db_below_the_caller_is_behind_them(caller_db: float):
    level = CallerLevel()
    level.learn(voice(caller_db))
    assert share_behind(level, voice(caller_db - 20, seed=2)) > 0.95


@pytest.mark.parametrize("change_db", [-6.0, 0.0, 6.0])
def test_caller_who_speaks_softer_or_louder_is_still_the_caller(change_db: float):
    level = CallerLevel()
    level.learn(voice(-20.0))
    assert share_behind(level, voice(-20.0 + change_db, seed=2)) < 0.05


def test_nobody_is_behind_a_caller_who_has_not_spoken_yet():
    assert share_behind(CallerLevel(), voice(-45.0)) == 0.0


def test_level_follows_a_caller_who_turns_away():
    level = CallerLevel()
    level.learn(voice(-14.0))
    for seed in range(2, 7):
        level.learn(voice(-30.0, seed=seed))
    assert share_behind(level, voice(-32.0, seed=9)) < 0.05


def test_pauses_inside_an_utterance_do_not_make_the_caller_softer():
    level, paused = CallerLevel(), CallerLevel()
    words = voice(-20.0)
    level.learn(words)
    paused.learn(np.concatenate([words, np.zeros(16_000, dtype=np.int16)]))
    assert paused.level_db == pytest.approx(level.level_db, abs=0.5)


def test_utterance_shorter_than_a_frame_teaches_nothing():
    level = CallerLevel()
    level.learn(np.zeros(10, dtype=np.int16))
    assert level.level_db is None


def stressed(level_db: float, *, seed: int) -> Pcm:
    """A voice with short stressed syllables, far louder than what lies between them."""
    pcm = voice(level_db, seed=seed).astype(np.float32)
    stress = (0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(len(pcm)) / 8_000)) ** 3
    gain = np.sqrt(np.mean(np.square(pcm)) / np.mean(np.square(pcm * stress)))
    return (pcm * stress * gain).clip(-32_768, 32_767).astype(np.int16)


def test_stressed_syllables_bring_nobody_behind_the_caller_to_the_front():
    level = CallerLevel()
    level.learn(stressed(-20.0, seed=1))
    assert share_behind(level, stressed(-34.0, seed=2)) > 0.8
