"""Datagrams sent and received without the interpreter's lock changing hands, over loopback."""

import socket
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from telephony.rtp.datagrams import RECEIVES, Receiver, Sender
from telephony.rtp.inbox import Inbox

HOST = "127.0.0.1"
linux = pytest.mark.skipif(not RECEIVES, reason="Linux only")


def bound(host: str = HOST, family: int = socket.AF_INET) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    with ExitStack() as open_:
        yield open_.enter_context(bound()), open_.enter_context(bound())


def test_what_is_sent_arrives_from_the_sender_s_port(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    assert Sender(ours).send(b"\x80\x00 hello", theirs.getsockname())
    theirs.setblocking(True)
    assert theirs.recvfrom(100) == (b"\x80\x00 hello", ours.getsockname())


def test_addresses_of_other_families_are_left_to_the_socket() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with bound("::1", socket.AF_INET6) as ours, bound("::1", socket.AF_INET6) as theirs:
        assert Sender(ours).send(b"six", theirs.getsockname()[:2])
        theirs.setblocking(True)
        assert theirs.recv(100) == b"six"
        assert Inbox(ours).next(Receiver(100) if RECEIVES else None) is None


def test_what_the_network_does_not_take_is_told() -> None:
    with bound() as ours:
        assert not Sender(ours).send(b"x" * 70_000, (HOST, 9))


@linux
def test_receiver_tells_sender_and_stamp(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    inbox, receiver = Inbox(ours), Receiver(2048)
    assert inbox.next(receiver) is None
    ages: list[float] = []
    for number in range(200):  # Linux begins to stamp a moment after it was first asked to
        theirs.sendto(bytes([number]), ours.getsockname())
        time.sleep(0.002)
        found = inbox.next(receiver)
        assert found is not None
        assert found[:2] == (bytes([number]), theirs.getsockname())
        ages.append(found[2])
        if ages[-1] >= 0.002:
            break
    assert ages[-1] >= 0.002


@linux
def test_an_error_that_the_network_reports_is_counted(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    ours.connect(theirs.getsockname())  # so that the kernel tells us
    theirs.close()
    inbox, receiver = Inbox(ours), Receiver(2048)
    for _ in range(100):
        Sender(ours).send(b"anyone?", ours.getpeername())
        time.sleep(0.001)
        assert inbox.next(receiver) is None
        if inbox.errors:
            break
    assert inbox.errors > 0


@linux
def test_other_threads_do_not_get_the_lock_between_packets(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    sender, to, turns = Sender(ours), theirs.getsockname(), [0]
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            turns[0] += 1

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(0.1)  # until then nobody is asked to give the lock up
    other = threading.Thread(target=count)
    try:
        other.start()  # and it counts until we ask for the lock
        seen = turns[0]
        for _ in range(200):
            sender.send(b"packet", to)
        assert turns[0] == seen
    finally:
        stop.set()
        sys.setswitchinterval(before_s)
        other.join()
