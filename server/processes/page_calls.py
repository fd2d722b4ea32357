"""Calls from the phone page, spread over the processes of one server.

Only the process that accepts HTTP is asked by browsers; all that a browser needs of the one that
takes its call is the answer to its offer, which goes through the siblings' sockets. As with SIP the
one with the fewest calls is asked first, and of equals the desk last; who has no headroom declines,
and when all have, the first one refuses.
"""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httpx
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from server.phone_line import DeclinedError, LinesTakenError, OwnPhoneLine, TakenCall
from server.processes.routing import DESK
from server.processes.table import LineTable
from telephony.webrtc_errors import BadOfferError, TooManyPeersError

_PATH: Final = "/page-calls"
_ANSWER_S: Final = 10.0  # a STUN or TURN server that does not answer takes five of them


class AwayError(Exception):
    """The process does not answer: it is being started again."""


class _Asked(BaseModel):
    sdp: str
    peer: str
    may_decline: bool


class _Told(BaseModel):
    sdp: str
    call_id: uuid.UUID


def page_calls_router(line: OwnPhoneLine) -> APIRouter:
    """What a sibling is asked by `ask`."""
    router = APIRouter()

    @router.post(_PATH)
    async def take(asked: _Asked) -> Response:  # pyright: ignore[reportUnusedFunction]
        try:
            taken = await line.call(asked.sdp, peer=asked.peer, may_decline=asked.may_decline)
        except DeclinedError:
            return Response(status_code=HTTPStatus.CONFLICT)
        except LinesTakenError as full:
            return Response(str(full.retry_after_s), HTTPStatus.SERVICE_UNAVAILABLE)
        except BadOfferError as error:
            return Response(str(error), HTTPStatus.BAD_REQUEST)
        except TooManyPeersError as error:
            return Response(str(error), HTTPStatus.TOO_MANY_REQUESTS)
        return JSONResponse(_Told(sdp=taken.sdp, call_id=taken.call_id).model_dump(mode="json"))

    return router


async def ask(
    sibling: httpx.AsyncClient, offer_sdp: str, *, peer: str, may_decline: bool
) -> TakenCall:
    """Have another process take the call.

    Raises:
        AwayError: nobody is there.
        DeclinedError, LinesTakenError, BadOfferError, TooManyPeersError: see OwnPhoneLine.
    """
    asked = _Asked(sdp=offer_sdp, peer=peer, may_decline=may_decline)
    try:
        answer = await sibling.post(_PATH, json=asked.model_dump(), timeout=_ANSWER_S)
    except httpx.HTTPError as error:
        raise AwayError from error
    match answer.status_code:
        case HTTPStatus.OK:
            told = _Told.model_validate_json(answer.content)
            return TakenCall(sdp=told.sdp, call_id=told.call_id)
        case HTTPStatus.CONFLICT:
            raise DeclinedError
        case HTTPStatus.SERVICE_UNAVAILABLE:
            raise LinesTakenError(int(answer.text))
        case HTTPStatus.BAD_REQUEST:
            raise BadOfferError(answer.text)
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise TooManyPeersError(answer.text)
        case _:
            raise AwayError


class SpreadPhoneLine:
    """Implements PhoneLine with all processes of this server.

    Args:
        number: our own.
        client: asks another one.
    """

    def __init__(
        self,
        own: OwnPhoneLine,
        *,
        number: int,
        table: LineTable,
        client: Callable[[int], httpx.AsyncClient],
    ) -> None:
        self._own, self._number = own, number
        self._table, self._client = table, client
        self._asking = [0] * table.workers  # calls that are on their way, and not in the table yet

    async def call(self, offer_sdp: str, *, peer: str) -> TakenCall:
        """See PhoneLine."""
        order = sorted(range(self._table.workers), key=self._rank)
        connecting: TooManyPeersError | None = None
        for number in order:
            try:
                return await self._ask(number, offer_sdp, peer, may_decline=True)
            except (AwayError, DeclinedError):
                continue
            except TooManyPeersError as error:
                connecting = error
        if connecting is not None:
            raise connecting
        for number in order:
            try:
                return await self._ask(number, offer_sdp, peer, may_decline=False)
            except AwayError:
                continue
        raise AssertionError("our own process is there")

    def _rank(self, number: int) -> tuple[int, bool, int]:
        return self._table.calls_of(number) + self._asking[number], number == DESK, number

    async def _ask(self, number: int, sdp: str, peer: str, *, may_decline: bool) -> TakenCall:
        self._asking[number] += 1
        try:
            if number == self._number:
                return await self._own.call(sdp, peer=peer, may_decline=may_decline)
            return await ask(self._client(number), sdp, peer=peer, may_decline=may_decline)
        finally:
            # The call is in the table as soon as it is taken; it is counted twice for a moment.
            self._asking[number] -= 1
