"""Whether the processes of a machine share one recogniser."""

from pathlib import Path
from typing import Final

from models import catalog
from server.config import Config

LARGE_BYTES: Final = 50_000_000
"""Of weights. Each process has its own copy of them; the bundled model's are 12 MB."""

_GPUS: Final = (Path("/dev/nvidia0"), Path("/dev/dxg"))  # what drivers show, containers as well


def shares_recogniser(config: Config) -> bool:
    """As configured; where that is left to us, for large models and on a GPU.

    Raises:
        ModelError: the model is not here.
    """
    shared = config.speech.shared
    if config.serve.count < 2 or shared is False:
        return False
    return shared is True or weights_bytes(config.speech.stt) > LARGE_BYTES or _on_gpu()


def weights_bytes(model: str) -> int:
    """On disk.

    Args:
        model: a name of the catalogue, or a folder.

    Raises:
        ModelError: it is not here.
    """
    return sum(file.stat().st_size for file in catalog.locate(model).glob("model*.bin"))


def _on_gpu() -> bool:
    # The engine knows, but is large: it is asked only where there is something to know.
    if not any(path.exists() for path in _GPUS):
        return False
    from models.loading import best_device

    return best_device() == "cuda"
