"""Callers go first on the machine, where it lets them: a caller who is late measures itself."""

import contextlib
import os
import sys
import threading
from typing import Final

_REAL_TIME: Final = 3  # of 99: before a server that is real-time itself, or the callers are late
_NICENESS: Final = -5  # where real time is not permitted
_SWITCH_S: Final = 0.0005  # how long the clock waits for a thread that only passes speech on


def take_precedence() -> None:
    """Have the process go first from now on.

    With all threads there are: the few that are not the clock's hold the interpreter's lock at
    times, and may not lose their core while they do. The process that recognises prompts is none of
    them, nor is the work before the first call, which would keep others from theirs.
    """
    sys.setswitchinterval(_SWITCH_S)
    with contextlib.suppress(OSError, AttributeError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        for thread in threading.enumerate():
            os.sched_setscheduler(thread.native_id or 0, policy, os.sched_param(_REAL_TIME))
        return
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
