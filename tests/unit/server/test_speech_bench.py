"""How soon a sentence begins to sound."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.speech import Speech, Word
from server.speech_bench import measure, sentence


class Slow:
    """Takes a second of this clock for each part it renders; three parts a text."""

    name = "slow"

    def __init__(self) -> None:
        self.now_s = 0.0

    def render(self, text: str) -> Speech:
        self.now_s += 1.0
        return Speech(pcm=np.ones(80, dtype=np.int16), words=(Word(text, 0.0, 0.01),))

    def stream(self, text: str) -> Iterator[Speech]:
        for _ in range(3):
            yield self.render(text)


def test_first_audio_is_that_of_the_first_part_and_nothing_once_it_is_kept() -> None:
    voice = Slow()
    uncached, cached = measure(voice, repeats=3, lengths=[5], clock=lambda: voice.now_s)
    assert (uncached.cached, uncached.p50_ms, uncached.p95_ms) == (False, 1000.0, 1000.0)
    assert not uncached.met
    assert (cached.cached, cached.p50_ms, cached.met) == (True, 0.0, True)


@pytest.mark.parametrize("words", [5, 40])
def test_sentences_have_their_length_and_are_all_different(words: int) -> None:
    texts = {sentence(words, number) for number in range(40)}
    assert len(texts) == 40
    assert {len(text.split()) for text in texts} == {words}
