"""One tick for all calls, of which none may hurt the others."""

import logging

import pytest

from voice.echo_guards import EchoTick
from voice.frames import silence
from voice.plane import MediaPlane


class Detectors:
    def __init__(self, log: list[str]) -> None:
        self._log = log

    def run(self) -> int:
        self._log.append("detect")
        return 0


class Session:
    """Notes what it is told; raises where it is to."""

    def __init__(self, name: str, log: list[str], *, fails: str = "") -> None:
        self._name, self._log, self._fails = name, log, fails
        self.ended: list[str] = []

    def listen(self) -> None:
        self._note("listen")

    def act(self, now_s: float) -> None:
        self._note("act")

    def end(self, reason: str) -> None:
        self.ended.append(reason)

    def _note(self, what: str) -> None:
        self._log.append(f"{self._name} {what}")
        if what == self._fails:
            raise RuntimeError("a defect in one call")


def test_all_ears_come_before_the_detectors_and_all_mouths_after_them() -> None:
    log: list[str] = []
    plane = MediaPlane(Detectors(log))
    plane.add(Session("a", log))
    plane.add(Session("b", log))
    plane.tick(1.0)
    assert log == ["a listen", "b listen", "detect", "a act", "b act"]


class Guard:
    """Has a tick of its call looked at, with the others."""

    def __init__(self) -> None:
        self.explained: list[float] = []

    def settle(self, explained: float, *, summing: bool) -> None:
        self.explained.append(explained)


def test_echoes_are_looked_for_when_all_calls_have_been_sent_to() -> None:
    plane, guard = MediaPlane(Detectors([])), Guard()
    row = plane.echo_guards.lend(guard)
    plane.echo_guards.take(EchoTick(guard, row, *[silence()] * 3, rested=None, rested_ticks=0))
    plane.tick(1.0)
    assert guard.explained == []
    plane.reflect(1.0)
    assert guard.explained == [0.0]


@pytest.mark.parametrize("fails", ["listen", "act"])
def test_a_call_that_raises_is_ended_and_logged_and_the_others_go_on(
    fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    plane = MediaPlane(Detectors(log))
    broken, well = Session("broken", log, fails=fails), Session("well", log)
    plane.add(broken)
    plane.add(well)
    with caplog.at_level(logging.ERROR, logger="voice.plane"):
        plane.tick(1.0)
        log.clear()
        plane.tick(1.02)
    assert broken.ended == ["internal_error"]
    assert well.ended == []
    assert log == ["well listen", "detect", "well act"]
    assert plane.calls == 1
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is not None
