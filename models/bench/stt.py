"""Speech to text beside faster-whisper, on the same weights, in one process, on one machine.

Three ways to transcribe the same audio:

    ours      SttEngine: the utterance at its own length, 5 hypotheses (and greedy, to compare with)
    shipped   WhisperModel.transcribe with every default: 30 s, beam 5, timestamps
    tuned     the same, one thread, greedy, temperature 0, no timestamps, language given

Cost is CPU time of the process, all its threads, from 8 kHz audio to text; the library gets its
audio resampled beforehand, for nothing. Throughput is that of one core at Poisson arrivals, as many
as have 95% of the answers within 300 ms: a queue with the service times that were measured, since
any real run is as noisy as the machine.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.bench.random_whisper import SIZES, make
from models.catalog import ContextRule, Rule, locate
from models.decoding import ENGINE_HZ
from models.espeak import EspeakVoice
from models.speech import RATE_HZ, Pcm, Samples, resample
from models.stt import SttEngine
from models.train import slots
from models.train.scoring import word_errors
from models.train.text import COMMANDS, YES_NO
from models.transcript import normalise

BUNDLED: Final = "frontdesk-small"
LATENCY_S: Final = 0.3
_TOKENS: Final = 10  # of the sentence that random models write: about 3 s of speech
_EXACT: Final = ContextRule(rule=Rule.EXACT)  # adapted models; speed does not know the difference
_ARRIVALS: Final = 20_000  # simulated; p95 within 2% of its limit
_MOST_PER_S: Final = 4_000.0

Transcribe = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What to measure. folder: where random models are kept between runs."""

    folder: Path
    models: tuple[str, ...] = (*SIZES, BUNDLED)
    lengths_s: tuple[float, ...] = (1, 2, 3, 4, 5, 6)
    rounds: int = 1
    phrases: int = 60  # for word errors, with the bundled model
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one way to transcribe: CPU seconds for each utterance."""

    cpu_s: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        return sum(self.cpu_s) / len(self.cpu_s)

    @property
    def per_core_s(self) -> float:
        """Utterances a second on one core with p95 within LATENCY_S."""
        return sustained(self.cpu_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordErrors:
    """Share of words wrong, of the same utterances."""

    ours: float
    padded: float  # by the library, beam 5, 30 s

    @property
    def worse_points(self) -> float:
        return 100 * (self.ours - self.padded)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """One model, all ways."""

    name: str
    ours: Cost
    greedy: Cost  # ours, beam 1
    shipped: Cost
    tuned: Cost
    floor: Cost | None = None  # ours at the context that weights as published need
    word_errors: WordErrors | None = None

    @property
    def times_shipped(self) -> float:
        return self.shipped.mean_s / self.ours.mean_s

    @property
    def times_tuned(self) -> float:
        """Greedy against greedy."""
        return self.tuned.mean_s / self.greedy.mean_s

    @property
    def times_throughput(self) -> float:
        theirs = self.shipped.per_core_s
        return self.ours.per_core_s / theirs if theirs else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What must be reached; see `missed`."""

    times_shipped: float
    times_tuned: float
    times_throughput: float = 12.0
    worse_points: float = 0.5


