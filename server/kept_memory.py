"""Memory that is freed is kept for the next tick.

What NumPy computes with on a tick is some hundred kilobytes that are freed right afterwards. The C
library gives such memory back to the kernel, and gets it again on the next tick page by page: each
page costs as much as the arithmetic on it.
"""

import ctypes
import sys
from typing import Final

# Parameters of mallopt(3), glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3

_KEPT: Final = 16 << 20  # octets of free memory that are kept
_AT_ONCE: Final = 4 << 20  # larger pieces, which no tick asks for, go back all the same


def keep_freed_memory() -> bool:
    """Keep some megabytes of what is freed from now on; whether the C library does."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, others do not
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _AT_ONCE) and mallopt(_TRIM_THRESHOLD, _KEPT))
