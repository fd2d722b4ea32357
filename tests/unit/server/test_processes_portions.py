"""What several processes divide among themselves, and what they cannot do."""

from pathlib import Path

import pytest

from server.config import Config, RtpConfig
from server.errors import StartError
from server.processes.portions import media_ports, recognition_threads
from server.processes.settings import ServeConfig, usable_cores
from telephony.rtp.ports import PortRange


@pytest.mark.parametrize(("first", "last", "workers"), [(20_000, 29_999, 3), (20_001, 20_008, 3)])
def test_media_ports_are_split_evenly_and_never_shared(first: int, last: int, workers: int):
    rtp = RtpConfig(port_min=first, port_max=last)
    shares = [PortRange(*media_ports(rtp, worker, workers)) for worker in range(workers)]
    taken = [{share.take() for _ in range(share.free)} for share in shares]
    assert len({len(each) for each in taken}) == 1
    assert len(set[int]().union(*taken)) == sum(map(len, taken))
    assert all(first <= port < last for each in taken for port in each)


def test_one_worker_has_all_media_ports():
    rtp = RtpConfig(port_min=20_000, port_max=29_999)
    assert media_ports(rtp, 0, 1) == (20_000, 29_999)


def test_too_few_media_ports_stop_the_start():
    with pytest.raises(StartError, match="too few for 3"):
        media_ports(RtpConfig(port_min=20_000, port_max=20_004), 0, 3)


@pytest.mark.parametrize(("threads", "workers", "each"), [(2, 2, 1), (2, 8, 1), (8, 3, 3)])
def test_recognition_threads_are_those_of_all_workers(threads: int, workers: int, each: int):
    assert (
        recognition_threads(Config.model_validate({"speech": {"threads": threads}}), workers)
        == each
    )


def test_container_that_is_allowed_less_than_it_sees_has_fewer_cores(tmp_path: Path):
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "missing")


def test_auto_is_a_process_for_each_core():
    assert ServeConfig(processes="auto").count == usable_cores()
    assert ServeConfig().count == 1
