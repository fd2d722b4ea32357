"""The composition root: every part is made here and bound to the ports of the others."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from server.accounts.access import Access
from server.admission import Admission, Limits
from server.approval_policy import approvals_of
from server.calls import Calls, CallServices
from server.config import Config
from server.engines import load_engines
from server.feed import Feed
from server.foundation import open_access, open_actions, open_provider, open_records
from server.handoff.assembly import People
from server.handoff.vcon_export import VconExport
from server.headroom import Step
from server.hearing import behind_vendor, open_line, open_turn_model
from server.http import Alone, HttpPorts, make_app
from server.lifetime import background, closing
from server.listening import listen, url_of
from server.live_calls import LiveCalls
from server.load import Load
from server.loop_load import LoopLoad
from server.media import start_media
from server.observability import Metrics
from server.people import PeopleNeeds, mount_people, open_people, open_phones, vcons_of
from server.phone_line import OwnPhoneLine
from server.phone_opening import open_phone_line, phone_door
from server.processes.share import Share
from server.processes.siblings import Shown
from server.records.records import Records
from server.sip_door import SipDoor
from server.speech import Recogniser, Speaker, hint_of
from server.stream_door import StreamDoor, gate_of
from server.tie_lines.far_calls import FarCalls
from server.tie_lines.opening import reach_desk
from server.tie_lines.service import Reception, answering
from server.twilio_webhook import twilio_webhook
from server.web import serving_on
from telephony.leg import OutgoingLeg
from telephony.media_clock import MediaClock
from telephony.rtp.exchange import RtpExchange
from telephony.sip.live_call import LiveCall as SipCall
from telephony.sip.replaces import Replaces
from voice.floor import TurnTiming
from voice.session import SessionOptions

log = logging.getLogger(__name__)

_TICKS_COUNTED = 0.7  # of the last second's: a stall of 300 ms is no load, however it came about
_END_CALLS_S = 10.0  # at shutdown: a goodbye on the wire, and actions in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a running frontdesk is reached."""

    sip: str
    http: str
    streams: str | None  # None: no media streams are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A frontdesk that takes calls."""

    addresses: Addresses
    calls: Calls


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    """What the doors open to."""

    config: Config
    metrics: Metrics
    feed: Feed
    live: LiveCalls
    records: Records
    access: Access
    vcons: VconExport
    people: People | None  # None: callers are not handed to people
    calls: Calls
    far: FarCalls
    reception: Reception | None  # for callers of other processes
    exchange: RtpExchange


@asynccontextmanager
async def running(
    config: Config, database_url: str, share: Share | None = None
) -> AsyncGenerator[Running, None]:
    """Run frontdesk meanwhile; taking calls when this yields.

    Args:
        share: what this process has of a server of several; None: it is all of it.

    Raises:
        StartError, ModelError, FlowError, ActionsError: a part cannot start; one line.
    """
    async with AsyncExitStack() as parts:
        dialler = _Dialler()
        inside = await _open_inside(parts, config, database_url, dialler, share)
        calls = inside.calls
        if inside.reception is not None and share is not None and share.desk is not None:
            await parts.enter_async_context(answering(share.desk, inside.reception))
        phones = await open_phones(parts, inside.access) if inside.people else None
        door = dialler.door = await SipDoor.open(
            config.sip,
            config.rtp,
            calls,
            exchange=inside.exchange,
            agents=phones,
            wire=share and share.wire,
        )
        parts.push_async_callback(door.close)
        streams = await _open_streams(parts, config, calls, share)
        parts.push_async_callback(calls.close, timeout_s=_END_CALLS_S)
        http = share.http if share else listen(config.http.host, config.http.port)
        phone = await open_phone_line(parts, config, calls, inside.feed, share)
        if share is not None:  # before HTTP is accepted: what is asked there, others are asked, too
            await _join(parts, inside, door, phone, share)
        if _has_doors(share):
            app = _make_app(parts, inside, streams, phone, share)
            await parts.enter_async_context(serving_on(app, http))
        parts.callback(inside.feed.close)
        inside.metrics.watch_resources(calls=lambda: calls.active, sip=door)
        addresses = Addresses(
            sip=door.uri, http=url_of(http), streams=streams and streams.local_url
        )
        yield Running(addresses=addresses, calls=calls)


