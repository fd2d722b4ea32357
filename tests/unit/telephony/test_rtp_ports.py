import socket

import pytest

from telephony.rtp import PortsExhaustedError
from telephony.rtp.ports import PortRange


def test_only_even_ports_with_a_free_odd_neighbour_are_lent() -> None:
    ports = PortRange(20_001, 20_006)
    assert [ports.take() for _ in range(ports.free)] == [20_002, 20_004]


def test_no_port_is_lent_twice() -> None:
    ports = PortRange(20_000, 20_099)
    assert len({ports.take() for _ in range(50)}) == 50


def test_an_exhausted_range_says_so() -> None:
    ports = PortRange(20_000, 20_003)
    assert [ports.take(), ports.take()] == [20_000, 20_002]
    with pytest.raises(PortsExhaustedError, match="all 2 media ports of 20000-20003"):
        ports.take()


def test_a_released_port_waits_until_all_others_were_used() -> None:
    ports = PortRange(20_000, 20_005)
    ports.release(ports.take())
    assert [ports.take() for _ in range(3)] == [20_002, 20_004, 20_000]


def test_releasing_twice_is_harmless() -> None:
    ports = PortRange(20_000, 20_003)
    port = ports.take()
    ports.release(port)
    ports.release(port)
    assert (ports.free, ports.taken) == (2, 0)


@pytest.mark.parametrize(
    ("first", "last"),
    [(80, 20_000), (30_000, 20_000), (20_000, 70_000), (20_001, 20_002), (2000, 2000)],
)
def test_a_range_without_a_usable_port_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="media ports"):
        PortRange(first, last)


def bound_elsewhere() -> tuple[socket.socket, PortRange]:
    """A port held by another socket, and a range of it and the next pair."""
    while True:
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        if port % 2 == 0 and port < 65_000:
            return held, PortRange(port, port + 3)
        held.close()


def test_a_port_another_process_holds_is_passed_over_and_stays_in_the_range() -> None:
    held, ports = bound_elsewhere()
    with held, ports.bind("127.0.0.1") as bound:
        assert bound.getsockname()[1] == held.getsockname()[1] + 2
        assert (ports.free, ports.taken) == (1, 1)


def test_a_range_held_by_other_processes_is_exhausted_and_whole() -> None:
    held, ports = bound_elsewhere()
    with held, ports.bind("127.0.0.1"):
        with pytest.raises(PortsExhaustedError):
            ports.bind("127.0.0.1")
        assert (ports.free, ports.taken) == (1, 1)


@pytest.mark.parametrize(("host", "error"), [("203.0.113.1", OSError), ("nowhere", ValueError)])
def test_an_address_that_is_not_ours_costs_no_port(host: str, error: type[Exception]) -> None:
    ports = PortRange(20_000, 20_003)
    with pytest.raises(error):
        ports.bind(host)
    assert (ports.free, ports.taken) == (2, 0)
