"""Speech that is always the same.

espeak-ng's voice wavers where the one before it in its process left off, so that a test would hear
what others said before it.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")


def afresh(speak: Callable[..., T], *given: object) -> T:
    """What a module's function gives in a process that has spoken nothing yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as silent:
        return silent.submit(speak, *given).result()
