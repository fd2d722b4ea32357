"""The phone door: a page whose button calls us; who may call, and what they are told.

GET  /phone               the page
GET  /v1/phone/settings   what its softphone needs to know
POST /v1/phone/offer      {type, sdp} of an offer; answered with {type, sdp, call_id}

Whoever reaches the page may call, as with a telephone number; what is refused is other sites'
scripts, floods from one address, and calls beyond the lines there are.
"""

import logging
import math
import time
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ValidationError

from server.config import PhoneConfig
from server.ice import for_browsers
from server.offer_rate import OfferRate
from server.pages import page
from server.phone_line import PAGE_PATH, LinesTakenError, PhoneLine, TakenCall
from telephony.webrtc_errors import BadOfferError, TooManyPeersError

log = logging.getLogger(__name__)

_MAX_BODY: Final = 65_536  # octets; offers have 2,000 to 8,000
_TRY_SOON_S: Final = 2  # while many browsers are connecting: each takes about 0.1 s


class Offer(BaseModel):
    """RTCSessionDescriptionInit, as the browser has it."""

    type: Literal["offer"]
    sdp: str


class PhoneDoor:
    """Takes calls from the page and hands them on; `router` is to be included."""

    def __init__(
        self,
        config: PhoneConfig,
        *,
        line: PhoneLine,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            line: takes the calls.
            clock: monotonic seconds.
        """
        self._config, self._line, self._clock = config, line, clock
        self._rate = OfferRate()
        self.router = APIRouter()
        self.router.add_api_route(PAGE_PATH, self._page, methods=["GET"])
        self.router.add_api_route("/v1/phone/settings", self._settings, methods=["GET"])
        self.router.add_api_route("/v1/phone/offer", self._offer, methods=["POST"])

    async def _page(self) -> FileResponse:
        return page("phone.html")

    async def _settings(self) -> JSONResponse:
        servers = {"ice_servers": for_browsers(self._config)}
        return JSONResponse(servers, headers={"Cache-Control": "no-store"})

    async def _offer(self, request: Request) -> Response:
        self._check_origin(request)
        self._check_rate(request)
        offer = await _read_offer(request)
        taken = await self._call(offer, request)
        return JSONResponse(
            {"type": "answer", "sdp": taken.sdp, "call_id": str(taken.call_id)},
            headers={"Cache-Control": "no-store"},
        )

    async def _call(self, offer: Offer, request: Request) -> TakenCall:
        try:
            return await self._line.call(offer.sdp, peer=_address(request))
        except LinesTakenError as full:
            detail = "every line is taken: please call again later"
            raise _try_later(503, full.retry_after_s, detail) from full
        except BadOfferError as error:
            log.info("offer refused", extra={"error": str(error)})
            raise HTTPException(400, str(error)) from error
        except TooManyPeersError as error:
            raise _try_later(503, _TRY_SOON_S, "many browsers are connecting right now") from error

    # --- who may call ---

    def _check_origin(self, request: Request) -> None:
        # Browsers name the page that asks (Fetch §3.1); another site's script must not place calls
        # with its visitors' microphones.
        origin = request.headers.get("Origin", "")
        ours = urlsplit(origin).netloc == request.headers.get("Host")
        if not origin or not (ours or origin in self._config.allowed_origins):
            raise HTTPException(
                403,
                "calls come from the phone page: add the origin it is served under to [phone]"
                " allowed_origins",
            )

    def _check_rate(self, request: Request) -> None:
        wait_s = self._rate.take(_address(request), self._clock())
        if wait_s > 0:
            raise _try_later(429, math.ceil(wait_s), "too many calls from this address")


async def _read_offer(request: Request) -> Offer:
    """The body; it is read here because FastAPI would take one of any length."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            raise HTTPException(413, f"at most {_MAX_BODY} octets")
    try:
        return Offer.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(400, 'the body must be JSON: {"type": "offer", "sdp": …}') from error


def _try_later(status: int, retry_after_s: int, detail: str) -> HTTPException:
    return HTTPException(status, detail, {"Retry-After": str(retry_after_s)})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
