"""The SIP door of the server: agents' phones register there, and it calls them and others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from pydantic import SecretStr

from server.calls import Calls
from server.config import RtpConfig, SipConfig
from server.errors import StartError
from server.sip_door import SipDoor
from telephony.leg import Leg, LegRefusedError
from telephony.sip.digest import Credentials, DigestClient, hash_password
from telephony.sip.headers import Headers
from telephony.sip.message import Request, Response, respond, serialise
from telephony.sip.parser import parse
from telephony.sip.uri import parse_uri
from tests.fakes.sip_leg_world import HOST, Inbox, until
from tests.fakes.sip_phone import phones

RTP = RtpConfig(port_min=34_300, port_max=34_399)


class NoCalls:
    """Takes none."""

    def admit(self, *, caller: str, trunk: str) -> int | None:
        return 30

    def busy(self, *, trunk: str) -> int | None:
        return 30

    def take(self, leg: Leg) -> None:
        raise AssertionError("nothing was admitted")


def kept(user: str, algorithm: str) -> str | None:
    return hash_password(algorithm, user, "frontdesk", "s3cret") if user == "anna" else None


@asynccontextmanager
async def door(**settings: object) -> AsyncGenerator[SipDoor]:
    config = SipConfig.model_validate({"host": HOST, "port": 0, **settings})
    opened = await SipDoor.open(config, RTP, cast(Calls, NoCalls()), agents=kept)
    try:
        yield opened
    finally:
        await opened.close()


async def register(at: SipDoor) -> Inbox:
    """What a phone does: REGISTER, challenge, REGISTER. Its contact is no address at all."""
    socket = await Inbox().open()
    digest = DigestClient(Credentials(user="anna", password="s3cret"), lambda: "cnonce")
    for number in (1, 2):
        fields = [("Via", f"SIP/2.0/UDP {HOST}:{socket.port};branch=z9hG4bKr{number}")]
        fields += [("From", "<sip:anna@desk>;tag=a"), ("To", "<sip:anna@desk>")]
        fields += [("Call-ID", "reg"), ("CSeq", f"{number} REGISTER"), ("Max-Forwards", "70")]
        fields.append(("Contact", "<sip:anna@behind-nat.invalid>"))
        uri = parse_uri("sip:desk")
        request = digest.sign(Request(method="REGISTER", uri=uri, headers=Headers(fields)))
        address = parse_uri(at.uri).address
        socket.transport.sendto(serialise(request), address)
        await until(lambda number=number: len(socket.datagrams) == number)
        response = parse(socket.datagrams[-1])
        assert isinstance(response, Response)
        assert digest.challenged(response, 0) or response.status == 200
    socket.datagrams.clear()
    return socket


async def test_registered_phone_is_reached_by_its_users_name_where_it_registered_from():
    async with door() as desk:
        phone = await register(desk)
        assert [b.source for b in desk.contacts("anna")] == [(HOST, phone.port)]
        leg = await desk.dial("anna")
        await until(lambda: phone.datagrams)
        assert phone.datagrams[0].startswith(b"INVITE sip:anna@behind-nat.invalid SIP/2.0")
        hanging_up = asyncio.create_task(leg.hang_up("done"))
        invite = parse(phone.datagrams[0])
        assert isinstance(invite, Request)
        busy = serialise(respond(invite, 486, to_tag="phone"))
        phone.transport.sendto(busy, parse_uri(desk.uri).address)
        await hanging_up
        phone.transport.close()


async def test_uri_is_called_where_it_says():
    async with door(caller="sip:desk@example.com") as desk, phones(1) as (agent,):
        leg = await desk.dial(agent.uri, {"User-to-User": "6964;encoding=hex"})
        theirs = await agent.next_leg()
        await asyncio.gather(theirs.answer(), leg.answered())
        assert agent.calls[0].from_uri == "sip:desk@example.com"
        assert agent.calls[0].headers.get("User-to-User") == "6964;encoding=hex"
        await leg.hang_up("done")


async def test_extension_goes_through_the_proxy():
    async with phones(1) as (pbx,):
        host_port = pbx.uri.partition("@")[2]
        async with door(proxy=host_port, proxy_user="desk", proxy_password=SecretStr("x")) as desk:
            leg = await desk.dial("100")
            theirs = await pbx.next_leg()
            assert pbx.calls[0].to_uri == f"sip:100@{host_port}"
            assert pbx.calls[0].headers.get("Route") == f"<sip:{host_port};lr>"
            await theirs.reject(486)
            with pytest.raises(LegRefusedError):
                await leg.answered()


async def test_name_nobody_registered_has_no_phone():
    async with door() as desk:
        with pytest.raises(LegRefusedError) as refused:
            await desk.dial("anna")
        assert refused.value.status == 480


async def test_proxy_that_is_no_address_stops_the_start():
    with pytest.raises(StartError, match="proxy"):
        async with door(proxy="no proxy"):
            pass


async def test_dispatcher_that_probes_a_full_desk_is_told_to_ask_another():
    async with door() as desk:
        probe = await Inbox().open()
        fields = [("Via", f"SIP/2.0/UDP {HOST}:{probe.port};branch=z9hG4bKprobe")]
        fields += [("From", "<sip:proxy@desk>;tag=p"), ("To", "<sip:desk@desk>")]
        fields += [("Call-ID", "probe"), ("CSeq", "1 OPTIONS"), ("Max-Forwards", "70")]
        request = Request(method="OPTIONS", uri=parse_uri("sip:desk"), headers=Headers(fields))
        probe.transport.sendto(serialise(request), parse_uri(desk.uri).address)
        await until(lambda: probe.datagrams)
        response = parse(probe.datagrams[0])
        assert isinstance(response, Response)
        assert (response.status, response.headers.get("Retry-After")) == (503, "30")
        probe.transport.close()
