"""Memory is kept as far as the system allows: in processes of their own, which it would change."""

import json
import subprocess
import sys
from typing import Any, Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's memory locks")

_PROGRAM: Final = """
import ctypes, json, resource
from server.resident import keep_in_memory
{before}
kept = keep_in_memory()
more = bytearray(64 << 20)  # mapped afterwards
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({{"kept": kept, "locked_kb": int(status["VmLck"].split()[0])}}))
"""
_AS_NOBODY: Final = """
import os, resource
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
if os.geteuid() == 0:
    os.setuid(65534)
"""


def _run(before: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(before=before)],
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_what_it_says_is_what_the_kernel_says():
    said = _run()
    assert (said["locked_kb"] > 0) == said["kept"]


def test_memory_mapped_later_is_not_kept():
    assert _run()["locked_kb"] < 64 << 10


def test_without_the_permission_all_is_as_it_was():
    assert _run(_AS_NOBODY) == {"kept": False, "locked_kb": 0}
