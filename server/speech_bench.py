"""`./frontdesk bench speech`: how soon a sentence begins to sound, rendered now or kept."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from models.tts import CachedVoice, Voice, open_voice

_UNCACHED_MS: Final = 60.0
_CACHED_MS: Final = 5.0
_LENGTHS: Final = (5, 10, 20, 30, 40)  # words
_TEXT: Final = (
    "your order left our warehouse on tuesday and should arrive at the address that you gave us "
    "within two days unless the weather keeps our drivers from the mountain roads in which case "
    "we will call you back before friday evening"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAudio:
    """Milliseconds from asking to the first audio."""

    voice: str
    words: int
    cached: bool
    p50_ms: float
    p95_ms: float
    limit_ms: float

    @property
    def met(self) -> bool:
        return self.p95_ms <= self.limit_ms


def sentence(words: int, number: int) -> str:
    """A sentence of so many words, another one for each number."""
    known = _TEXT.split()
    said = [known[index % len(known)] for index in range(number, number + words - 1)]
    return f"{' '.join(said)} {number}.".capitalize()


def measure(
    voice: Voice,
    *,
    repeats: int,
    lengths: Sequence[int] = _LENGTHS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[FirstAudio]:
    """First audio of sentences never said before, and of the same ones said again.

    Args:
        repeats: sentences of each length.

    Raises:
        EngineError: the voice failed.
    """
    cached = CachedVoice(voice)
    cached.render("Good morning.")  # what an engine does only once is not what callers wait for
    rows: list[FirstAudio] = []
    for words in lengths:
        texts = [sentence(words, number) for number in range(repeats)]
        for kept, limit_ms in ((False, _UNCACHED_MS), (True, _CACHED_MS)):
            took_ms = sorted(_first_audio_ms(cached, text, clock) for text in texts)
            rows.append(
                FirstAudio(
                    voice=voice.name,
                    words=words,
                    cached=kept,
                    p50_ms=round(took_ms[len(took_ms) // 2], 2),
                    p95_ms=round(took_ms[min(len(took_ms) - 1, len(took_ms) * 95 // 100)], 2),
                    limit_ms=limit_ms,
                )
            )
    return rows


def _first_audio_ms(voice: Voice, text: str, clock: Callable[[], float]) -> float:
    begun_s = clock()
    parts = voice.stream(text)
    next(parts)
    took_ms = 1000 * (clock() - begun_s)
    for _ in parts:  # the rest is rendered too, and all of it kept
        pass
    return took_ms


def speech(
    voices: Annotated[
        list[str] | None, typer.Option("--voice", help="A voice by name; may be repeated.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Sentences of each length.", min=1)] = 40,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a target is missed.")] = False,
) -> None:
    """First audio of a sentence: uncached of 5 to 40 words, and cached."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    rows = [
        row for name in voices or ["espeak"] for row in measure(open_voice(name), repeats=repeats)
    ]
    table = Table("voice", "words", "", "p50", "p95", "target", "met")
    for row in rows:
        table.add_row(
            *(row.voice, str(row.words), "cached" if row.cached else "uncached"),
            *(f"{row.p50_ms:.1f} ms", f"{row.p95_ms:.1f} ms", f"≤ {row.limit_ms:.0f} ms"),
            "yes" if row.met else "NO",
        )
    console.print(table)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    missed = [row for row in rows if not row.met]
    for row in missed:
        kind = "cached" if row.cached else "uncached"
        console.print(
            f"missed: {row.voice}, {row.words} words, {kind}: {row.p95_ms:.1f} ms, "
            f"wanted ≤ {row.limit_ms:.0f} ms"
        )
    if gate and missed:
        raise typer.Exit(1)
