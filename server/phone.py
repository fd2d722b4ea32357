"""`./frontdesk call`: a phone in the terminal."""

from collections.abc import Sequence
from pathlib import Path

import typer

from loadtest.phone import CallOptions, Item, Play, Press, Say, place_call
from loadtest.speech import VoiceSettings


def items_in_order(
    argv: Sequence[str], *, say: Sequence[str], play: Sequence[Path], dtmf: Sequence[str]
) -> tuple[Item, ...]:
    """What to send, in the order of the command line; the parser only gives them by kind."""
    queues: dict[str, list[Item]] = {
        "--say": [Say(text=text) for text in say],
        "--play": [Play(path=path) for path in play],
        "--dtmf": [Press(digits=digits) for digits in dtmf],
    }
    options = (argument.partition("=")[0] for argument in argv)
    return tuple(queues[option].pop(0) for option in options if queues.get(option))


async def dial(
    target: str, items: tuple[Item, ...], *, save: Path, voice: str, hold_s: float
) -> int:
    """Make the call and say how it went; returns the exit status."""
    stereo = save.with_stem(f"{save.stem}-stereo")
    summary = await place_call(
        CallOptions(
            target=target,
            items=items,
            save=save,
            save_stereo=stereo,
            voice=VoiceSettings(name=voice),
            hold_s=hold_s,
        ),
        on_progress=typer.echo,
    )
    gaps = ", ".join(f"{gap:.0f}" for gap in summary.gaps_ms) or "none"
    typer.echo(
        f"{summary.duration_s:.1f} s, {summary.prompts_heard} prompts heard, gaps {gaps} ms;"
        f" ended by {summary.ended_by} ({summary.reason})"
    )
    for path in summary.saved:
        typer.echo(f"saved {path}")
    return 0
