"""What a network does to packets, decided without sockets."""

from itertools import groupby
from typing import Any

import pytest

from loadtest.impair import Bottleneck, Channel, Impairment
from loadtest.network import BadNetworkError, parse_network


def fates(count: int = 20_000, **impairment: Any) -> list[tuple[float, ...]]:
    """When each of many packets, one every 20 ms, arrives after it was sent."""
    channel = Channel(Impairment(**impairment))
    return [
        tuple(at_s - 0.02 * k for at_s in channel.arrivals(172, 0.02 * k)) for k in range(count)
    ]


def test_bursts_have_their_share_and_their_length():
    lost = [not arrivals for arrivals in fates(burst_loss=0.05, burst_packets=8, seed=3)]
    runs = [len(list(group)) for is_lost, group in groupby(lost) if is_lost]
    assert sum(lost) / len(lost) == pytest.approx(0.05, rel=0.25)
    assert sum(runs) / len(runs) == pytest.approx(8, rel=0.25)


def test_random_loss_comes_in_runs_of_about_one():
    lost = [not arrivals for arrivals in fates(loss=0.05, seed=3)]
    runs = [len(list(group)) for is_lost, group in groupby(lost) if is_lost]
    assert sum(runs) / len(runs) == pytest.approx(1.05, abs=0.05)


def test_held_back_packets_are_overtaken():
    arrivals = fates(1_000, reorder=0.1, reorder_s=0.03)
    late = sum(after == pytest.approx(0.03) for (after,) in arrivals)
    assert late == pytest.approx(100, rel=0.4)


def test_doubled_packets_arrive_twice():
    doubled = sum(len(each) == 2 for each in fates(1_000, duplicate=0.2))
    assert doubled == pytest.approx(200, rel=0.3)


def test_bottleneck_passes_what_fits_and_drops_what_would_wait_too_long():
    assert all(fates(500, bandwidth_bps=100_000))  # 80 kbit/s of RTP and headers
    kept = sum(bool(each) for each in fates(2_000, bandwidth_bps=40_000))
    assert kept < 1_950  # half of it cannot pass, once the buffer is full


def test_bottleneck_takes_the_time_that_the_bits_take():
    link = Bottleneck(Impairment(bandwidth_bps=8_000))
    assert link.through_s(100, 1.0) == pytest.approx(1.1)
    assert link.through_s(100, 1.0) == pytest.approx(1.2)


def test_stall_holds_everything_until_its_end():
    link = Bottleneck(Impairment(stall_s=1, stall_every_s=10))
    assert link.through_s(100, 8.9) == 8.9
    assert link.through_s(100, 9.2) == pytest.approx(10.0)
    assert link.through_s(100, 10.1) == 10.1


@pytest.mark.parametrize(
    "impossible",
    [
        {"burst_loss": 1.0},
        {"burst_packets": 0.5},
        {"duplicate": -0.1},
        {"bandwidth_bps": 0},
        {"stall_s": 2, "stall_every_s": 1},
    ],
)
def test_impossible_network_is_refused(impossible: dict[str, Any]):
    with pytest.raises(ValueError, match=r"0|burst|apart"):
        Impairment(**impossible)


def test_network_is_read_from_words():
    words = "loss=2%, burst=1%x8, delay=40ms, jitter=10ms, bandwidth=100k, stall=500ms/10s"
    assert parse_network(words) == Impairment(
        loss=0.02,
        burst_loss=0.01,
        burst_packets=8,
        delay_s=0.04,
        jitter_s=0.01,
        bandwidth_bps=100_000,
        stall_s=0.5,
        stall_every_s=10,
    )


@pytest.mark.parametrize(
    "words", ["loss", "fog=2", "delay=40", "loss=x", "jitter=50ms", "stall=1s"]
)
def test_network_that_cannot_be_read_is_an_error_that_says_why(words: str):
    with pytest.raises(BadNetworkError):
        parse_network(words)
