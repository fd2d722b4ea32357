"""The thread that serves calls goes first: in processes of their own, which it would change."""

import json
import os
import subprocess
import sys
from typing import Any, Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's scheduler")

_PROGRAM: Final = """
import json, os, sys, threading
from server.precedence import take_precedence
{before}
got = take_precedence()
theirs = []
thread = threading.Thread(target=lambda: theirs.append(os.sched_getscheduler(0)))
thread.start()
thread.join()
print(json.dumps({{"got": got, "ours": os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK,
    "nice": os.getpriority(os.PRIO_PROCESS, 0), "theirs": theirs[0],
    "switch_s": sys.getswitchinterval()}}))
"""


def _run(before: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(before=before)],
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_what_it_says_was_allowed_is_what_the_kernel_says():
    said = _run()
    if said["got"] == "real_time":
        assert said["ours"] == os.SCHED_RR
    elif said["got"] == "niceness":
        assert (said["ours"], said["nice"]) == (os.SCHED_OTHER, -10)
    else:
        assert (said["ours"], said["nice"]) == (os.SCHED_OTHER, 0)


def test_threads_started_afterwards_have_no_precedence():
    assert _run()["theirs"] == os.SCHED_OTHER


def test_a_thread_that_asks_for_the_interpreter_gets_it_within_a_millisecond():
    assert _run()["switch_s"] <= 0.001


def test_a_machine_with_one_core_is_left_to_others_too():
    said = _run("os.sched_getaffinity = lambda _: {0}")
    assert said["got"] in ("niceness", "none")
    assert said["ours"] == os.SCHED_OTHER


def test_where_nothing_is_allowed_all_is_as_it_was():
    said = _run(
        "def refuse(*_): raise PermissionError\nos.sched_setscheduler = os.setpriority = refuse"
    )
    assert (said["got"], said["ours"], said["nice"]) == ("none", os.SCHED_OTHER, 0)
