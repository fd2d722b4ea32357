"""How good a model is: word errors by condition, slots exact, words heard where nobody speaks.

Where an utterance answers a closed slot, the slot's value is compared too ("oh" is "zero"): as the
best hypothesis has it, and as the constrained decode does that knows the slot.

Every model is asked the same: the same utterances by voices and of phrases that training never
had, through the same conditions with the same noise, by the engine that answers calls.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import constraint
from models.constraint import Vocabulary
from models.stt import SttEngine
from models.train import augment, corpus, digits
from models.train.build import Studio
from models.train.corpus import NO_TARGETS, RATE_HZ, Utterance, renamed
from models.train.scoring import ErrorRate, Share, word_errors
from models.train.text import Said, Texts
from models.transcript import normalise

_LEAD_S: Final = 0.4
_TAIL_S: Final = 0.7
_LEVEL_DBFS: Final = -22.0
_FLOOR_SNR_DB: Final = 38.0  # no line is without a hiss

Condition = Callable[[NDArray[np.float32], "Chance"], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Chance:
    """Randomness of one trial, the same for every model."""

    rng: random.Random
    noise: np.random.Generator
    voices: Sequence[NDArray[np.float32]]


def _clean(audio: NDArray[np.float32], chance: Chance) -> NDArray[np.float32]:
    del chance
    return augment.mu_law(audio)


def _noisy(audio: NDArray[np.float32], chance: Chance) -> NDArray[np.float32]:
    noise = augment.coloured(len(audio), chance.rng, chance.noise)
    return augment.mu_law(augment.with_noise(audio, noise, 10.0))


def _babble(audio: NDArray[np.float32], chance: Chance) -> NDArray[np.float32]:
    others = augment.babble(len(audio), chance.rng, chance.voices)
    return augment.mu_law(augment.with_noise(audio, others, 10.0))


def _bad_line(audio: NDArray[np.float32], chance: Chance) -> NDArray[np.float32]:
    rng = chance.rng
    heard = augment.reverb(audio, 0.3, 0.4, chance.noise)
    heard = augment.band(heard, 300, 3_400)
    heard = augment.levelled(heard, rng.uniform(-35, -12))
    return augment.a_law(augment.concealed(heard, 0.03, rng))


CONDITIONS: Final[dict[str, Condition]] = {
    "mu-law": _clean,
    "noise 10 dB": _noisy,
    "babble 10 dB": _babble,
    "bad line": _bad_line,
}
"""Bad line: echo of a room, 300-3400 Hz, low level, 3% of packets lost, A-law."""


def utterances(studio: Studio, texts: Texts, each: int, seed: int) -> list[Utterance]:
    """The evaluation's utterances; `kind` names the set and the engine that speaks."""
    rng = random.Random(seed)
    speakers = {"espeak": studio.said_by_espeak, "flite": studio.said_by_flite}
    found: list[Utterance] = []
    for engine, speak in speakers.items():
        for name, draw in _draws(texts).items():
            for _ in range(each):
                one = speak(draw(rng), rng)
                if one is not None and one.seconds <= 9.0:
                    found.append(renamed(one, kind=f"{name}, {engine}", targets=NO_TARGETS))
    return found


def _draws(texts: Texts) -> dict[str, Callable[[random.Random], Said]]:
    from models.train import slots

    def flow(rng: random.Random) -> Said:
        return texts.draw(rng, rng.choice(("template", "flow", "slot", "commands")))

    def long_digits(rng: random.Random) -> Said:
        return Said("digits", slots.string(rng, rng.randint(6, 10)))

    def order(rng: random.Random) -> Said:
        return Said("digits", slots.string(rng, rng.randint(4, 5)))

    return {
        "flow": flow,
        "yes/no": lambda rng: texts.draw(rng, "yes_no"),
        "order digits": order,
        "digits 6-10": long_digits,
        "English": lambda rng: texts.draw(rng, "sentence"),
    }