def _has_doors(share: Share | None) -> bool:
    """Whether this process accepts HTTP, and has the desk if there is one."""
    return share is None or share.has_doors


async def _join(
    parts: AsyncExitStack,
    inside: _Inside,
    door: SipDoor,
    phone: OwnPhoneLine | None,
    share: Share,
) -> None:
    """Be one of the processes of this server."""
    share.wire.declines = lambda: inside.calls.takes_none
    await background(parts, share.wire.keep_reporting(lambda: door.call_ids), "report of calls")
    shown = Shown(metrics=inside.metrics.exposition, feed=inside.feed, phone=phone)
    await parts.enter_async_context(share.siblings.answering(shown))


async def _open_inside(
    parts: AsyncExitStack,
    config: Config,
    database_url: str,
    dialler: "_Dialler",
    share: Share | None,
) -> _Inside:
    metrics, feed, live = Metrics(), Feed(), LiveCalls()
    engines = await asyncio.to_thread(load_engines, config)
    number = share.number if share else 0
    records = await open_records(parts, config, database_url, metrics, number)
    access = await open_access(parts, config, database_url)
    actions = await open_actions(parts, config, database_url, metrics)
    media = await start_media(parts, engines.vad, metrics)
    ours = Recogniser(
        await open_line(parts, config.speech, metrics, share and share.recogniser),
        second_opinion=lambda: load.step < Step.ONE_TIER,
        hint=hint_of(engines.flow),
    )
    stt = await behind_vendor(parts, config.speech, ours)
    tts = closing(parts, Speaker(engines.voice))
    load, admission = await _open_load(parts, config, metrics, media.clock, ours, share)
    recordings = config.data_dir / "recordings" if config.recording.enabled else None
    vcons = vcons_of(config, records, access)
    approvals = approvals_of(config, engines.flow)
    people = None
    if config.handoff.enabled and _has_doors(share):
        needs = PeopleNeeds(
            stt=stt,
            tts=tts,
            vad=engines.vad,
            plane=media.plane,
            live=live,
            records=records,
            feed=feed,
            recordings=recordings,
            vcons=vcons,
            approvals=approvals,
            access=access,
            joining=share and share.siblings.joining,
            dial=dialler.dial,
            address_of=dialler.address_of,
            has_phone=dialler.has_phone,
            call_replaced_by=dialler.call_replaced_by,
            returns={name: each.says for name, each in engines.flow.returns.items()},
        )
        people = await open_people(parts, config, needs)
    calls = Calls(
        CallServices(
            stt=stt,
            tts=tts,
            vad=engines.vad,
            plane=media.plane,
            flow=engines.flow,
            classifier=engines.classifier,
            actions=actions,
            records=records,
            metrics=metrics,
            feed=feed,
            recordings=recordings,
            handoffs=people.handoffs
            if people
            else await reach_desk(parts, share and share.desk, live, approvals),
            approvals=approvals,
            terse=load.sheds(Step.SHORT_ANSWERS),
            keys_first=load.sheds(Step.OFFER_KEYS),
            turn_model=open_turn_model(parts, config.speech),
        ),
        admission=admission,
        retry_after_s=config.sip.retry_after_s,
        farewell=config.load.farewell,
        options=SessionOptions(
            timing=TurnTiming(no_input_s=config.dialog.no_input_s),
            may_guess=lambda: load.step < Step.NO_GUESSING,
            may_overhear=lambda: load.step < Step.NO_GUESSING,
            second_opinion=lambda: load.step < Step.ONE_TIER,
        ),
        live=live,
    )
    far, reception = FarCalls(media.plane), None
    if people is not None:
        reception = Reception(
            handoffs=people.handoffs,
            live=live,
            plane=media.plane,
            records=records,
            host=calls,
            happened=people.show_approvals,
            approvals=approvals,
            far=far,
        )
    return _Inside(
        config=config,
        metrics=metrics,
        feed=feed,
        live=live,
        records=records,
        access=access,
        vcons=vcons,
        people=people,
        calls=calls,
        far=far,
        reception=reception,
        exchange=media.exchange,
    )


