"""POST /twilio/voice: the carrier asks what to do with a call, and is told to stream it to us.

The answer is TwiML. Caller and callee go along as parameters of the stream, whose `start` says
nothing else of them. When every line is taken the call is rejected as busy right here.
"""

import html
import logging
from collections.abc import Callable
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Request, Response

from telephony.media_streams.signature import (
    FORWARDING_HEADERS,
    HEADER,
    CarrierGate,
    Form,
    Origin,
)

log = logging.getLogger(__name__)

WEBHOOK_PATH = "/twilio/voice"
_MAX_BODY = 65_536  # octets; Twilio sends about 1,000
_MAX_FIELDS = 200  # Twilio sends about 30
_MAX_NUMBER = 200  # characters of a caller or callee: a number, or a SIP URI
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def twilio_webhook(
    *,
    gate: CarrierGate,
    public_url: str | None,
    stream_url: str,
    admit: Callable[[str, str], int | None],
) -> APIRouter:
    """The route, signature checked.

    Args:
        gate: who may ask.
        public_url: where the carrier reaches us, as it signs it, without the path.
        stream_url: where it is to send the stream.
        admit: asked for a call of this caller over this account: None when it is welcome.
    """
    router = APIRouter()

    @router.post(WEBHOOK_PATH)
    async def voice(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        form = await _form(request)
        query = f"?{request.url.query}" if request.url.query else ""
        url = f"{public_url or ''}{WEBHOOK_PATH}{query}"
        if not gate.admits(_origin(request), url, form):
            log.warning("webhook refused: not signed")
            raise HTTPException(
                403,
                "the signature is missing or wrong: set [streams] auth_token and public_url to the"
                " carrier's token and to the URL it was given",
            )
        fields = dict(form)
        refused = admit(fields.get("From", ""), fields.get("AccountSid", "")) is not None
        verbs = _rejection() if refused else _connection(stream_url, fields)
        text = f"{_DECLARATION}\n<Response>{verbs}</Response>\n"
        return Response(text, media_type="application/xml")

    return router


async def _form(request: Request) -> Form:
    """The fields of the body, in order.

    Raises:
        HTTPException: 413 or 400, it is too long or no form.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            raise HTTPException(413, f"at most {_MAX_BODY} octets")
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise HTTPException(400, "the body is no form in UTF-8") from error


def _origin(request: Request) -> Origin:
    signatures = request.headers.getlist(HEADER)
    return Origin(
        host=request.client.host if request.client else "",
        proxied=any(name in request.headers for name in FORWARDING_HEADERS),
        signature=signatures[0] if len(signatures) == 1 else None,
    )


def _rejection() -> str:
    return '<Reject reason="busy"/>'


def _connection(stream_url: str, form: dict[str, str]) -> str:
    parameters = "".join(
        f'<Parameter name="{name}" value="{_attribute(form[name][:_MAX_NUMBER])}"/>'
        for name in ("From", "To")
        if name in form
    )
    return f'<Connect><Stream url="{_attribute(stream_url)}">{parameters}</Stream></Connect>'


def _attribute(text: str) -> str:
    # XML 1.0 has no way at all to write most control characters.
    return html.escape("".join(filter(str.isprintable, text)))
