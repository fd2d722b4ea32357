"""What a tick computes with does not come from the kernel anew each time."""

import ctypes
import subprocess
import sys

import pytest

_TICKS = 100
_PROGRAM = f"""
import resource, sys
import numpy as np
from server.kept_memory import keep_freed_memory

def tick():
    parts = [np.ones(150_000, dtype=np.float32) for _ in range(4)]
    return sum(parts)

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(10):
    tick()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({_TICKS}):
    tick()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True
    )
    return int(run.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc's"
)
def test_memory_of_a_tick_is_there_on_the_next() -> None:
    assert page_faults("keep") < _TICKS < page_faults("as it is")
