"""The outgoing queue: what leaves, and which words of it were heard."""

import numpy as np
import pytest

from voice.events import SpeechChunk, WordTiming
from voice.playout import Playout, Reply


def chunk(*words: str, word_s: float = 0.1, level: int = 1000) -> SpeechChunk:
    timings = tuple(
        WordTiming(word=word, start_s=n * word_s, end_s=(n + 1) * word_s)
        for n, word in enumerate(words)
    )
    pcm = np.full(round(len(words) * word_s * 8000), level, dtype=np.int16)
    return SpeechChunk(pcm=pcm, words=timings)


def played(reply: Reply, frames: int) -> tuple[Playout, list[bool]]:
    playout = Playout()
    playout.play(reply)
    return playout, [playout.pop()[1] is reply for _ in range(frames)]


def test_reply_ends_with_its_last_frame():
    reply = Reply()
    reply.append(chunk("hello"))
    reply.finish()
    _, ends = played(reply, 5)
    assert ends == [False, False, False, False, True]
    assert reply.heard == "hello"


def test_chunks_are_joined_without_a_gap():
    reply = Reply()
    for _ in range(3):
        reply.append(SpeechChunk(pcm=np.full(100, 7, dtype=np.int16), words=()))
    reply.finish()
    frames = [reply.pop(), reply.pop()]
    assert np.count_nonzero(np.concatenate([frame for frame in frames if frame is not None])) == 300


def test_reply_that_runs_dry_goes_on_when_more_arrives():
    reply = Reply()
    reply.append(chunk("one"))
    playout, ends = played(reply, 7)
    assert not any(ends)
    assert playout.pop() == (None, None)
    reply.append(chunk("two"))
    reply.finish()
    assert playout.pop()[0] is not None
    assert reply.heard == "one"


@pytest.mark.parametrize(
    ("frames", "heard"), [(4, ""), (5, "one"), (9, "one"), (10, "one two"), (14, "one two")]
)
def test_only_words_that_left_in_full_count_as_heard(frames: int, heard: str):
    reply = Reply()
    reply.append(chunk("one", "two", "three"))
    for _ in range(frames):
        reply.pop()
    assert reply.heard == heard


def test_stop_fades_within_five_milliseconds_and_then_is_silent():
    reply = Reply()
    reply.append(chunk("one", "two"))
    playout, _ = played(reply, 1)
    assert playout.stop() is reply
    tail, _ = playout.pop()
    assert tail is not None
    assert np.all(np.diff(tail[:40].astype(int)) <= 0)
    assert not tail[40:].any()
    assert playout.pop() == (None, None)


def test_stopped_reply_takes_no_more_speech():
    reply = Reply()
    reply.append(chunk("one"))
    playout, _ = played(reply, 1)
    playout.stop()
    reply.append(chunk("late"))
    assert reply.planned == "one"


def test_ducked_voice_is_lower_and_resumed_voice_is_not():
    reply = Reply()
    reply.append(chunk("one", "two", "three"))
    playout, _ = played(reply, 1)
    playout.duck()
    playout.pop()
    ducked, _ = playout.pop()
    assert ducked is not None
    assert ducked.max() == 250
    playout.resume()
    playout.pop()
    full, _ = playout.pop()
    assert full is not None
    assert full.max() == 1000


def test_paused_reply_is_silent_and_goes_on_at_the_word_it_was_paused_in():
    reply = Reply()
    reply.append(chunk("one", "two", "three"))
    playout, _ = played(reply, 7)
    playout.pause()
    playout.pop()
    assert playout.pop() == (None, None)
    assert reply.heard == "one"
    playout.resume()
    rest = 0
    while (frame := playout.pop()[0]) is not None:
        rest += np.count_nonzero(frame)
    assert rest == 1600, "two and three, whole"
    assert reply.heard == "one two three"


@pytest.mark.parametrize("frames", [6, 10], ids=["in the second word", "in the pause before it"])
def test_paused_reply_goes_on_with_sound_and_not_with_a_pause_of_its_own(frames: int):
    reply = Reply()
    sound, pause = np.full(800, 1000, np.int16), np.zeros(800, np.int16)
    words = (WordTiming(word="one", start_s=0.0, end_s=0.1),)
    words += (WordTiming(word="two", start_s=0.1, end_s=0.3),)  # as engines say: with its pause
    reply.append(SpeechChunk(pcm=np.concatenate([sound, pause, sound]), words=words))
    playout, _ = played(reply, frames)
    playout.pause()
    playout.pop()
    playout.resume()
    frame, _ = playout.pop()
    assert frame is not None
    assert frame.all()


def test_paused_reply_can_be_given_up():
    reply = Reply()
    reply.append(chunk("one", "two", "three"))
    playout, _ = played(reply, 7)
    playout.pause()
    assert playout.stop() is reply
    assert reply.heard == "one"
    playout.pop()
    assert playout.pop() == (None, None)
