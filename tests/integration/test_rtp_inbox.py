"""The inbox of a media socket, over the loopback interface."""

import socket
import sys
import time
from collections.abc import Generator

import pytest

from telephony.rtp.inbox import MOST_AT_ONCE, Datagram, Inbox

_HOST = "127.0.0.1"


class Line:
    """A socket of ours with its inbox, and the far end's."""

    def __init__(self) -> None:
        self.ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.ours.bind((_HOST, 0))
        self.theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.theirs.bind((_HOST, 0))
        self.inbox = Inbox(self.ours)

    def send(self, data: bytes) -> None:
        self.theirs.sendto(data, self.ours.getsockname())

    def come(self, count: int) -> list[Datagram]:
        """What the inbox gives, once so many have come."""
        found: list[Datagram] = []
        ends_s = time.monotonic() + 5
        while len(found) < count and time.monotonic() < ends_s:
            found += self.inbox.take()
        return found

    def until_stamped(self) -> None:
        """Linux begins to stamp a moment after the first socket of the machine asked it to."""
        ends_s = time.monotonic() + 5
        while time.monotonic() < ends_s:
            self.send(b"is it?")
            time.sleep(0.01)
            [(_, _, age_s)] = self.come(1)
            if age_s >= 0.01:
                break


@pytest.fixture
def line() -> Generator[Line]:
    made = Line()
    yield made
    made.ours.close()
    made.theirs.close()


def test_datagrams_come_in_order_and_say_who_sent_them(line: Line) -> None:
    for data in (b"one", b"two", b"three"):
        line.send(data)
    found = line.come(3)
    assert [data for data, _, _ in found] == [b"one", b"two", b"three"]
    assert {sender for _, sender, _ in found} == {line.theirs.getsockname()}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what arrives")
def test_a_datagram_that_waited_says_for_how_long(line: Line) -> None:
    line.until_stamped()
    line.send(b"early")
    time.sleep(0.05)
    line.send(b"late")
    (_, _, early_s), (_, _, late_s) = line.come(2)
    assert early_s - late_s >= 0.05


def test_an_inbox_without_mail_gives_nothing(line: Line) -> None:
    assert line.inbox.take() == []


def test_a_flood_is_taken_in_portions(line: Line) -> None:
    for _ in range(2 * MOST_AT_ONCE):
        line.send(b"again")
    line.come(1)
    assert len(line.inbox.take()) <= MOST_AT_ONCE


def test_a_closed_socket_is_an_empty_one(line: Line) -> None:
    line.send(b"too late")
    line.ours.close()
    assert line.inbox.take() == []
    assert line.inbox.errors == 0


def test_a_clock_that_was_set_back_makes_no_packet_come_from_the_future(line: Line) -> None:
    line.inbox = Inbox(line.ours, wall_s=lambda: 0.0)
    line.send(b"x")
    assert [age_s for _, _, age_s in line.come(1)] == [0.0]
