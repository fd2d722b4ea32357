"""Media streams over real sockets: who is let in, and one whole call by a carrier."""

import asyncio
import contextlib
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.config import ConfigError, load_config
from server.twilio_webhook import twilio_webhook
from telephony.media_streams.endpoint import EndpointOptions, MediaStreamEndpoint
from telephony.media_streams.leg import MediaStreamLeg
from telephony.media_streams.signature import HEADER, CarrierGate, Form, sign
from tests.fakes import carrier
from tests.fakes.carrier_call import streaming
from tests.fakes.postgres import PostgresForTests
from tests.fakes.recordings import contains_phrase
from tests.fakes.system import System, system_running
from voice.events import KeyPressed, LegEnded, LegEvent

TOKEN = "the carrier's token"
PUBLIC_URL = "https://desk.example.com"
STREAM_URL = "wss://desk.example.com/twilio/stream"
SIGNED = {HEADER: sign(TOKEN, STREAM_URL)}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a socket's progress raises no event
            await asyncio.sleep(0.001)


class World:
    """An endpoint of ours, and the calls that got through to it."""

    def __init__(self) -> None:
        self.retry_after_s: int | None = None
        self.admissions: list[tuple[str, str]] = []
        self.legs: list[MediaStreamLeg] = []
        self.events: list[LegEvent] = []
        self.endpoint: MediaStreamEndpoint

    async def open(self, *, token: str | None, max_connections: int = 8) -> None:
        self.endpoint = await MediaStreamEndpoint.open(
            EndpointOptions(
                host="127.0.0.1",
                port=0,
                path="/twilio/stream",
                public_url=STREAM_URL,
                gate=CarrierGate(token=token),
                max_connections=max_connections,
            ),
            on_call=self._on_call,
            admit=self._admit,
        )

    def url(self, path: str = "/twilio/stream") -> str:
        return f"ws://127.0.0.1:{self.endpoint.port}{path}"

    def _admit(self, caller: str, trunk: str) -> int | None:
        self.admissions.append((caller, trunk))
        return self.retry_after_s

    def _on_call(self, leg: MediaStreamLeg) -> None:
        leg.on_event = self.events.append
        self.legs.append(leg)


@asynccontextmanager
async def world_open(
    *, token: str | None = None, max_connections: int = 8
) -> AsyncGenerator[World, None]:
    world = World()
    await world.open(token=token, max_connections=max_connections)
    try:
        yield world
    finally:
        await world.endpoint.close()


