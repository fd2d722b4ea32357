"""The phone door over HTTP: who may call, and what they are told."""

import uuid
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from server.calls import Calls
from server.config import ConfigError, PhoneConfig, load_config
from server.feed import Feed
from server.ice import for_browsers, webrtc_options
from server.pages import mount_assets
from server.phone_door import PhoneDoor
from server.phone_line import OwnPhoneLine
from telephony.leg import Leg
from telephony.webrtc import WebRtcPeers
from tests.fakes.webrtc_peer import BrowserPeer

HERE = "http://desk.example"
SETTINGS: dict[str, Any] = {
    "host_addresses": ["127.0.0.1"],
    "allowed_origins": ["https://calls.example"],
    "ice_servers": [
        {"urls": ["stun:127.0.0.1:9"]},
        {"urls": ["turn:127.0.0.1:9"], "username": "desk", "credential": "relay-only"},
    ],
}


class FakeCalls:
    """Takes calls, or is full."""

    def __init__(self) -> None:
        self.retry_after_s: int | None = None
        self.taken: dict[uuid.UUID, Leg] = {}

    def admit(self, *, trunk: str) -> int | None:
        assert trunk == "phone"
        return self.retry_after_s

    def take(self, leg: Leg, call_id: uuid.UUID, *, trunk: str) -> None:
        assert trunk == "phone"
        self.taken[call_id] = leg


class Desk:
    """The door, a client of it, and a browser that offers."""

    def __init__(self) -> None:
        config = PhoneConfig.model_validate({**SETTINGS, "ice_servers": []})
        self.calls, self.feed, self.now_s = FakeCalls(), Feed(), 0.0
        self.browser = BrowserPeer()
        self.client = self._client(config)
        self.client_with_servers = self._client(PhoneConfig.model_validate(SETTINGS))

    def _client(self, config: PhoneConfig) -> httpx.AsyncClient:
        app = FastAPI()
        line = OwnPhoneLine(
            cast("Calls", self.calls),
            WebRtcPeers(webrtc_options(config, media_timeout_s=20)),
            self.feed,
        )
        door = PhoneDoor(config, line=line, clock=lambda: self.now_s)
        app.include_router(door.router)
        mount_assets(app)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE)

    async def call(self, *, origin: str | None = HERE, body: Any = None) -> httpx.Response:
        headers = {} if origin is None else {"Origin": origin}
        offer = body or {"type": "offer", "sdp": await self.browser.offer()}
        return await self.client.post("/v1/phone/offer", json=offer, headers=headers)

    async def close(self) -> None:
        for leg in self.calls.taken.values():
            await leg.hang_up("test over")
        self.feed.close()
        await self.browser.close()
        await self.client.aclose()
        await self.client_with_servers.aclose()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.close()


@pytest.mark.parametrize("origin", [HERE, "https://calls.example"])
async def test_offer_becomes_a_call_and_its_captions_reach_the_browser(desk: Desk, origin: str):
    answer = await desk.call(origin=origin)
    assert answer.status_code == 200, answer.text
    [(call_id, leg)] = desk.calls.taken.items()
    assert (answer.json()["type"], answer.json()["call_id"]) == ("answer", str(call_id))
    assert (leg.info.transport, leg.info.callee) == ("webrtc", "/phone")
    await desk.browser.take(answer.json()["sdp"])
    await leg.answer()
    said = {"kind": "start", "caller_text": "", "said": "Welcome."}
    desk.feed.publish({"event": "turn_decided", "call_id": str(call_id), **said})
    await desk.browser.until_told()
    assert desk.browser.captions == ['{"who": "frontdesk", "text": "Welcome.", "final": false}']


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://desk.example:81"])
async def test_other_sites_scripts_place_no_calls(desk: Desk, origin: str | None):
    assert (await desk.call(origin=origin)).status_code == 403
    assert desk.calls.taken == {}


async def test_full_server_says_when_to_try_again(desk: Desk):
    desk.calls.retry_after_s = 7
    refused = await desk.call()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "7")


async def test_flood_from_one_address_is_slowed_down(desk: Desk):
    nonsense = {"type": "offer", "sdp": "nonsense"}
    codes = [(await desk.call(body=nonsense)).status_code for _ in range(6)]
    assert codes == [400] * 5 + [429]
    desk.now_s += 6.0
    assert (await desk.call(body=nonsense)).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "answer", "sdp": "v=0"}, 400),
        ({"type": "offer"}, 400),
        ([1], 400),
        ({"type": "offer", "sdp": "v=0\r\n"}, 400),
        ({"type": "offer", "sdp": "x" * 70_000}, 413),
    ],
)
async def test_what_is_no_offer_is_refused(desk: Desk, body: Any, status: int):
    refused = await desk.call(body=body)
    assert refused.status_code == status
    assert refused.json()["detail"]


async def test_page_and_its_files_come_with_headers_that_let_nothing_foreign_run(desk: Desk):
    for path in ("/phone", "/assets/phone.js", "/assets/rtc.js", "/assets/base.css"):
        answer = await desk.client.get(path)
        assert answer.status_code == 200, path
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = (await desk.client.get("/phone")).text
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page
    assert (await desk.client.get("/assets/../captions.py")).status_code == 404


async def test_settings_name_the_servers_as_browsers_take_them(desk: Desk):
    assert (await desk.client.get("/v1/phone/settings")).json() == {"ice_servers": []}
    told = await desk.client_with_servers.get("/v1/phone/settings")
    assert told.json() == {"ice_servers": SETTINGS["ice_servers"]}
    assert told.headers["Cache-Control"] == "no-store"


def test_browsers_that_share_a_relays_secret_get_credentials_of_their_own_that_expire(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("server.ice.time.time", lambda: 1_800_000_000.5)
    config = PhoneConfig.model_validate(
        {"ice_servers": [{"urls": ["turn:127.0.0.1:9"], "secret": "north"}]}
    )
    [server] = for_browsers(config)
    assert server == {
        "urls": ("turn:127.0.0.1:9",),
        "username": "1800043200:frontdesk",
        # openssl dgst -sha1 -hmac north -binary | base64
        "credential": "hRvv2xCkhbo/dmaKBSubFSrKpSY=",
    }
    assert "north" not in repr(config)


UNUSABLE: list[dict[str, Any]] = [
    {"ice_servers": [{"urls": ["http://x"]}]},
    {"ice_servers": [{"urls": ["turn:relay.example"], "credential": "hush"}]},
    {"ice_servers": [{"urls": []}]},
    {"host_addresses": ["desk.example"]},
    {"codec": "g722"},
]


@pytest.mark.parametrize("phone", UNUSABLE)
def test_settings_that_could_not_work_are_refused_at_start(phone: dict[str, Any]):
    with pytest.raises(ConfigError, match="phone") as refused:
        load_config(phone=phone)
    assert "hush" not in str(refused.value)
