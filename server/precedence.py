"""The thread that serves calls goes before everything else on the machine, where that is allowed.

A tick that is 60 ms late is a hole in what every caller hears; the recogniser, the database and
whatever else runs here have all the time in comparison. So that thread is given to Linux's
real-time scheduler, which a process may use as root, with CAP_SYS_NICE, or under systemd's
LimitRTPRIO=. It is idle most of the time, and the kernel leaves others 5% of its core even when it
is not. Where it is the only core we have, or real time is not allowed, a better niceness is asked
for; where even that is refused all is as it was.

Threads of the same process also wait for each other, for the interpreter's lock: whoever holds it
gives it up when asked, but lets the asker wait for the switch interval before.
"""

import os
import sys
import threading
from enum import StrEnum
from typing import Final

_PRIORITY: Final = 1  # of 99: before everything that is not real-time, behind all that is
_NICENESS: Final = -10
_SWITCH_S: Final = 0.0005  # 5 ms by default, a quarter of the time between two ticks


class Precedence(StrEnum):
    """What the system allowed."""

    REAL_TIME = "real_time"
    NICENESS = "niceness"
    NONE = "none"


def take_precedence() -> Precedence:
    """Have the calling thread go first from now on; threads and processes it starts do not."""
    sys.setswitchinterval(_SWITCH_S)
    if _be_real_time():
        return Precedence.REAL_TIME
    return Precedence.NICENESS if _be_less_nice() else Precedence.NONE


def _be_real_time() -> bool:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return False
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(_PRIORITY))
    except OSError:
        return False
    return True


def _be_less_nice() -> bool:
    if sys.platform != "linux":  # elsewhere niceness is the whole process's
        return False
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
    except OSError:
        return False
    return True