def recorded(
    found: digits.Recordings, speakers: Iterable[str], each: int, seed: int
) -> list[Utterance]:
    """Strings of four and of six recorded digits of each speaker."""
    rng = random.Random(seed)
    return [
        renamed(
            digits.draw(found, rng, speakers=(speaker,), length=length, varied=False),
            kind=f"{length} recorded digits, {speaker}",
        )
        for speaker in speakers
        for length in (4, 6)
        for _ in range(each)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    condition: str
    rate: ErrorRate
    exact: Share
    cpu_ms: float
    slot: tuple[Share, Share] | None = None  # value right: best hypothesis, constrained decode


def measure(
    engine: SttEngine, said: Sequence[Utterance], conditions: Sequence[str], seed: int = 1
) -> list[Row]:
    """One row for every set and condition, in the order of the utterances."""
    voices = [corpus.floats(u.pcm) for u in said[:200]]
    rows: list[Row] = []
    for name in dict.fromkeys(u.kind for u in said):
        chosen = [u for u in said if u.kind == name]
        rows += [_row(engine, name, chosen, c, voices, seed) for c in conditions]
    return rows


def trials(
    said: Sequence[Utterance],
    conditions: Sequence[str],
    voices: Sequence[NDArray[np.float32]],
    seed: int = 1,
) -> Iterator[tuple[Utterance, NDArray[np.int16]]]:
    """Every utterance as it is heard in every condition; `voices` babble."""
    for name in conditions:
        for number, one in enumerate(said):
            chance = Chance(
                random.Random(f"{seed}/{number}"), np.random.default_rng(number), voices
            )
            yield one, heard_as(one, CONDITIONS[name], chance)


def _row(
    engine: SttEngine,
    name: str,
    said: Sequence[Utterance],
    condition: str,
    voices: Sequence[NDArray[np.float32]],
    seed: int,
) -> Row:
    counts: list[tuple[int, int]] = []
    exact = free = constrained = 0
    cpu_s = 0.0
    within: Vocabulary | None = None
    for one, pcm in trials(said, (condition,), voices, seed):
        within = slot_of(one)
        heard = engine.transcribe(pcm, within=within)
        want, got = normalise(one.text).split(), heard.text.split()
        wrong = word_errors(want, got)
        counts.append((wrong, len(want)))
        exact += wrong == 0
        cpu_s += heard.cpu_s
        if within is not None:
            value = within.value(normalise(one.text))
            free += within.value(heard.text) == value
            best = heard.constrained[0].text if heard.constrained else ""
            constrained += within.value(best) == value
    slot = (Share(free, len(said)), Share(constrained, len(said)))
    return Row(
        name=name,
        condition=condition,
        rate=ErrorRate(tuple(counts)),
        exact=Share(exact, len(said)),
        cpu_ms=1000 * cpu_s / max(1, len(said)),
        slot=None if within is None else slot,
    )


def slot_of(one: Utterance) -> Vocabulary | None:
    """The slot that an utterance of the set answers: a number of its length, or yes and no."""
    if one.kind.startswith("yes/no"):
        return constraint.yes_no()
    if "digits" not in one.kind:
        return None
    length = len(constraint.digits().value(normalise(one.text)) or "")
    return constraint.digits(length, length)


def heard_as(one: Utterance, condition: Condition, chance: Chance) -> NDArray[np.int16]:
    """The utterance with silence around it, on a line with a little hiss, in that condition."""
    audio = corpus.floats(one.pcm)
    audio = np.pad(audio, (round(_LEAD_S * RATE_HZ), round(_TAIL_S * RATE_HZ)))
    audio = augment.levelled(audio.astype(np.float32), _LEVEL_DBFS)
    hiss = chance.noise.standard_normal(len(audio)).astype(np.float32)
    line = condition(augment.with_noise(audio, hiss, _FLOOR_SNR_DB), chance)
    return (np.clip(line, -1, 1) * 32767).astype(np.int16)


def words_of_nobody(engine: SttEngine, trials: int, seed: int = 1) -> Share:
    """How often silence, noise, hum, clicks and tones give no words, as they should."""
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    quiet = 0
    for _ in range(trials):
        audio = augment.nobody(rng.uniform(0.5, 4.0), rng, noise)
        pcm = (np.clip(audio, -1, 1) * 32767).astype(np.int16)
        quiet += not engine.transcribe(pcm).text
    return Share(quiet, trials)


def table(columns: dict[str, list[Row]]) -> str:
    """Models side by side, as Markdown."""
    lines = [
        "| set | condition | "
        + " | ".join(f"{name}: WER, exact; slot free, constrained" for name in columns)
        + " |",
        "|---|---|" + "---|" * len(columns),
    ]
    for rows in zip(*columns.values(), strict=True):
        cells = [f"{row.rate}, {row.exact}{_slot(row)}" for row in rows]
        lines.append(f"| {rows[0].name} | {rows[0].condition} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _slot(row: Row) -> str:
    return f"; {row.slot[0]}, {row.slot[1]}" if row.slot else ""


def size_of(folder: Path) -> int:
    """Bytes of a model's weights."""
    return (folder / "model.bin").stat().st_size
