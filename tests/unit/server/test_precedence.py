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
from concurrent.futures import ThreadPoolExecutor
from server.precedence import help_calls, take_precedence
{before}
def policy(thread=0):
    return os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK
over = threading.Event()
early = threading.Thread(target=over.wait, name="stt-0")
early.start()
got = take_precedence()
pool = ThreadPoolExecutor(1, initializer=help_calls)
helpers = [policy(early.native_id), pool.submit(policy).result()]
theirs = [ThreadPoolExecutor(1).submit(policy).result()]
over.set()
print(json.dumps({{"got": got, "ours": policy(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0), "theirs": theirs[0], "helpers": helpers,
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


def test_helpers_go_before_other_processes_exactly_where_calls_do():
    said = _run()
    assert said["helpers"] == [said["ours"]] * 2


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
