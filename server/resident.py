"""What calls need stays in memory, where that is allowed.

A machine that reclaims what was not used for a while takes code and weights too, and whoever needs
them next waits for a disk: in the tick that is silence for every caller. Nothing shows it but the
count of major page faults. As root, with CAP_IPC_LOCK, or under systemd's LimitMEMLOCK=infinity a
process may ask for its memory to be left alone, as programs do that play sound.
"""

import ctypes
import sys
from typing import Final

_MCL_CURRENT: Final = 1  # <sys/mman.h>
_MCL_ONFAULT: Final = 4  # pages once they are used: what is only reserved costs nothing


def keep_in_memory() -> bool:
    """Keep in memory what this process has mapped, from each page's next use on; is it allowed?

    Memory that is mapped later is not kept.
    """
    if sys.platform != "linux" or not _lift_limit():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.mlockall(_MCL_CURRENT | _MCL_ONFAULT) == 0


def _lift_limit() -> bool:
    """Under a limit, memory that is kept could not grow: what needs more would fail later."""
    import resource  # not everywhere

    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, unlimited)
    except (ValueError, OSError):
        return False
    return True
