"""Loads a model of CTranslate2 in the form that serves the machine best."""

from pathlib import Path
from typing import Any, Final, cast

from models.errors import EngineError

_LARGE_BYTES: Final = 1_000_000_000  # of weights: from here on a GPU shared with others gets tight


def _one_blas_thread() -> None:
    """Keep NumPy's BLAS from using threads of its own, in the whole process.

    Its threads spin between calls: the small matrix product in the features would keep a second
    core busy while the first one goes on, which doubles what an utterance costs.
    """
    from threadpoolctl import threadpool_limits

    cast(Any, threadpool_limits)(limits=1, user_api="blas")


def best_device() -> str:
    """cuda where CTranslate2 finds a GPU, else cpu."""
    import ctranslate2

    return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"


def best_compute_type(device: str, *, small: bool) -> str:
    """What serves a device best: on a GPU float16, int8 beside it where memory is the limit."""
    if device == "cpu":
        return "int8"
    return "float16" if small else "int8_float16"


def whisper(path: Path, threads: int, device: str, compute_type: str) -> Any:
    """faster-whisper's model in that folder.

    Raises:
        EngineError: it does not load.
    """
    from faster_whisper import WhisperModel  # half a second to import: only for those who listen

    load: Any = WhisperModel
    _one_blas_thread()
    device = best_device() if device == "auto" else device
    try:
        if compute_type == "auto":
            small = (path / "model.bin").stat().st_size < _LARGE_BYTES
            compute_type = best_compute_type(device, small=small)
        return load(
            str(path),
            device=device,
            compute_type=compute_type,
            cpu_threads=1,
            num_workers=threads,
            local_files_only=True,
        )
    except Exception as error:  # RuntimeError, ValueError, OSError, tokenizers' bare Exception
        raise EngineError(f"{path} does not load: {' '.join(str(error).split())}") from error
