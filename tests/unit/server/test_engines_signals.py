"""No signal is taken by a thread of an engine."""

import signal
import threading
from pathlib import Path

from server.engines import signals_kept_out


def blocked_here() -> set[int]:
    """Of the thread that asks; what the kernel says."""
    status = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text()
    mask = int(status.partition("SigBlk:")[2].split()[0], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def seen_by_a_thread() -> set[int]:
    seen: list[set[int]] = []
    thread = threading.Thread(target=lambda: seen.append(blocked_here()))
    thread.start()
    thread.join()
    return seen[0]


def test_threads_made_meanwhile_take_no_signals_but_their_own_faults():
    before = blocked_here()
    with signals_kept_out():
        blocked = seen_by_a_thread()
    assert {signal.SIGTERM, signal.SIGCHLD, signal.SIGPROF, signal.SIGUSR1} <= blocked
    assert (
        not {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT} & blocked
    )
    assert blocked_here() == before
    assert seen_by_a_thread() == before
