"""The caller's SIP and RTP against sipp, a peer that knows nothing of us."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from loadtest.errors import RefusedError, UnreachableError
from loadtest.phone import CallOptions, Play, place_call
from loadtest.sip_uac import SipPhone
from loadtest.speech import VoiceSettings, render
from loadtest.wav import read_wav, write_wav

SIPP = shutil.which("sipp")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SIPP is None, reason="sipp is not installed"),
]

HEADERS = """[last_Via:]
[last_From:]
[last_To:];tag=sipp
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
"""
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""


def receive(method: str) -> str:
    return f'<recv request="{method}"/>'


def send(message: str, *, retransmit: bool = False) -> str:
    attribute = ' retrans="500"' if retransmit else ""
    return f"<send{attribute}><![CDATA[\n{message}\n]]></send>"


def respond(status: str, extra: str = "", *, sdp: bool = False, retransmit: bool = False) -> str:
    body = SDP if sdp else "Content-Length: 0\n"
    return send(f"SIP/2.0 {status}\n{HEADERS}{extra}{body}", retransmit=retransmit)


def request(method: str, number: int, extra: str = "", *, sdp: bool = False) -> str:
    """A request of sipp's inside the call; $1 holds our From and $2 our Contact URI."""
    return send(
        f"{method} [$2] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "From: <sip:desk@[local_ip]:[local_port]>;tag=sipp\nTo:[$1]\n[last_Call-ID:]\n"
        f"CSeq: {number} {method}\nContact: <sip:[local_ip]:[local_port]>\n"
        f"Max-Forwards: 70\n{extra}{SDP if sdp else 'Content-Length: 0'}",
        retransmit=method != "ACK",
    )


REMEMBER = """<recv request="INVITE"><action>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="1"/>
<ereg regexp="sip:[^&gt;]*" search_in="hdr" header="Contact:" assign_to="2"/>
</action></recv>"""


@dataclass
class Sipp:
    target: str
    process: asyncio.subprocess.Process

    async def finished(self) -> int:
        """sipp's exit status: 0 when the call went exactly by its scenario."""
        return await asyncio.wait_for(self.process.wait(), timeout=10)


@contextlib.asynccontextmanager
async def sipp(tmp_path: Path, *steps: str, options: tuple[str, ...] = ()) -> AsyncGenerator[Sipp]:
    """A sipp that takes one call by `steps`."""
    assert SIPP is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "uas.xml"
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="uas">'
        f"{''.join(steps)}</scenario>\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(SIPP, "-sf", str(path), "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port)),
        *("-m", "1", "-nostdin", "-timeout", "20", *options),
        cwd=tmp_path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _until_bound(port)
        yield Sipp(target=f"sip:desk@127.0.0.1:{port}", process=process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_bound(port: int) -> None:
    """Wait until somebody holds the UDP port."""
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("sipp did not start")


async def test_phone_completes_a_call_and_hears_its_own_echo(tmp_path: Path) -> None:
    said = render("forty two oak street", VoiceSettings(name="en-gb"))
    write_wav(tmp_path / "said.wav", said)
    steps = (
        receive("INVITE"),
        respond("180 Ringing"),
        respond("200 OK", sdp=True, retransmit=True),
        receive("ACK"),
        receive("BYE"),
        respond("200 OK"),
    )
    async with sipp(tmp_path, *steps, options=("-rtp_echo",)) as peer:
        summary = await place_call(
            CallOptions(
                target=peer.target,
                items=(Play(path=tmp_path / "said.wav"),),
                save=tmp_path / "back.wav",
                answer_timeout_s=0.5,
                quiet_s=0.3,
            )
        )
        assert await peer.finished() == 0
    assert summary.ended_by == "caller"
    assert summary.media.packets_received > 50
    assert summary.media.packets_lost == 0
    back = read_wav(tmp_path / "back.wav").astype(float)
    match = np.correlate(back, said.astype(float), "valid").max() / float(
        (said.astype(float) ** 2).sum()
    )
    assert match > 0.95


async def test_far_end_may_move_the_media_ask_for_options_and_hang_up(tmp_path: Path) -> None:
    steps = (
        REMEMBER,
        respond("180 Ringing"),
        respond("200 OK", sdp=True, retransmit=True),
        receive("ACK"),
        request("OPTIONS", 101),
        '<recv response="200"/>',
        request("INVITE", 102, sdp=True),
        '<recv response="200"/>',
        request("ACK", 102),
        request("INFO", 103),
        '<recv response="405"/>',
        request("BYE", 104, "Reason: Q.850;cause=16\n"),
        '<recv response="200"/>',
    )
    async with sipp(tmp_path, *steps) as peer, SipPhone.open(peer.target) as phone:
        await phone.dial(media_port=40_000)
        ended = await asyncio.wait_for(phone.wait_ended(), timeout=10)
        assert (ended.by, ended.reason) == ("frontdesk", "Q.850;cause=16")
        assert await peer.finished() == 0


@pytest.mark.parametrize(
    ("status", "extra", "line", "later_s"),
    [
        ("486 Busy Here", "", "refused: 486 Busy Here", None),
        ("488 Not Acceptable Here", "", "refused: 488 Not Acceptable Here", None),
        (
            "503 Service Unavailable",
            "Retry-After: 7\n",
            "refused: 503 Service Unavailable, retry after 7 s",
            7,
        ),
    ],
)
async def test_refusal_is_acknowledged_and_reported(
    tmp_path: Path, status: str, extra: str, line: str, later_s: int | None
) -> None:
    steps = (receive("INVITE"), respond(status, extra, retransmit=True), receive("ACK"))
    async with sipp(tmp_path, *steps) as peer:
        with pytest.raises(RefusedError) as caught:
            await place_call(CallOptions(target=peer.target))
        assert (str(caught.value), caught.value.retry_after_s) == (line, later_s)
        assert caught.value.after_s is not None
        assert await peer.finished() == 0


async def test_ringing_for_too_long_is_cancelled(tmp_path: Path) -> None:
    steps = (
        receive("INVITE"),
        respond("180 Ringing"),
        receive("CANCEL"),
        respond("200 OK"),
        respond("487 Request Terminated").replace("[last_CSeq:]", "CSeq: 1 INVITE"),
        receive("ACK"),
    )
    async with sipp(tmp_path, *steps) as peer:
        with pytest.raises(UnreachableError, match="nobody answered"):
            await place_call(CallOptions(target=peer.target, ring_timeout_s=0.6))
        assert await peer.finished() == 0
