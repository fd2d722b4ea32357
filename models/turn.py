"""Smart Turn v3.2: has the speaker finished, judged by how they sound.

A small Whisper encoder with a classifier (BSD 2-Clause, by Daily, in the wheel of pipecat-ai) that
looks at the last eight seconds and gives the probability that the turn is over. It costs some 90
CPU-ms a look, ten times a transcription by the bundled model, so it is asked only where the words
cannot tell, and not at all when the machine is busy.
"""

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from models.errors import EngineError, MissingModelError

RATE_HZ: Final = 8_000  # of what is given; the network's is 16 kHz
_NETWORK_HZ: Final = 16_000
_SECONDS: Final = 8
_MELS: Final = 80
_SHORTEST: Final = RATE_HZ // 10  # less than 100 ms is no turn


class SmartTurn:
    """One model for all calls; `complete` may be called from any thread.

    Args:
        path: the ONNX file; None: the one in the installed pipecat-ai.

    Raises:
        MissingModelError: the file is not there.
        EngineError: it cannot be loaded.
    """

    def __init__(self, path: Path | None = None, *, threads: int = 1) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        features: Any = FeatureExtractor(feature_size=_MELS, chunk_length=_SECONDS)
        self._features = features
        self._session = _session(path or _installed(), threads)
        self._lock = threading.Lock()  # the extractor keeps its padding between calls

    def complete(self, pcm: NDArray[np.int16]) -> float:
        """The probability, in [0, 1], that the turn is over where `pcm` ends.

        Args:
            pcm: int16, shape (n,), 8 kHz, any length: the turn so far with the quiet after it; its
                last eight seconds count. 0 for less than 100 ms.

        Raises:
            ValueError: another dtype or shape.
            EngineError: the network failed.
        """
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            raise ValueError(f"audio must be int16 of shape (n,), not {pcm.dtype} {pcm.shape}")
        if len(pcm) < _SHORTEST:
            return 0.0
        with self._lock:
            mels = self._features(_window(pcm), padding=0)
        try:
            logits: Any = self._session.run(None, {"input_features": mels[None, :, :]})[0]
        except Exception as error:
            raise EngineError(f"Smart Turn failed: {error}") from error
        return float(np.clip(logits[0, 0], 0.0, 1.0))


def _window(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """The last eight seconds at 16 kHz, silence before them, mean 0 and variance 1."""
    recent = pcm[-_SECONDS * RATE_HZ :].astype(np.float32) / 32_768
    audio = soxr.resample(recent, RATE_HZ, _NETWORK_HZ, quality="HQ")
    window = np.zeros(_SECONDS * _NETWORK_HZ, dtype=np.float32)
    window[len(window) - len(audio) :] = audio[: len(window)]
    return (window - window.mean()) / np.sqrt(window.var() + 1e-7)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    ort: Any = onnxruntime
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineError(f"{path} cannot be loaded: {error}") from error


def _installed() -> Path:
    spec = find_spec("pipecat")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).glob("audio/turn/smart_turn/data/smart-turn-v3*-cpu.onnx"):
            return path
    raise MissingModelError("the Smart Turn model is not installed: reinstall pipecat-ai")
