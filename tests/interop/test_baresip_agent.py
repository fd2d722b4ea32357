"""baresip as an agent's phone: it registers, is called, put on hold, and hangs up."""

import asyncio
import contextlib
import math
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from telephony.media_clock import MediaClock
from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.rtp.ports import PortRange
from telephony.sip.digest import hash_password
from telephony.sip.endpoint import new_token
from telephony.sip.registrar import Binding, Registrar
from tests.fakes.sip_leg_world import until
from tests.fakes.sip_phone import Phone
from tests.interop.conftest import peer
from tests.interop.test_baresip import CONFIG, read_mono, write_mono
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

OUR_HZ, THEIR_HZ = 440.0, 1000.0
REALM = "desk"


def tone(hz: float, samples: int, start: int = 0) -> Pcm:
    return (8000 * np.sin(2 * math.pi * hz * np.arange(start, start + samples) / RATE_HZ)).astype(
        np.int16
    )


def strength(pcm: np.ndarray, hz: float) -> float:
    """Share of the power that lies at this frequency, 0 to 1."""
    samples = pcm.astype(np.float64)
    power = float(samples @ samples)
    if power < len(samples):
        return 0.0
    phase = np.exp(-2j * math.pi * hz * np.arange(len(samples)) / RATE_HZ)
    return float(2 * abs(samples @ phase) ** 2 / (len(samples) * power))


class Talk:
    """Says a tone to a leg, on a media clock, and keeps what is heard."""

    def __init__(self, leg: OutgoingSipLeg) -> None:
        self._leg = leg
        self._position = 0
        self.heard: list[Pcm] = []

    def tick(self, now_s: float) -> None:
        self._leg.send_frame(tone(OUR_HZ, FRAME_SAMPLES, self._position))
        self._position += FRAME_SAMPLES
        self.heard.append(self._leg.receive_frame().copy())

    async def listen(self, seconds: float) -> Pcm:
        mark = len(self.heard)
        await asyncio.sleep(seconds)
        return np.concatenate(self.heard[mark:])


def find_modules() -> Path:
    [modules] = Path("/usr/lib").glob("**/baresip/modules")
    return modules


def recorded(folder: Path) -> np.ndarray:
    """What the phone heard."""
    [heard] = folder.glob("dump-*-dec.wav")
    return read_mono(heard)


@asynccontextmanager
async def agent_phone(folder: Path, registrar: Registrar, password: str) -> AsyncGenerator[Phone]:
    """A desk of ours, and baresip that registers there as "anna"."""
    baresip = peer("baresip")
    modules = find_modules()
    wav = folder / "agent.wav"
    write_mono(wav, tone(THEIR_HZ, 30 * RATE_HZ))
    desk = await Phone(PortRange(34_000, 34_099)).open(registrar)
    port = desk.endpoint.local_address[1]
    config = CONFIG.format(modules=modules, wav=wav, folder=folder).replace("25090", "25091")
    (folder / "config").write_text(config)
    (folder / "accounts").write_text(
        f"<sip:anna@127.0.0.1:{port}>;auth_user=anna;auth_pass={password};regint=60"
        ";answermode=auto\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(baresip, "-f", folder, "-t", "40"),
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        yield desk
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        await desk.endpoint.close()


def make_registrar() -> Registrar:
    def secret(user: str, algorithm: str) -> str | None:
        return hash_password(algorithm, user, REALM, "s3cret") if user == "anna" else None

    return Registrar(realm=REALM, secrets=secret, token=new_token)


async def registered(desk: Phone) -> Binding:
    await until(lambda: desk.endpoint.contacts("anna"), timeout_s=15)
    (binding,) = desk.endpoint.contacts("anna")
    return binding


async def test_agents_phone_registers_is_called_talks_and_is_put_on_hold(tmp_path: Path):
    async with agent_phone(tmp_path, make_registrar(), "s3cret") as desk:
        binding = await registered(desk)
        leg = await desk.dial(str(binding.contact), reach=binding.source)
        async with asyncio.timeout(15):
            await leg.answered()
        talk, clock = Talk(leg), MediaClock()
        clock.add(talk.tick)
        await clock.start()
        try:
            assert strength((await talk.listen(2.0))[-RATE_HZ:], THEIR_HZ) > 0.9
            await leg.hold()
            assert strength((await talk.listen(1.5))[-RATE_HZ // 2 :], THEIR_HZ) < 0.1
            await leg.resume()
            assert strength((await talk.listen(2.0))[-RATE_HZ:], THEIR_HZ) > 0.9
        finally:
            await clock.stop()
            await leg.hang_up("done")
    ours = recorded(tmp_path)
    assert strength(ours[RATE_HZ // 2 : RATE_HZ + RATE_HZ // 2], OUR_HZ) > 0.9


async def test_agents_phone_with_a_wrong_password_is_not_reached(tmp_path: Path):
    async with agent_phone(tmp_path, make_registrar(), "guess") as desk:
        await until(lambda: desk.endpoint.statistics.received >= 2, timeout_s=15)
        assert desk.endpoint.contacts("anna") == ()
