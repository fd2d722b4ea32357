"""The thread that serves calls goes before everything else on the machine, where that is allowed.

A tick that is 60 ms late is a hole in what every caller hears; the recogniser, the database and
whatever else runs here have all the time in comparison. So that thread is given to Linux's
real-time scheduler, which a process may use as root, with CAP_SYS_NICE, or under systemd's
LimitRTPRIO=. It is idle most of the time, and the kernel leaves others 5% of its core even when it
is not. Where it is the only core we have, or real time is not allowed, a better niceness is asked
for; where even that is refused all is as it was.

Threads of one process also wait for each other, for the interpreter's lock, which changes hands at
every packet sent. Whoever gets it then and loses their core to another process keeps the thread
that serves calls waiting, whatever its own precedence. So threads that hold it often and briefly go
before other processes too, behind the one that serves calls. Those that work long do not: engines
compute in threads of their own, which never hold the lock.
"""

import os
import sys
import threading
from enum import StrEnum
from typing import Final

from server import log_writer

_PRIORITY: Final = 2  # of 99: before everything that is not real-time, behind all that is
_HELPERS: Final = 1
_BRIEF: Final = ("stt-", "tts", "turn", "asyncio_", log_writer.NAME)
"""Threads that are there before anyone serves calls: recognition's, which prepare and pass on what
CTranslate2 computes, the voices', which are called back with every piece of sound, the turn
model's, those of asyncio's pool, and the log's."""
_NICENESS: Final = -10
_SWITCH_S: Final = 0.0005  # 5 ms by default, a quarter of the time between two ticks


class Precedence(StrEnum):
    """What the system allowed."""

    REAL_TIME = "real_time"
    NICENESS = "niceness"
    NONE = "none"


_taken = Precedence.NONE


def take_precedence(*, as_helper: bool = False) -> Precedence:
    """Have the calling thread go first from now on, and its helpers right behind it.

    Threads and processes that are started later do not, unless they ask by `help_calls`.

    Args:
        as_helper: it serves no calls itself, but those who do wait for it.
    """
    global _taken
    sys.setswitchinterval(_SWITCH_S)
    if _be_real_time(0, _HELPERS if as_helper else _PRIORITY):
        _taken = Precedence.REAL_TIME
        for thread in threading.enumerate():
            if thread.name.startswith(_BRIEF) and thread.native_id is not None:
                _be_real_time(thread.native_id, _HELPERS)
    else:
        _taken = Precedence.NICENESS if _be_less_nice() else Precedence.NONE
    return _taken


def help_calls() -> None:
    """Have the calling thread go before other processes, if the one it helps does.

    For the threads of a pool whose work is brief: as its initializer.
    """
    if _taken is Precedence.REAL_TIME:
        _be_real_time(0, _HELPERS)


def _be_real_time(thread: int, priority: int) -> bool:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return False
    policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
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