class _Dialler:
    """Calls out through the SIP door, which opens after those who dial were made."""

    door: SipDoor | None = None

    async def dial(self, target: str, headers: Mapping[str, str] | None = None) -> OutgoingLeg:
        assert self.door is not None, "nobody has called yet, so nobody is called"
        return await self.door.dial(target, headers)

    def address_of(self, target: str) -> str:
        """See SipDoor."""
        assert self.door is not None, "nobody has called yet, so nobody is referred"
        return self.door.address_of(target)

    def call_replaced_by(self, replaces: Replaces) -> SipCall:
        """See SipDoor."""
        assert self.door is not None, "nobody has called yet, so nobody consulted us"
        return self.door.call_replaced_by(replaces)

    def has_phone(self, extension: str) -> bool:
        """Whether an agent's phone is registered."""
        return self.door is not None and bool(self.door.contacts(extension))


def _make_app(
    parts: AsyncExitStack,
    inside: _Inside,
    streams: StreamDoor | None,
    phone: OwnPhoneLine | None,
    share: Share | None,
) -> FastAPI:
    config, records = inside.config, inside.records
    ports = HttpPorts(
        health=lambda: _health(records, inside.calls),
        metrics=inside.metrics,
        records=records,
        feed=inside.feed,
        vcons=inside.vcons,
        others=share.siblings if share else Alone(),
    )
    app = make_app(ports, inside.access, oidc=open_provider(parts, config.oidc))
    if streams is not None:
        app.include_router(
            twilio_webhook(
                gate=gate_of(config.streams),
                public_url=config.streams.public_url,
                stream_url=streams.public_url,
                admit=lambda caller, trunk: inside.calls.admit(caller=caller, trunk=trunk),
            )
        )
    if phone is not None:
        app.include_router(phone_door(config, phone, share).router)
    if inside.people is not None:
        mount_people(
            app,
            config,
            inside.people,
            access=inside.access,
            live=inside.live,
            far=inside.far,
        )
    return app


async def _open_load(
    parts: AsyncExitStack,
    config: Config,
    metrics: Metrics,
    clock: MediaClock,
    stt: Recogniser,
    share: Share | None,
) -> tuple[Load, Admission]:
    """Who judges the load, and who gets a line under it."""
    loop = LoopLoad(lambda: admission.active)
    load = Load(
        {
            "loop_share": lambda: loop.share,
            "tick_late_s": lambda: clock.lateness.recent_ms(_TICKS_COUNTED) / 1000,
            "recognition_wait_s": lambda: stt.wait_s,
        },
        calls=lambda: admission.active,
        spared_calls=config.load.spared_calls,
        metrics=metrics,
    )
    admission = Admission(
        _limits(config), has_headroom=load.has_headroom, lines=share and share.lines
    )
    await background(parts, loop.run(), "loop load")
    await background(parts, load.run(), "load")
    return load, admission


async def _open_streams(
    parts: AsyncExitStack, config: Config, calls: Calls, share: Share | None
) -> StreamDoor | None:
    if config.streams.port is None:
        return None
    if config.streams.auth_token is None:
        log.warning("media streams are taken from this machine only: no [streams] auth_token")
    door = await StreamDoor.open(
        config.streams,
        calls,
        max_calls=config.sip.max_calls,
        media_timeout_s=config.rtp.media_timeout_s,
        listener=share and share.streams,
    )
    parts.push_async_callback(door.close)
    return door


def _limits(config: Config) -> Limits:
    load = config.load
    return Limits(
        calls=config.sip.max_calls,
        per_trunk=load.calls_per_trunk,
        trunks=load.trunks,
        per_caller=load.calls_per_caller,
    )


async def _health(records: Records, calls: Calls) -> dict[str, str]:
    return {
        "calls": "draining" if calls.draining else "ok",
        "database": "ok" if await records.ping() else "does not answer",
    }
