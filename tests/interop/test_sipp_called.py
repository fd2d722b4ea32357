"""sipp as whoever we call: it answers, is busy, does not answer, and takes a REFER on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from telephony.leg import LegRefusedError
from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.rtp.ports import PortRange
from telephony.sip.user_to_user import UserToUser
from tests.fakes.sip_leg_world import until
from tests.fakes.sip_phone import Phone
from tests.interop.conftest import peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

SCENARIOS = Path(__file__).parent / "sipp"
PORT = 25_081


@asynccontextmanager
async def calling(scenario: str, folder: Path) -> AsyncGenerator[OutgoingSipLeg]:
    """A call to sipp, which plays the scenario; it must be content in the end."""
    sipp = await asyncio.create_subprocess_exec(
        *(peer("sipp"), "-sf", SCENARIOS / f"{scenario}.xml", "-i", "127.0.0.1", "-p", str(PORT)),
        *("-mi", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    phone = await Phone(PortRange(34_200, 34_299)).open()
    leg = await phone.dial(f"sip:agent@127.0.0.1:{PORT}")
    yield leg
    said, _ = await sipp.communicate()
    await phone.endpoint.close()
    assert sipp.returncode == 0, said.decode()[-3000:]


async def test_sipp_rings_answers_and_is_hung_up_on(tmp_path: Path):
    rung: list[bool] = []
    async with calling("uas_answer", tmp_path) as leg:
        leg.on_ringing = lambda: rung.append(True)
        await leg.answered()
        await leg.hang_up("done")
    assert rung == [True]


async def test_sipp_is_busy(tmp_path: Path):
    async with calling("uas_busy", tmp_path) as leg:
        with pytest.raises(LegRefusedError) as refused:
            await leg.answered()
        assert refused.value.status == 486


async def test_sipp_does_not_answer_and_is_cancelled(tmp_path: Path):
    rung: list[bool] = []
    async with calling("uas_no_answer", tmp_path) as leg:
        leg.on_ringing = lambda: rung.append(True)
        await until(lambda: rung)
        await leg.hang_up("no answer")


async def test_sipp_is_referred_and_tells_how_it_goes(tmp_path: Path):
    async with calling("uas_refer", tmp_path) as leg:
        await leg.answered()
        referral = await leg.refer("sip:carol@192.0.2.7", user_to_user=UserToUser(data=b"id"))
        async with asyncio.timeout(10):
            assert [status async for status in referral] == [202, 100, 180, 200]
        await leg.hang_up("done")
