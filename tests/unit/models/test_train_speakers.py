"""Each recorded speaker held out in turn."""

import wave
from pathlib import Path

import numpy as np
import pytest

from models.espeak import EspeakVoice
from models.train import speakers
from models.train.config import Plan, Recipe, RecipeError
from models.train.evaluate import Row
from models.train.scoring import ErrorRate, Share
from models.train.slots import DIGITS

BUNDLED = Path("models/bundled/stt")


def recordings(folder: Path, names: dict[str, str]) -> Path:
    """Digits by voices of the built-in synthesiser, as the recipe wants recordings."""
    for speaker, voice in names.items():
        for digit, word in enumerate(DIGITS):
            pcm = EspeakVoice(voice).render(word).pcm
            with wave.open(str(folder / f"{digit}_{speaker}_0.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8_000)
                file.writeframes(np.asarray(pcm, dtype="<i2").tobytes())
    return folder


def recipe(folder: Path, **changes: object) -> Recipe:
    values = {"work": folder / "work", "evaluation_per_set": 4, "digits": (folder,), **changes}
    return Recipe(**values)  # pyright: ignore[reportArgumentType]


def test_each_speaker_is_held_out_once_and_measured_by_a_model_without_them(tmp_path: Path) -> None:
    recordings(tmp_path, {"ann": "en-us", "bob": "en-gb"})
    trained: list[Recipe] = []

    def train(one: Recipe, say: speakers.Say) -> Path:
        trained.append(one)
        return BUNDLED

    found = speakers.each_out(recipe(tmp_path), lambda _: None, train)
    assert [one.held_out_speakers for one in trained] == [("ann",), ("bob",)]
    assert len({one.work for one in trained}) == 2
    assert [(held.speaker, len(held.rows)) for held in found] == [("ann", 2), ("bob", 2)]
    assert all(held.speaker in row.name for held in found for row in held.rows)
    assert sum(row.exact.trials for held in found for row in held.rows) == 16
    assert speakers.table(found).count("\n| ann") == 2


def test_a_start_that_heard_the_speaker_is_not_gone_on_from(tmp_path: Path) -> None:
    asked = recipe(tmp_path, start=BUNDLED, start_heard=("ann",), plan=Plan(short_until=0.0))
    assert speakers.without(asked, "bob").start == BUNDLED
    afresh = speakers.without(asked, "ann")
    assert afresh.start is None
    assert afresh.plan.short_until > 0


@pytest.mark.parametrize("names", [{}, {"ann": "en-us"}])
def test_fewer_than_two_speakers_are_refused(tmp_path: Path, names: dict[str, str]) -> None:
    asked = recipe(recordings(tmp_path, names), digits=(tmp_path,) if names else ())
    with pytest.raises(RecipeError, match="two or more"):
        speakers.each_out(asked, lambda _: None, lambda one, say: BUNDLED)


def row(name: str, errors: int, exact: int) -> Row:
    return Row(
        name=name,
        condition="mu-law",
        rate=ErrorRate(((errors, 100),)),
        exact=Share(exact, 100),
        cpu_ms=10.0,
        slot=(Share(exact, 100), Share(exact, 100)),
    )


@pytest.mark.parametrize(
    ("errors", "exact", "missed"), [(8, 60, 0), (9, 60, 1), (8, 59, 1), (50, 10, 2)]
)
def test_what_a_speaker_misses_is_told(errors: int, exact: int, missed: int) -> None:
    held = speakers.Held(speaker="ann", rows=(row("6 recorded digits, ann", errors, exact),))
    assert len(held.missed) == missed
