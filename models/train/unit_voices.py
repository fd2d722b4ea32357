"""Speech from flite and Festival, with the time of every phone.

Both are programs of their own (Debian: flite, festival, festvox-kdlpc16k,
festvox-kallpc16k, festvox-us-slt-hts).
Their voices differ more from espeak-ng's, and from one another, than variants of one engine do.
slt is one woman in both engines: she is held out of training.
"""

import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.train import phonemes

FLITE_TRAINING: Final = ("kal", "kal16", "awb", "awb", "rms", "rms")
FLITE_HELD_OUT: Final = ("slt",)
FESTIVAL_TRAINING: Final = ("ked_diphone", "kal_diphone")
FESTIVAL_HELD_OUT: Final = ("cmu_us_slt_arctic_hts",)

_TIMEOUT_S: Final = 60.0


def available(program: str) -> bool:
    """Whether a synthesiser is installed."""
    return shutil.which(program) is not None


def flite(
    text: str, voice: str, rng: random.Random
) -> tuple[NDArray[np.float32], int, NDArray[np.int16]]:
    """Audio, its rate and its phone targets.

    Raises:
        OSError, subprocess.SubprocessError: flite is missing or failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        stretch = f"duration_stretch={rng.uniform(0.75, 1.3):.2f}"
        pitch = f"int_f0_target_mean={rng.uniform(75, 230):.0f}"
        command = ["flite", "-voice", voice, "--setf", stretch, "-psdur", "-t", text, "-o", path]
        if voice.startswith("kal"):  # the only one whose pitch is not that of its recordings
            command[3:3] = ["--setf", pitch]
        done = subprocess.run(  # noqa: S603
            command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
        audio, rate_hz = read_wav(path)
    ends = [pair.rpartition(":") for pair in done.stdout.split() if ":" in pair]
    return audio, rate_hz, _targets([(name, float(end)) for name, _, end in ends], audio, rate_hz)


def festival(
    texts: Sequence[str], voice: str, rng: random.Random
) -> list[tuple[NDArray[np.float32], int, NDArray[np.int16]]]:
    """The same for many texts in one run, since starting Festival takes longer than to speak.

    Raises:
        OSError, subprocess.SubprocessError: Festival is missing or failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "speak.scm")
        lines = [f"(voice_{voice})"]
        for number, text in enumerate(texts):
            plain = text.replace('"', " ").replace("\\", " ")
            lines += [
                f"(Parameter.set 'Duration_Stretch {rng.uniform(0.75, 1.3):.2f})",
                f'(set! u (Utterance Text "{plain}"))',
                "(utt.synth u)",
                f'(utt.save.wave u "{folder}/{number}.wav" \'riff)',
                f'(utt.save.segs u "{folder}/{number}.segs")',
            ]
        script.write_text("\n".join(lines) + "\n")
        subprocess.run(  # noqa: S603
            ["festival", "-b", script],  # noqa: S607
            check=True,
            capture_output=True,
            timeout=_TIMEOUT_S + len(texts),
        )
        return [_festival_read(Path(folder, str(number))) for number in range(len(texts))]


def _festival_read(stem: Path) -> tuple[NDArray[np.float32], int, NDArray[np.int16]]:
    audio, rate_hz = read_wav(stem.with_suffix(".wav"))
    rows = [line.split() for line in stem.with_suffix(".segs").read_text().splitlines()]
    ends = [(row[2], float(row[0])) for row in rows if len(row) == 3]
    return audio, rate_hz, _targets(ends, audio, rate_hz)


def _targets(
    ends: Sequence[tuple[str, float]], audio: NDArray[np.float32], rate_hz: int
) -> NDArray[np.int16]:
    starts = [0.0, *(end for _, end in ends)]
    spans = (
        (phonemes.cmu(name), start, end) for (name, end), start in zip(ends, starts, strict=False)
    )
    return phonemes.frames(spans, len(audio) / rate_hz)


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """The first channel of a 16 bit WAV file, -1 to 1, and its rate.

    Raises:
        OSError, EOFError, wave.Error: it is missing or no WAV file.
        ValueError: it has not 16 bits a sample.
    """
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path} has {8 * file.getsampwidth()} bits a sample, not 16")
        raw = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return raw[:: file.getnchannels()].astype(np.float32) / 32768.0, file.getframerate()
