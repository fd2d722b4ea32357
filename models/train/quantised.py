"""What quantisation costs: one model stored and computed in several ways, side by side.

Each is loaded in a process of its own, since memory that one engine gave back would be counted for
the next. Run as a program it measures one of them and prints JSON: that is the process.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models import catalog
from models.errors import ModelError
from models.train.config import QUANTISATIONS
from models.train.report import Asked, loaded, trained_context

_TIMEOUT_S: Final = 3_600.0
_KB: Final = 1 if sys.platform == "darwin" else 1_024  # of ru_maxrss


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A model's folder, or name, and the type that CTranslate2 computes in."""

    name: str
    compute_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one way. memory_mb: of the process, at its most."""

    file_mb: float
    computed_in: str
    memory_mb: float
    loaded_mb: float  # of that, what came with the model and its use
    cpu_ms: float
    wer: str
    exact: str


def ways(names: Sequence[str], compute_types: Sequence[str]) -> list[Way]:
    """Every type for a single model; for the folders of a training run each in its own type."""
    found: list[Way] = []
    for name in names:
        kinds = [path.name for path in _exported(Path(name))]
        found += [Way(name=str(Path(name, kind)), compute_type="default") for kind in kinds]
        if not kinds:
            found += [Way(name=name, compute_type=kind) for kind in compute_types]
    return found


def _exported(work: Path) -> list[Path]:
    every = [work / kind for kind in reversed(QUANTISATIONS)]
    return [path for path in every if (path / "model.bin").is_file()]


def compare(chosen: Sequence[Way], asked: Asked, say: Callable[[str], None]) -> str:
    """A Markdown table, one line for each way.

    Raises:
        ModelError: one of them does not load; RecipeError: the set is missing.
    """
    loaded(asked)
    lines = [
        "| model | computed in | file | memory, of it the model's | CPU an utterance | word errors"
        " | utterances exact |",
        "|---" * 7 + "|",
    ]
    for way in chosen:
        say(f"measuring {way.name}, {way.compute_type}")
        f = _in_a_process(way, asked)
        lines.append(
            f"| {way.name} | {f.computed_in} | {f.file_mb:.1f} MB"
            f" | {f.memory_mb:.0f} MB, {f.loaded_mb:.0f} MB | {f.cpu_ms:.1f} ms"
            f" | {f.wer} | {f.exact} |"
        )
    return "\n".join(lines)


def _in_a_process(way: Way, asked: Asked) -> Figures:
    told = json.dumps([asdict(way), asdict(asked) | {"said": str(asked.said)}])
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", __name__, told], capture_output=True, text=True, timeout=_TIMEOUT_S
    )
    if done.returncode:
        last = (done.stderr.strip() or "it was killed").splitlines()[-1]
        raise ModelError(f"{way.name} in {way.compute_type} was not measured: {last}")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _measured(way: Way, asked: Asked) -> Figures:
    from models.stt import SttEngine
    from models.train.evaluate import CONDITIONS, measure, size_of
    from models.train.scoring import ErrorRate, Share

    said = loaded(asked)
    before_mb = _memory_mb()
    engine = SttEngine(way.name, trained_context(way.name), compute_type=way.compute_type)
    rows = measure(engine, said, asked.conditions or tuple(CONDITIONS))
    counts = tuple(count for row in rows for count in row.rate.counts)
    trials = sum(row.exact.trials for row in rows)
    return Figures(
        file_mb=size_of(catalog.locate(way.name)) / 1e6,
        computed_in=engine.decoder.compute_type,
        memory_mb=_memory_mb(),
        loaded_mb=_memory_mb() - before_mb,
        cpu_ms=sum(row.cpu_ms * row.exact.trials for row in rows) / max(1, trials),
        wer=str(ErrorRate(counts)),
        exact=str(Share(sum(row.exact.hits for row in rows), trials)),
    )


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KB / 1e6


def _main(told: str) -> None:
    way, asked = json.loads(told)
    given: dict[str, Any] = {
        **asked,
        "said": Path(asked["said"]),
        "conditions": tuple(asked["conditions"]),
    }
    sys.stdout.write(json.dumps(asdict(_measured(Way(**way), Asked(**given)))) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1])
