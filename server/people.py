"""People who take calls: their desks, phones and supervisors, as parts of a running server."""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
from fastapi import FastAPI

from models.vad import SileroVad
from server.accounts.access import Access
from server.accounts.audit import AuditEvent
from server.accounts.phones import AgentPhones
from server.accounts.users import Actor
from server.approvals import Approvals
from server.config import Config
from server.desk.errors import RefusedError
from server.desk.http import DeskDoors, desk_router
from server.errors import StartError
from server.feed import Feed, Joining
from server.handoff.approving import Approving
from server.handoff.assembly import Needs, People, assemble, browser_audio
from server.handoff.attempts import HandOffStore
from server.handoff.llm_summary import ModelOptions, ModelSummariser
from server.handoff.ports import Dial
from server.handoff.summary import Summariser, TemplatedSummariser
from server.handoff.supervision import RoomSupervision
from server.handoff.told_store import ToldStore
from server.handoff.vcon_export import EndsTold, VconExport
from server.handoff.webhook import Webhook, WebhookOptions
from server.ice import for_browsers, webrtc_options
from server.lifetime import background
from server.live_calls import LiveCalls
from server.precedence import help_calls
from server.records.errors import RecordsUnavailableError
from server.records.records import Records
from server.tie_lines.far_calls import FarCalls
from telephony.hold_music import MusicFileError
from telephony.sip.live_call import LiveCall as SipCall
from telephony.sip.replaces import Replaces
from telephony.webrtc import WebRtcPeers
from voice.plane import MediaPlane
from voice.ports import SpeechToText, TextToSpeech

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleNeeds:
    """What people's parts take from the rest of the server."""

    stt: SpeechToText
    tts: TextToSpeech
    vad: SileroVad
    plane: MediaPlane
    live: LiveCalls
    records: Records
    feed: Feed
    recordings: Path | None
    vcons: VconExport
    approvals: Approvals
    access: Access
    joining: Joining | None  # the other processes of this server; None: there are none
    dial: Dial
    address_of: Callable[[str], str]
    has_phone: Callable[[str], bool]
    call_replaced_by: Callable[[Replaces], SipCall]
    returns: Mapping[str, str]


async def open_people(parts: AsyncExitStack, config: Config, needs: PeopleNeeds) -> People:
    """Take hand-offs; the doors come later, with `mount_people`.

    Raises:
        StartError: the hold music cannot be played.
    """
    approvals, approving = needs.approvals, Approving(needs.approvals, _Audited(needs.access))
    writer = ThreadPoolExecutor(1, thread_name_prefix="hand-off recordings", initializer=help_calls)
    parts.callback(writer.shutdown)
    try:
        people = assemble(
            Needs(
                config=config.handoff,
                desk=config.desk,
                stt=needs.stt,
                tts=needs.tts,
                vad=needs.vad,
                live=needs.live,
                plane=needs.plane,
                records=needs.records.desk,
                calls=needs.records,
                store=await _store(parts, config, needs),
                feed=needs.feed,
                recordings=needs.recordings,
                writer=writer,
                dial=needs.dial,
                address_of=needs.address_of,
                has_phone=needs.has_phone,
                call_replaced_by=needs.call_replaced_by,
                returns=needs.returns,
                summarise=await _summariser(parts, config),
                approving=approving,
                names=lambda: _names(needs.access),
                clock=time.monotonic,
            )
        )
    except MusicFileError as error:
        raise StartError(f"{error}: set [handoff] music") from error
    approvals.on_change = people.show_approvals
    parts.push_async_callback(people.desk.close)
    await people.callbacks.restore()
    await background(parts, people.figures.restore(), "figures of the queues")
    parts.push_async_callback(people.callbacks.close)
    await parts.enter_async_context(people.handoffs.running())
    return people


def mount_people(
    app: FastAPI,
    config: Config,
    people: People,
    *,
    access: Access,
    live: LiveCalls,
    far: FarCalls,
) -> None:
    """Open the desk and the supervisors' page."""
    peers = WebRtcPeers(webrtc_options(config.phone, media_timeout_s=config.rtp.media_timeout_s))
    supervision = RoomSupervision(
        live=live,
        handoffs=people.handoffs,
        queue=people.queue,
        directory=people.desk.directory,
        approving=people.approving,
        audit=_Audited(access),
        far=far,
    )
    app.include_router(
        desk_router(
            DeskDoors(
                desk=people.desk,
                supervision=supervision,
                open_rtc=browser_audio(peers),
                visitor=access.visitor,
                ice_servers=lambda: for_browsers(config.phone),
            )
        )
    )


async def open_phones(parts: AsyncExitStack, access: Access) -> AgentPhones:
    """What the registrar needs to know of agents' SIP phones, kept fresh."""
    phones = AgentPhones(access.accounts.administration)
    await phones.refresh()
    await background(parts, phones.run(), "agents' phones")
    return phones


def vcons_of(config: Config, records: Records, access: Access) -> VconExport:
    """The vCons of this site."""
    site = config.http.public_url
    host = site and urlsplit(site).hostname
    return VconExport(
        records,
        access.accounts.administration.users,
        host=host or socket.getfqdn(),
        site=site,
    )


async def _store(parts: AsyncExitStack, config: Config, needs: PeopleNeeds) -> HandOffStore:
    """Where hand-offs are kept, and told of where a webhook is set up; calls that end are too."""
    hook = config.webhook
    if hook.url is None or hook.secret is None:
        return needs.records.desk
    options = WebhookOptions(url=hook.url, secret=hook.secret.get_secret_value())
    webhook = Webhook(options, config.data_dir / "webhooks")
    await parts.enter_async_context(webhook.running())
    ends = EndsTold(needs.feed, needs.vcons, webhook.send, joining=needs.joining)
    await background(parts, ends.run(), "ends of calls")
    return ToldStore(needs.records.desk, webhook.send)


async def _summariser(parts: AsyncExitStack, config: Config) -> Summariser:
    model = config.summary
    if model.url is None:
        return TemplatedSummariser()
    client = await parts.enter_async_context(httpx.AsyncClient())
    return ModelSummariser(
        client,
        ModelOptions(
            url=model.url,
            model=model.model,
            token=model.token.get_secret_value() if model.token else None,
            deadline_s=model.deadline_s,
        ),
    )


async def _names(access: Access) -> Mapping[str, str]:
    return {user.key: user.name for user in await access.accounts.administration.users()}


class _Audited:
    """Writes down who did what in a call, before they do."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __call__(self, kind: str, user_id: str, call_id: UUID, /, **detail: str) -> None:
        actor = Actor(key=user_id, name="", address="")
        event = AuditEvent(kind=kind, actor=actor, subject=str(call_id), detail=detail)
        try:
            await self._access.accounts.audit.write(event)
        except RecordsUnavailableError as error:
            raise RefusedError("the audit does not answer; try again", code="records") from error
