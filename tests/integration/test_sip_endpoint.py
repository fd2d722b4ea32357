"""The SIP endpoint on a real socket, called by a caller that knows SIP only as text."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from telephony.leg import LegGoneError
from telephony.sip.endpoint import IncomingCall, SipEndpoint
from telephony.sip.errors import LocalProtocolError, MalformedSdpError
from telephony.sip.media import Direction, MediaAgreement

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Caller(asyncio.DatagramProtocol):
    """A telephone made of strings: it sends what it is told and keeps what comes."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
        self.transport: asyncio.DatagramTransport
        self.to_tag = ""
        self.call_id = "integration"
        self._branches = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.inbox.put_nowait(data.decode())

    def send(
        self, method: str, *lines: str, number: int = 1, body: str = "", branch: str = ""
    ) -> None:
        self._branches += 1
        port = self.transport.get_extra_info("sockname")[1]
        branch = branch or f"z9hG4bK{self._branches}"
        head = (
            f"{method} sip:desk@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch={branch}",
            "From: Alice <sip:alice@example.com>;tag=caller",
            f"To: <sip:desk@127.0.0.1>{self.to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:alice@127.0.0.1:{port}>",
            *lines,
            *(["Content-Type: application/sdp"] if body.startswith("v=") else []),
        )
        self.transport.sendto(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    async def receive(self, start: str) -> str:
        """The next message, which must begin like that."""
        async with asyncio.timeout(5):
            message = await self.inbox.get()
        assert message.startswith(start), message
        return message

    async def invite(self, body: str = OFFER) -> None:
        self.send(
            "INVITE", "User-to-User: 68616e646f6666;encoding=hex", body=body, branch="z9hG4bKi"
        )
        await self.receive("SIP/2.0 100 ")

    async def accepted(self) -> str:
        """Wait for the 200 and take over its tag."""
        ok = await self.receive("SIP/2.0 200 ")
        self.take_tag(ok)
        return ok

    def take_tag(self, message: str) -> None:
        found = re.search(r"\r\nTo: [^\r]*(;tag=\w+)", message)
        assert found is not None
        self.to_tag = found[1]

    async def confirm_bye(self) -> None:
        bye = await self.receive("BYE ")
        copied = re.findall(r"(?:Via|From|To|Call-ID|CSeq): [^\r]*\r\n", bye)
        self.transport.sendto(f"SIP/2.0 200 OK\r\n{''.join(copied)}\r\n".encode())


class Desk:
    """An endpoint that keeps its calls, and what they reported."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue(maxsize=100)
        self.reports: asyncio.Queue[object] = asyncio.Queue(maxsize=100)
        self.retry_after_s: int | None = None
        self.endpoint: SipEndpoint

    def on_call(self, call: IncomingCall) -> None:
        call.on_ended = self.reports.put_nowait
        call.on_key = self.reports.put_nowait
        call.on_media_changed = self.reports.put_nowait
        self.calls.put_nowait(call)

    async def report(self) -> object:
        async with asyncio.timeout(5):
            return await self.reports.get()


@contextlib.asynccontextmanager
async def calling(endpoint: SipEndpoint) -> AsyncGenerator[Caller]:
    transport, caller = await asyncio.get_running_loop().create_datagram_endpoint(
        Caller, remote_addr=("127.0.0.1", endpoint.local_address[1])
    )
    caller.transport = transport
    try:
        yield caller
    finally:
        transport.close()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    desk.endpoint = await SipEndpoint.open(
        "127.0.0.1", 0, on_call=desk.on_call, allow_call=lambda _caller, _source: desk.retry_after_s
    )
    yield desk
    await desk.endpoint.close(timeout_s=0)


@pytest.fixture
async def caller(desk: Desk) -> AsyncIterator[Caller]:
    async with calling(desk.endpoint) as caller:
        yield caller


async def establish(desk: Desk, caller: Caller) -> tuple[IncomingCall, MediaAgreement]:
    await caller.invite()
    call = await desk.calls.get()
    answering = asyncio.create_task(call.answer(call.local_host, 4000))
    await caller.accepted()
    caller.send("ACK")
    return call, await answering


async def test_call_is_answered_and_hung_up_by_the_caller(desk: Desk, caller: Caller):
    await caller.invite()
    call = await desk.calls.get()
    assert (call.call_id, call.from_uri, call.to_uri) == (
        *("integration", "sip:alice@example.com", "sip:desk@127.0.0.1"),
    )
    assert call.peer == f"127.0.0.1:{caller.transport.get_extra_info('sockname')[1]}"
    assert call.headers.get("User-to-User") == "68616e646f6666;encoding=hex"
    assert call.offer is not None
    call.ring()
    await caller.receive("SIP/2.0 180 ")
    answering = asyncio.create_task(call.answer("127.0.0.1", 4000))
    ok = await caller.accepted()
    assert "\r\nm=audio 4000 RTP/AVP 8 101\r\n" in ok
    assert not answering.done()
    caller.send("ACK")
    agreement = await answering
    assert (agreement.codec, agreement.remote_port, agreement.event_payload_type) == (
        *("PCMA", 6000, 101),
    )
    caller.send("BYE", number=2)
    await caller.receive("SIP/2.0 200 ")
    assert (await desk.report(), call.ended) == ("caller_hangup", "caller_hangup")
    assert desk.endpoint.call_count == 0
    await call.hang_up()  # of no effect, and at once


async def test_server_hangs_up(desk: Desk, caller: Caller):
    call, _ = await establish(desk, caller)
    hanging_up = [asyncio.create_task(call.hang_up()) for _ in range(2)]
    await caller.confirm_bye()
    await asyncio.gather(*hanging_up)
    assert await desk.report() == "server_hangup"
    assert caller.inbox.empty()


async def test_cancelled_call_cannot_be_answered(desk: Desk, caller: Caller):
    await caller.invite()
    call = await desk.calls.get()
    caller.send("CANCEL", branch="z9hG4bKi")
    await caller.receive("SIP/2.0 200 ")
    await caller.receive("SIP/2.0 487 ")
    assert await desk.report() == "cancelled"
    with pytest.raises(LegGoneError):
        await call.answer("127.0.0.1", 4000)
    call.ring()
    call.reject(486)
    assert caller.inbox.empty()


async def test_caller_who_hangs_up_instead_of_acknowledging_is_gone(desk: Desk, caller: Caller):
    await caller.invite()
    call = await desk.calls.get()
    answering = asyncio.create_task(call.answer("127.0.0.1", 4000))
    await caller.accepted()
    caller.send("BYE", number=2)
    await caller.receive("SIP/2.0 200 ")
    with pytest.raises(LegGoneError):
        await answering


async def test_answering_twice_is_our_mistake(desk: Desk, caller: Caller):
    call, _ = await establish(desk, caller)
    with pytest.raises(LocalProtocolError):
        await call.answer("127.0.0.1", 4000)


async def test_ack_without_the_answer_to_our_offer_fails_the_call(desk: Desk, caller: Caller):
    await caller.invite(body="")
    call = await desk.calls.get()
    assert call.offer is None
    answering = asyncio.create_task(call.answer("127.0.0.1", 4000))
    assert "\r\nm=audio 4000 RTP/AVP 0 8 101\r\n" in await caller.accepted()
    caller.send("ACK")
    with pytest.raises(MalformedSdpError):
        await answering
    await caller.confirm_bye()
    assert await desk.report() == "server_hangup"


async def test_rejected_call_gets_the_status_and_retry_after(desk: Desk, caller: Caller):
    await caller.invite()
    call = await desk.calls.get()
    with pytest.raises(LocalProtocolError):
        call.reject(200)
    call.reject(486, retry_after_s=9)
    assert "\r\nRetry-After: 9\r\n" in await caller.receive("SIP/2.0 486 ")
    assert await desk.report() == "server_hangup"


async def test_full_server_refuses_at_once(desk: Desk, caller: Caller):
    desk.retry_after_s = 3
    caller.send("INVITE", body=OFFER)
    assert "\r\nRetry-After: 3\r\n" in await caller.receive("SIP/2.0 503 ")
    assert desk.calls.empty()
    assert desk.endpoint.statistics.refused == 1


async def test_hold_and_keys_are_reported(desk: Desk, caller: Caller):
    await establish(desk, caller)
    caller.send("INVITE", number=2, body=OFFER + "a=sendonly\r\n")
    assert "\r\na=recvonly\r\n" in await caller.receive("SIP/2.0 200 ")
    caller.send("ACK", number=2)
    changed = await desk.report()
    assert isinstance(changed, MediaAgreement)
    assert changed.direction is Direction.RECVONLY
    caller.send("INFO", "Content-Type: application/dtmf-relay", number=3, body="Signal=7\r\n")
    await caller.receive("SIP/2.0 200 ")
    assert await desk.report() == "7"


async def test_200_is_repeated_by_the_clock_until_ack(desk: Desk, caller: Caller):
    await caller.invite()
    call = await desk.calls.get()
    answering = asyncio.create_task(call.answer("127.0.0.1", 4000))
    first = await caller.accepted()
    assert await caller.receive("SIP/2.0 200 ") == first
    caller.send("ACK")
    await answering
    assert desk.endpoint.statistics.retransmitted == 1


async def test_failing_handler_costs_its_call_only(caplog: pytest.LogCaptureFixture):
    def fail(call: IncomingCall) -> None:
        raise ValueError("broken")

    endpoint = await SipEndpoint.open("127.0.0.1", 0, on_call=fail)
    async with calling(endpoint) as caller:
        await caller.invite()
        await caller.receive("SIP/2.0 500 ")
        caller.send("ACK", branch="z9hG4bKi")
        caller.send("OPTIONS", number=2)
        await caller.receive("SIP/2.0 200 ")
    await endpoint.close()
    assert "on_call failed" in caplog.text


async def test_closing_says_bye_to_live_calls_and_refuses_new_ones(desk: Desk, caller: Caller):
    await establish(desk, caller)
    closing = asyncio.create_task(desk.endpoint.close())
    bye = await caller.receive("BYE ")
    caller.to_tag = ""
    caller.send("INVITE", number=9, body=OFFER)
    await caller.receive("SIP/2.0 503 ")
    copied = "".join(re.findall(r"(?:Via|From|To|Call-ID|CSeq): [^\r]*\r\n", bye))
    caller.transport.sendto(f"SIP/2.0 200 OK\r\n{copied}\r\n".encode())
    await closing
    assert await desk.report() == "server_hangup"
    await desk.endpoint.close()  # again, without effect


async def test_closing_does_not_wait_for_a_caller_that_is_gone(desk: Desk, caller: Caller):
    call, _ = await establish(desk, caller)
    await desk.endpoint.close(timeout_s=0.05)
    assert (await desk.report(), call.ended) == ("server_hangup", "server_hangup")
    await call.hang_up()


async def test_closing_at_once_still_says_bye(desk: Desk, caller: Caller):
    await establish(desk, caller)
    await desk.endpoint.close(timeout_s=0)
    await caller.receive("BYE ")


async def test_wait_for_the_answer_can_be_given_up(desk: Desk, caller: Caller):
    await caller.invite()
    call = await desk.calls.get()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await call.answer("127.0.0.1", 4000)
    await caller.accepted()
    hanging_up = asyncio.create_task(call.hang_up())
    assert await desk.report() == "server_hangup"
    caller.send("ACK")
    await caller.confirm_bye()
    await hanging_up


async def test_port_in_use_is_the_operating_systems_error(desk: Desk):
    with pytest.raises(OSError, match="in use"):
        await SipEndpoint.open("127.0.0.1", desk.endpoint.local_address[1], on_call=desk.on_call)


@pytest.mark.parametrize(
    ("bound", "advertised", "seen"),
    [("0.0.0.0", None, "127.0.0.1"), ("0.0.0.0", "203.0.113.5", "203.0.113.5")],
)
async def test_peers_are_told_an_address_they_can_reach(
    bound: str, advertised: str | None, seen: str
):
    desk = Desk()
    endpoint = await SipEndpoint.open(bound, 0, on_call=desk.on_call, advertised_host=advertised)
    async with calling(endpoint) as caller:
        await caller.invite()
        call = await desk.calls.get()
        assert call.local_host == seen
        call.ring()
        contact = f"\r\nContact: <sip:{seen}:{endpoint.local_address[1]}>\r\n"
        assert contact in await caller.receive("SIP/2.0 180 ")
    await endpoint.close()


async def test_answer_goes_to_where_the_request_came_from(desk: Desk):
    """RFC 3581: the Via names a place that is not the caller's."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as behind_nat:
        behind_nat.setblocking(False)
        behind_nat.bind(("127.0.0.1", 0))
        text = (
            "OPTIONS sip:desk@127.0.0.1 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 10.1.2.3:5060;branch=z9hG4bKnat;rport\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: nat\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        await loop.sock_sendto(behind_nat, text.encode(), desk.endpoint.local_address)
        async with asyncio.timeout(5):
            answer = (await loop.sock_recv(behind_nat, 65_535)).decode()
        port = behind_nat.getsockname()[1]
    assert answer.startswith("SIP/2.0 200 OK\r\n")
    assert f"Via: SIP/2.0/UDP 10.1.2.3:5060;branch=z9hG4bKnat;rport={port};received=127.0.0.1" in (
        answer
    )


async def test_datagrams_that_are_no_sip_are_counted_and_harmless(desk: Desk, caller: Caller):
    for data in (b"\x00" * 100, b"\r\n\r\n", b"INVITE", bytes(range(256))):
        caller.transport.sendto(data)
    caller.send("OPTIONS")
    await caller.receive("SIP/2.0 200 ")
    assert (desk.endpoint.statistics.received, desk.endpoint.statistics.malformed) == (5, 3)


async def test_calls_at_the_same_time_are_kept_apart(desk: Desk):
    async def one_call(number: int) -> None:
        async with calling(desk.endpoint) as caller:
            caller.call_id = str(number)
            await caller.invite()
            ok = await caller.accepted()
            assert f"\r\nm=audio {4000 + number} RTP/AVP " in ok
            caller.send("ACK")
            caller.send("BYE", number=2)
            await caller.receive("SIP/2.0 200 ")

    async def serve(call: IncomingCall) -> None:
        await call.answer("127.0.0.1", 4000 + int(call.call_id))

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(one_call(number))
        for _ in range(20):
            group.create_task(serve(await desk.calls.get()))
    assert [await desk.report() for _ in range(20)] == ["caller_hangup"] * 20
    assert (desk.endpoint.call_count, desk.endpoint.statistics.established) == (0, 20)