TARGETS: Final = {
    **dict.fromkeys(SIZES, Targets(times_shipped=10.0, times_tuned=5.0)),
    BUNDLED: Targets(times_shipped=25.0, times_tuned=15.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SttReport:
    models: tuple[ModelCost, ...] = field(default=())

    @property
    def missed(self) -> tuple[str, ...]:
        """Every target that was not reached, in words."""
        return tuple(line for model in self.models for line in _missed(model))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"models": [_as_dict(model) for model in self.models], "missed": list(self.missed)}


def run(options: BenchOptions, say: Callable[[str], None]) -> SttReport:
    """Measure; a minute or two of one core.

    Raises:
        ModelError, OSError: a model does not load or cannot be made.
    """
    speech = [utterance(seconds, options.seed) for seconds in options.lengths_s]
    found: list[ModelCost] = []
    for name in options.models:
        say(f"measuring {name}")
        found.append(_measured(name, model_folder(name, options.folder), speech, options))
    return SttReport(models=tuple(found))


def utterance(seconds: float, seed: int) -> Pcm:
    """Speech of exactly so many seconds: numbers, strung together and cut."""
    rng = random.Random(seed)
    voice = EspeakVoice("en-us")
    parts: list[Pcm] = []
    while sum(map(len, parts)) < seconds * RATE_HZ:
        parts.append(voice.render(slots.string(rng, 5)).pcm)
    return np.concatenate(parts)[: round(seconds * RATE_HZ)]


def sustained(service_s: Sequence[float], *, within_s: float = LATENCY_S, seed: int = 1) -> float:
    """Arrivals a second that one server with these service times answers, 95% within `within_s`.

    Zero where even an idle server takes longer. First come, first served.
    """
    rng = np.random.default_rng(seed)
    service = rng.choice(np.asarray(service_s), _ARRIVALS)
    gaps = rng.exponential(1.0, _ARRIVALS)
    if float(np.quantile(service, 0.95)) > within_s:
        return 0.0
    low, high = 0.0, min(_MOST_PER_S, 1.0 / float(service.mean()))
    for _ in range(30):
        rate = (low + high) / 2
        fits = float(np.quantile(_latencies(gaps / rate, service), 0.95)) <= within_s
        low, high = (rate, high) if fits else (low, rate)
    return low


def _latencies(gaps: np.ndarray[Any, Any], service: np.ndarray[Any, Any]) -> list[float]:
    """Lindley's recursion: waiting and service time of each arrival."""
    wait = 0.0
    found: list[float] = []
    for gap, took in zip(gaps[1:], service[:-1], strict=True):
        found.append(wait + took)
        wait = max(0.0, wait + took - gap)
    return found


def model_folder(name: str, kept: Path) -> Path:
    """Where a model is; one of the published sizes is made with random weights.

    Args:
        kept: where made ones are kept between runs.

    Raises:
        ModelError, OSError: it is not here, or cannot be made.
    """
    if name not in SIZES:
        return locate(name)
    folder = kept / f"random-{name}-{_TOKENS}"
    if not (folder / "tokenizer.json").is_file():  # written last
        make(SIZES[name], folder, tokens=_TOKENS)
    return folder


def _measured(name: str, folder: Path, speech: Sequence[Pcm], options: BenchOptions) -> ModelCost:
    own = name not in SIZES
    rule = None if own else _EXACT
    where = name if own else folder
    rounds = options.rounds
    engine = SttEngine(where, rule, device="cpu", retry=own)
    greedy = SttEngine(where, rule, device="cpu", retry=own, beam=1)
    shipped, tuned = library(folder), library(folder, cpu_threads=1)
    wide = [_wide(pcm) for pcm in speech]
    return ModelCost(
        name=name,
        ours=_cost(_each(engine, speech), rounds),
        greedy=_cost(_each(greedy, speech), rounds),
        floor=None if own else _cost(_each(_floor(folder), speech), rounds),
        shipped=_cost([lambda w=w: text_of(shipped, w) for w in wide], rounds),
        tuned=_cost([lambda w=w: text_of(tuned, w, **TUNED) for w in wide], rounds),
        word_errors=_word_errors(engine, shipped, options) if own else None,
    )


def _floor(folder: Path) -> SttEngine:
    return SttEngine(folder, device="cpu", retry=False)


def _each(engine: SttEngine, speech: Sequence[Pcm]) -> list[Transcribe]:
    return [lambda pcm=pcm: engine.transcribe(pcm).text for pcm in speech]


TUNED: Final[dict[str, Any]] = {
    "beam_size": 1,
    "temperature": 0.0,
    "language": "en",
    "without_timestamps": True,
    "condition_on_previous_text": False,
}


def library(folder: Path, **options: Any) -> Any:
    """faster-whisper's own model on the CPU, in the type it is stored in."""
    from faster_whisper import WhisperModel

    made: Any = WhisperModel
    return made(str(folder), device="cpu", local_files_only=True, **options)


def text_of(model: Any, wide: Samples, **options: Any) -> str:
    """What faster-whisper makes of 16 kHz audio."""
    segments, _ = model.transcribe(wide, **options)
    return "".join(segment.text for segment in segments)


def _wide(pcm: Pcm) -> Samples:
    return resample((pcm / 32768).astype(np.float32), RATE_HZ, ENGINE_HZ)


def _cost(every: Sequence[Transcribe], rounds: int) -> Cost:
    every[0]()  # caches and lazy imports are not the utterance's
    took: list[float] = []
    for transcribe in every:
        best = float("inf")
        for _ in range(rounds):
            begun_s = time.process_time()
            transcribe()
            best = min(best, time.process_time() - begun_s)
        took.append(best)
    return Cost(cpu_s=tuple(took))


def _word_errors(engine: SttEngine, shipped: Any, options: BenchOptions) -> WordErrors:
    """Of what callers say to contact centers, by the built-in voice with a hiss."""
    rng = random.Random(options.seed)
    noise = np.random.default_rng(options.seed)
    ours = padded = words = 0
    for _ in range(options.phrases):
        drawn = rng.choice((rng.choice(YES_NO), rng.choice(COMMANDS), slots.string(rng, 5)))
        pcm = EspeakVoice(rng.choice(("en-us", "en-gb"))).render(drawn).pcm
        line = pcm + noise.normal(0.0, 60.0, len(pcm))
        heard_pcm = np.pad(np.clip(line, -32768, 32767).astype(np.int16), (2400, 4000))
        want = normalise(drawn).split()
        words += len(want)
        ours += word_errors(want, engine.transcribe(heard_pcm).text.split())
        theirs = text_of(shipped, _wide(heard_pcm), language="en", temperature=0.0)
        padded += word_errors(want, normalise(theirs).split())
    return WordErrors(ours=ours / words, padded=padded / words)


def _missed(model: ModelCost) -> list[str]:
    targets = TARGETS.get(model.name)
    if targets is None:
        return []
    reached = {
        "CPU against faster-whisper as shipped": (model.times_shipped, targets.times_shipped),
        "CPU against faster-whisper tuned": (model.times_tuned, targets.times_tuned),
        "throughput": (model.times_throughput, targets.times_throughput),
    }
    lines = [
        f"{model.name}: {what} {got:.1f}x, not {wanted:g}x"
        for what, (got, wanted) in reached.items()
        if got < wanted
    ]
    if model.word_errors and model.word_errors.worse_points > targets.worse_points:
        points = model.word_errors.worse_points
        lines.append(f"{model.name}: {points:.1f} points more word errors than padded")
    return lines


def _as_dict(model: ModelCost) -> dict[str, Any]:
    costs = {
        way: {"cpu_ms": [round(1000 * s, 2) for s in cost.cpu_s], "per_core_s": cost.per_core_s}
        for way in ("ours", "greedy", "floor", "shipped", "tuned")
        if (cost := getattr(model, way)) is not None
    }
    throughput = model.times_throughput
    errors = model.word_errors
    return {
        "name": model.name,
        "costs": costs,
        "times_shipped": model.times_shipped,
        "times_tuned": model.times_tuned,
        "times_throughput": throughput if np.isfinite(throughput) else None,
        "word_errors": errors and {"ours": errors.ours, "padded": errors.padded},
    }


def table(report: SttReport) -> str:
    """As Markdown: CPU milliseconds an utterance, and what comes of them."""
    lines = [
        "| model | ours, 5 best | greedy | 10 s floor | shipped | tuned | × shipped | × tuned "
        "| a second and core: ours | shipped | × | WER ours | padded |",
        "|---" * 13 + "|",
    ]
    for m in report.models:
        floor = f"{1000 * m.floor.mean_s:.0f}" if m.floor else "–"
        cells = [m.name, *(f"{1000 * c.mean_s:.1f}" for c in (m.ours, m.greedy)), floor]
        cells += [f"{1000 * c.mean_s:.0f}" for c in (m.shipped, m.tuned)]
        cells += [f"{m.times_shipped:.1f}", f"{m.times_tuned:.1f}"]
        cells += [f"{m.ours.per_core_s:.1f}", f"{m.shipped.per_core_s:.1f}"]
        cells += [f"{m.times_throughput:.1f}"]
        errors = m.word_errors
        cells += (
            [f"{100 * errors.ours:.1f}%", f"{100 * errors.padded:.1f}%"] if errors else ["–"] * 2
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
