"""Log lines that must not hold up whoever logs."""

import io
import json
import logging
import subprocess
import sys
import threading
import time

from server.log_writer import LogWriter
from server.observability import JsonFormatter, request_context


class Stuck(io.StringIO):
    """A reader that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.begun = threading.Event()

    def write(self, text: str, /) -> int:
        self.begun.set()
        self.let.wait()
        return super().write(text)


def logger_to(handler: LogWriter, name: str) -> logging.Logger:
    handler.setFormatter(JsonFormatter(personal=False))
    log = logging.Logger(name)
    log.addHandler(handler)
    return log


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_come_out_in_order_with_the_context_they_were_logged_in():
    stream = io.StringIO()
    handler = LogWriter(stream)
    log = logger_to(handler, "order")
    with request_context("first"):
        log.info("one")
    log.info("two", extra={"calls": 3})
    handler.close()
    one, two = lines(stream)
    assert (one["message"], one["request_id"]) == ("one", "first")
    assert (two["message"], two["calls"], "request_id" in two) == ("two", 3, False)


def test_whoever_logs_does_not_wait_for_a_reader_who_takes_nothing():
    stream = Stuck()
    handler = LogWriter(stream, most_waiting=2)
    log = logger_to(handler, "stuck")
    log.info("being written")
    stream.begun.wait()
    for number in range(5):
        log.info("waits or is left out", extra={"number": number})
    assert stream.getvalue() == ""  # and yet we are here
    stream.let.set()
    while stream.getvalue().count("\n") < 3:
        time.sleep(0.001)
    log.info("after")
    handler.close()
    said = lines(stream)
    assert [line.get("number") for line in said[1:3]] == [0, 1]
    assert (said[3]["message"], said[3]["lines"]) == (
        "log lines were left out: nobody took them in time",
        3,
    )
    assert said[4]["message"] == "after"


def test_what_was_logged_last_is_written_before_the_process_ends():
    program = (
        "import logging\n"
        "from server.observability import configure_logging\n"
        "configure_logging('INFO', personal=False)\n"
        "[logging.info('line') for _ in range(500)]\n"
        "raise SystemExit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 3
    assert done.stderr.count(b'"message": "line"') == 500