async def refusal(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """How the upgrade is refused."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers=headers)
    response = refused.value.response
    return httpx.Response(response.status_code, headers=dict(response.headers))


async def close_code(connection: ClientConnection) -> int:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            await connection.recv()
    assert connection.close_code is not None
    return connection.close_code


async def test_stream_becomes_a_call_with_audio_and_keys_both_ways() -> None:
    async with world_open(token=TOKEN) as world:
        async with connect(world.url(), additional_headers=SIGNED) as connection:
            await connection.send(carrier.connected())
            await connection.send(carrier.start(parameters={"From": "+15550100"}))
            await until(lambda: world.legs)
            [leg] = world.legs
            await leg.answer()
            assert leg.info.caller == "+15550100"
            await connection.send(carrier.audio(carrier.TONE, 1))
            await connection.send(carrier.audio(carrier.TONE, 2))
            await connection.send(carrier.dtmf("5"))
            await until(lambda: world.events)
            assert leg.receive_frame().any()
            leg.send_frame(carrier.TONE)
            async with asyncio.timeout(5):
                assert '"media"' in str(await connection.recv())
        await until(lambda: len(world.events) == 2)
        assert world.events == [KeyPressed(key="5"), LegEnded(reason="caller_hangup")]


async def test_unsigned_streams_are_refused_with_403() -> None:
    async with world_open(token=TOKEN) as world:
        assert (await refusal(world.url())).status_code == 403
        assert (await refusal(world.url(), {HEADER: "x"})).status_code == 403
        assert (await refusal(world.url("/twilio/stream?a=1"), SIGNED)).status_code == 403
        assert world.admissions == []


async def test_without_a_token_this_machine_may_call_but_no_proxy_for_others() -> None:
    async with world_open() as world:
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        assert (await refusal(world.url(), forwarded)).status_code == 403
        async with connect(world.url()) as connection:
            await connection.send(carrier.start())
            await until(lambda: world.legs)


async def test_other_paths_are_not_found() -> None:
    async with world_open() as world:
        assert (await refusal(world.url("/"))).status_code == 404


async def test_full_server_refuses_the_upgrade_and_says_when_to_try_again() -> None:
    async with world_open() as world:
        world.retry_after_s = 30
        refused = await refusal(world.url())
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")


async def test_stream_that_finds_the_server_full_at_its_start_is_closed() -> None:
    async with world_open() as world, connect(world.url()) as connection:
        world.retry_after_s = 30
        await connection.send(carrier.start())
        assert await close_code(connection) == 1013
        assert world.legs == []


async def test_stream_is_admitted_as_a_call_of_its_caller_over_its_account() -> None:
    async with world_open() as world, connect(world.url()) as connection:
        await connection.send(carrier.start(parameters={"From": "+15550100"}))
        await until(lambda: world.legs)
        assert world.admissions == [("", ""), ("+15550100", "AC0123456789abcdef")]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (carrier.dtmf("1"), 1002),
        ("nonsense", 1007),
        (carrier.start(encoding="audio/l16"), 1003),
        ("x" * 70_000, 1009),
    ],
)
async def test_stream_without_a_start_is_closed(message: str, code: int) -> None:
    async with world_open() as world, connect(world.url()) as connection:
        await connection.send(message)
        assert await close_code(connection) == code
        assert world.legs == []


async def test_connections_beyond_the_bound_are_cut_and_room_is_made_again() -> None:
    async with world_open(max_connections=2) as world:
        port = world.endpoint.port
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(2):
                assert await reader.read() == b""
        for _, each in (*idle, (reader, writer)):
            each.close()
            with contextlib.suppress(ConnectionResetError):
                await each.wait_closed()
        await until_connected(world)


async def until_connected(world: World) -> None:
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(ConnectionError, EOFError, ConnectionClosed):
                async with connect(world.url()) as connection:
                    await connection.send(carrier.start())
                    await until(lambda: world.legs)
                    return


async def test_carrier_that_vanishes_is_a_network_error() -> None:
    async with world_open() as world:
        connection = await connect(world.url())
        await connection.send(carrier.start())
        await until(lambda: world.legs)
        connection.transport.abort()
        await until(lambda: world.events)
        assert world.events == [LegEnded(reason="network_error")]


async def test_hanging_up_waits_until_the_caller_has_heard_everything() -> None:
    async with world_open() as world, connect(world.url()) as connection:
        await connection.send(carrier.start())
        await until(lambda: world.legs)
        [leg] = world.legs
        await leg.answer()
        leg.send_frame(carrier.TONE)
        hanging_up = asyncio.create_task(leg.hang_up("done"))
        received = [json.loads(await connection.recv()) for _ in range(2)]
        assert [message["event"] for message in received] == ["media", "mark"]
        assert not hanging_up.done()
        await connection.send(carrier.mark(received[1]["mark"]["name"]))
        assert await close_code(connection) == 1000
        await hanging_up


async def test_carrier_that_stops_reading_costs_old_audio_and_is_cleared_afterwards() -> None:
    async with world_open() as world, connect(world.url()) as connection:
        await connection.send(carrier.start())
        await until(lambda: world.legs)
        [leg] = world.legs
        await leg.answer()
        for _ in range(50_000):
            leg.send_frame(carrier.TONE)
            if leg.statistics.dropped > 100:
                break
            await asyncio.sleep(0)
        assert leg.statistics.dropped > 100
        async with asyncio.timeout(10):
            while json.loads(await connection.recv())["event"] != "clear":
                pass
            assert json.loads(await connection.recv())["event"] == "media"


# --- the webhook ----------------------------------------------------------------------------------

FORM: Form = [("CallSid", "CA1"), ("From", "+15550100"), ("To", '"<&>"')]
VOICE_URL = f"{PUBLIC_URL}/twilio/voice"


async def ask(
    *,
    signature: str | None,
    token: str | None = TOKEN,
    body: bytes | None = None,
    full: bool = False,
) -> httpx.Response:
    """Ask the webhook what to do with a call."""
    app = FastAPI()
    app.include_router(
        twilio_webhook(
            gate=CarrierGate(token=token),
            public_url=PUBLIC_URL,
            stream_url=STREAM_URL,
            admit=lambda _caller, _trunk: 30 if full else None,
        )
    )
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if signature is not None:
            headers[HEADER] = signature
        content = body if body is not None else str(httpx.QueryParams(list(FORM))).encode()
        return await client.post("/twilio/voice", content=content, headers=headers)


async def test_webhook_tells_the_carrier_to_stream_and_to_pass_on_who_calls() -> None:
    answer = await ask(signature=sign(TOKEN, VOICE_URL, FORM))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/xml")
    stream = ElementTree.fromstring(answer.content).find("./Connect/Stream")
    assert stream is not None
    assert stream.attrib == {"url": STREAM_URL}
    parameters = {each.attrib["name"]: each.attrib["value"] for each in stream}
    assert parameters == {"From": "+15550100", "To": '"<&>"'}


async def test_webhook_of_a_full_server_rejects_the_call_as_busy() -> None:
    answer = await ask(signature=sign(TOKEN, VOICE_URL, FORM), full=True)
    reject = ElementTree.fromstring(answer.content).find("./Reject")
    assert reject is not None
    assert reject.attrib == {"reason": "busy"}


async def test_webhook_refuses_who_has_not_signed() -> None:
    assert (await ask(signature=None)).status_code == 403
    assert (await ask(signature=sign(TOKEN, VOICE_URL))).status_code == 403
    assert (await ask(signature=sign(TOKEN, VOICE_URL, FORM), token=None)).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"a=%ff", 400), (b"\xff", 400), (b"a&" * 300, 400), (b"a" * 65_537, 413)],
)
async def test_webhook_refuses_what_is_no_form(body: bytes, status: int) -> None:
    assert (await ask(signature="x", body=body)).status_code == status


# --- configuration --------------------------------------------------------------------------------


def test_no_streams_are_taken_unless_a_port_is_set() -> None:
    assert load_config().streams.port is None


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"auth_token": "s3cret"}, "streams.public_url"),
        ({"auth_token": "", "public_url": PUBLIC_URL}, "streams.auth_token"),
        ({"public_url": "desk.example.com"}, "streams.public_url"),
        ({"public_url": PUBLIC_URL + "?a=1"}, "streams.public_url"),
        ({"public_url": PUBLIC_URL + ":99999"}, "streams.public_url"),
    ],
)
def test_wrong_settings_are_named_without_showing_the_token(
    wrong: dict[str, str], key: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(streams=wrong)
    assert key in str(error.value)
    assert "s3cret" not in str(error.value)


# --- one whole call -------------------------------------------------------------------------------


def signed_question(system: System) -> httpx.Response:
    form = [("CallSid", carrier.CALL_SID), ("From", "+15550100"), ("To", "+15550199")]
    return httpx.post(
        f"{system.server.ready['http']}/twilio/voice",
        data=dict(form),
        headers={HEADER: sign(TOKEN, VOICE_URL, form)},
    )


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_caller_of_a_carrier_asks_where_the_order_is_and_hears_it(
    tmp_path: Path, postgres: PostgresForTests
) -> None:
    databases = postgres.fresh_database(), postgres.fresh_database()
    settings = {
        "FRONTDESK_STREAMS__PORT": "0",
        "FRONTDESK_STREAMS__AUTH_TOKEN": TOKEN,
        "FRONTDESK_STREAMS__PUBLIC_URL": PUBLIC_URL,
    }
    with system_running(tmp_path, *databases, **settings) as system:
        twiml = ElementTree.fromstring(signed_question(system).content)
        stream = twiml.find("./Connect/Stream")
        assert stream is not None
        assert stream.attrib["url"] == STREAM_URL
        parameters = {each.attrib["name"]: each.attrib["value"] for each in stream}
        asyncio.run(ask_where_the_order_is(system, parameters))
        call = system.last_call()
    assert (call["caller"], call["callee"]) == ("+15550100", "+15550199")
    assert (call["transport"], call["end_reason"]) == ("twilio/ws", "caller_hangup")
    assert "get_order: succeeded" in [did for turn in call["turns"] for did in turn["actions"]]


async def ask_where_the_order_is(system: System, parameters: dict[str, str]) -> None:
    async with streaming(system.streams, headers=SIGNED, parameters=parameters) as call:
        await call.hear_prompt()
        assert contains_phrase(call.heard, "Welcome to Oakline")
        await call.say("where is my order")
        await call.hear_prompt()
        assert contains_phrase(call.heard, "What is your order number?")
        await call.press("4815")
        await call.hear_prompt()
        await call.press("90210")
        await call.hear_prompt()
        assert contains_phrase(call.heard, "Your order is being prepared")
    assert set(call.events) == {"media"}
