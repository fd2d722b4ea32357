"""Recordings of turn-taking whose truth is known: sound where a test says so, silence elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.pcm import RATE_HZ, Pcm
from loadtest.report import MediaStats
from loadtest.turns.call import CallRecording, Mark
from loadtest.turns.cases import Condition, Kind
from loadtest.turns.prompts import Prompt
from loadtest.turns.spans import HeardSpan, stretches_of

MEDIA = MediaStats(
    packets_sent=100,
    packets_received=100,
    packets_lost=0,
    packets_late=0,
    clock_late_p99_ms=1.0,
    clock_late_max_ms=2.0,
)


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """Frontdesk is heard from `from_s` to `to_s`."""

    from_s: float
    to_s: float
    ending: Prompt | None = Prompt.ANYTHING_ELSE  # None: cut in the middle
    filler: bool = False
    apology: bool = False


def says(
    from_s: float,
    to_s: float,
    kind: Kind = Kind.REQUEST,
    *,
    overlap: bool = False,
    takes_turn: bool = True,
    text: str = "where is my order",
    drowned_s: float = 0.0,
) -> Mark:
    """The caller is heard from `from_s` to `to_s`, the last `drowned_s` not over the room."""
    return Mark(
        kind=kind,
        start=round(from_s * RATE_HZ),
        end=round(to_s * RATE_HZ),
        audible_end=round((to_s - drowned_s) * RATE_HZ),
        text=text,
        overlap=overlap,
        takes_turn=takes_turn,
    )


def recorded(
    frontdesk: Sequence[Sounds],
    caller: Sequence[Mark],
    *,
    condition: Condition = Condition.CLEAN,
    length_s: float = 20.0,
) -> CallRecording:
    """A call in which both were heard as said; frontdesk's stretches are found in its audio."""
    heard = sound_track([(each.from_s, each.to_s) for each in frontdesk], length_s)
    found = stretches_of(heard)
    assert len(found) == len(frontdesk), "stretches must be 0.4 s apart and end in silence"
    return CallRecording(
        name="synthetic",
        caller="caller",
        condition=condition,
        said=sound_track([(mark.start / RATE_HZ, mark.end / RATE_HZ) for mark in caller], length_s),
        heard=heard,
        marks=tuple(caller),
        spans=tuple(
            HeardSpan(
                start=stretch.start,
                end=stretch.end,
                ending=each.ending,
                filler=each.filler,
                apology=each.apology,
            )
            for stretch, each in zip(found, frontdesk, strict=True)
        ),
        ended="the plan is done",
        media=MEDIA,
    )


def sound_track(sounding_s: Sequence[tuple[float, float]], length_s: float) -> Pcm:
    """Sound within these seconds, silence elsewhere."""
    random = np.random.default_rng(7)
    track = np.zeros(round(length_s * RATE_HZ), dtype=np.int16)
    for from_s, to_s in sounding_s:
        start, end = round(from_s * RATE_HZ), round(to_s * RATE_HZ)
        track[start:end] = random.normal(0, 3_000, end - start).clip(-32_000, 32_000)
    return track
