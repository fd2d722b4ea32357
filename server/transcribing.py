"""`./frontdesk models transcribe`: a finished recording as text."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from models.recordings import Line


def transcribe(
    recording: Annotated[Path, typer.Argument(help="A WAV file, 16 bit; stereo: two speakers.")],
    model: Annotated[
        str, typer.Option(help="A model of `models list`, or a folder.")
    ] = "frontdesk-small",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write lines and words with their times.")
    ] = None,
) -> None:
    """Write down what is said in a finished recording, line by line."""
    from models import recordings
    from models.stt import SttEngine

    channels = recordings.read(recording)
    lines = recordings.transcribe(SttEngine(model), channels)
    for line in lines:
        typer.echo(_told(line, speakers=len(channels)))
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(line) for line in lines], indent=2) + "\n")


def _told(line: "Line", *, speakers: int) -> str:
    minutes, seconds = divmod(line.start_s, 60)
    who = f"speaker {line.speaker + 1}: " if speakers > 1 else ""
    return f"{minutes:02.0f}:{seconds:04.1f}  {who}{line.text}"
