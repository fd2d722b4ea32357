"""The composition root: every part is made here and bound to the ports of the others."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from fastapi import FastAPI

from actions.adapters.rest import RestBackEnd, RestOptions
from actions.callbacks import NAME as REQUEST_CALLBACK
from actions.callbacks import request_callback
from actions.database import Database
from actions.errors import LedgerUnavailableError
from actions.executor import ActionExecutor
from actions.ledger import PostgresLedger
from actions.reconciler import Reconciler
from dialog.flow import Flow
from models.intent import IntentEngine, train_intents
from models.stt import SttEngine
from models.tts import CachedVoice, open_voice
from models.vad import SileroVad
from server.accounts.access import Access, Site
from server.accounts.accounts import Accounts
from server.accounts.oidc import OidcProvider
from server.actions_port import ActionsPort
from server.calls import Calls, CallServices
from server.config import Config, OidcConfig
from server.errors import StartError
from server.feed import Feed
from server.flows import find_flow, static_texts
from server.http import HttpPorts, make_app
from server.observability import Metrics
from server.pages import mount_assets
from server.phone_door import PhoneDoor, webrtc_options
from server.records.errors import RecordsUnavailableError
from server.records.records import Records
from server.sip_door import SipDoor
from server.speech import Recogniser, Speaker
from server.stream_door import StreamDoor, gate_of
from server.twilio_webhook import twilio_webhook
from server.web import serving
from telephony.media_clock import MediaClock
from telephony.webrtc import WebRtcPeers
from voice.plane import MediaPlane
from voice.session import SessionOptions
from voice.turn import TurnTiming

log = logging.getLogger(__name__)

_END_CALLS_S = 10.0  # at shutdown: a goodbye on the wire, and actions in flight


class _Closable(Protocol):
    def close(self) -> None: ...


ClosableT = TypeVar("ClosableT", bound=_Closable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a running frontdesk is reached."""

    sip: str
    http: str
    streams: str | None  # None: no media streams are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Engines:
    stt: SttEngine
    voice: CachedVoice
    vad: SileroVad
    flow: Flow
    classifier: IntentEngine


@asynccontextmanager
async def running(config: Config, database_url: str) -> AsyncGenerator[Addresses, None]:
    """Run frontdesk meanwhile; taking calls when this yields.

    Raises:
        StartError, ModelError, FlowError, ActionsError: a part cannot start; one line.
    """
    metrics, feed = Metrics(), Feed()
    async with AsyncExitStack() as parts:
        engines = await asyncio.to_thread(_load_engines, config)
        records = await _open_records(parts, config, database_url, metrics)
        actions = await _open_actions(parts, config, database_url, metrics)
        plane = await _start_media(parts, engines.vad, metrics)
        calls = Calls(
            CallServices(
                stt=_closing(parts, Recogniser(engines.stt, threads=config.speech.threads)),
                tts=_closing(parts, Speaker(engines.voice)),
                vad=engines.vad,
                plane=plane,
                flow=engines.flow,
                classifier=engines.classifier,
                actions=actions,
                records=records,
                metrics=metrics,
                feed=feed,
                recordings=_recordings(config),
            ),
            limit=config.sip.max_calls,
            retry_after_s=config.sip.retry_after_s,
            options=SessionOptions(timing=TurnTiming(no_input_s=config.dialog.no_input_s)),
        )
        door = await SipDoor.open(config.sip, config.rtp, calls)
        parts.push_async_callback(door.close)
        streams = await _open_streams(parts, config, calls)
        parts.push_async_callback(calls.close, timeout_s=_END_CALLS_S)
        ports = HttpPorts(
            health=lambda: _health(records), metrics=metrics, records=records, feed=feed
        )
        app = make_app(
            ports,
            await _open_access(parts, config, database_url),
            oidc=_open_provider(parts, config.oidc),
        )
        if streams is not None:
            app.include_router(
                twilio_webhook(
                    gate=gate_of(config.streams),
                    public_url=config.streams.public_url,
                    stream_url=streams.public_url,
                    admit=calls.admit,
                )
            )
        _open_phone(app, config, calls, feed)
        http = await parts.enter_async_context(serving(app, config.http.host, config.http.port))
        parts.callback(feed.close)
        yield Addresses(sip=door.uri, http=http, streams=streams and streams.local_url)


def _load_engines(config: Config) -> _Engines:
    """Load what takes time and memory; blocking."""
    flow = find_flow(config.dialog.flow)
    cache = config.data_dir / "cache"
    voice = CachedVoice(open_voice(config.speech.voice), folder=cache / "prompts")
    voice.prerender(static_texts(flow), progress=_log_progress)
    return _Engines(
        stt=SttEngine(config.speech.stt, threads=config.speech.threads),
        voice=voice,
        vad=SileroVad(),
        flow=flow,
        classifier=train_intents(flow.examples, cache / "intents"),
    )


def _log_progress(done: int, of: int) -> None:
    if done == of:
        log.info("prompts rendered", extra={"count": of})


async def _open_records(
    parts: AsyncExitStack, config: Config, database_url: str, metrics: Metrics
) -> Records:
    records = await Records.open(database_url, config.data_dir / "spool")
    parts.push_async_callback(records.close)
    metrics.records_spooled.set_function(lambda: records.spooled)
    return records


async def _open_access(parts: AsyncExitStack, config: Config, database_url: str) -> Access:
    try:
        accounts = await Accounts.open(database_url, config.accounts)
    except RecordsUnavailableError as error:
        raise StartError(
            f"the database does not answer ({error}): start it, or correct DATABASE_URL"
        ) from error
    parts.push_async_callback(accounts.close)
    return Access(accounts, token=config.http.token, site=Site(public_url=config.http.public_url))


def _open_provider(parts: AsyncExitStack, config: OidcConfig) -> OidcProvider | None:
    if config.issuer is None:
        return None
    provider = OidcProvider(config)
    parts.push_async_callback(provider.close)
    return provider


async def _open_actions(
    parts: AsyncExitStack, config: Config, database_url: str, metrics: Metrics
) -> ActionsPort:
    database = Database(database_url)
    parts.push_async_callback(database.close)
    ledger = PostgresLedger(database)
    try:
        await ledger.migrate()
    except LedgerUnavailableError as error:
        raise StartError(
            f"the database does not answer ({error.__cause__}): start it, or correct DATABASE_URL;"
            " without one frontdesk keeps a database of its own"
        ) from error
    token = config.backend.token
    back_end = RestBackEnd(
        RestOptions(base_url=config.backend.url, token=token.get_secret_value() if token else None)
    )
    parts.push_async_callback(back_end.close)
    executor = ActionExecutor(
        back_end=back_end, ledger=ledger, local={REQUEST_CALLBACK: request_callback}
    )
    parts.push_async_callback(executor.close)
    await _background(parts, Reconciler(back_end=back_end, ledger=ledger).run(), "reconciler")
    return ActionsPort(executor, metrics)


async def _start_media(parts: AsyncExitStack, vad: SileroVad, metrics: Metrics) -> MediaPlane:
    plane, clock = MediaPlane(vad), MediaClock()
    clock.add(plane.tick)
    metrics.watch_clock(clock.lateness)
    await _background(parts, clock.run(), "media clock")
    return plane


async def _open_streams(parts: AsyncExitStack, config: Config, calls: Calls) -> StreamDoor | None:
    if config.streams.port is None:
        return None
    if config.streams.auth_token is None:
        log.warning("media streams are taken from this machine only: no [streams] auth_token")
    door = await StreamDoor.open(
        config.streams,
        calls,
        max_calls=config.sip.max_calls,
        media_timeout_s=config.rtp.media_timeout_s,
    )
    parts.push_async_callback(door.close)
    return door


def _open_phone(app: FastAPI, config: Config, calls: Calls, feed: Feed) -> None:
    if not config.phone.enabled:
        return
    peers = WebRtcPeers(webrtc_options(config.phone, media_timeout_s=config.rtp.media_timeout_s))
    app.include_router(PhoneDoor(config.phone, calls=calls, peers=peers, feed=feed).router)
    mount_assets(app)


async def _background(
    parts: AsyncExitStack, work: Coroutine[object, object, None], name: str
) -> None:
    """Run `work` until the parts are closed."""
    task = asyncio.create_task(work, name=name)

    async def cancel() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    parts.push_async_callback(cancel)


def _closing(parts: AsyncExitStack, part: ClosableT) -> ClosableT:
    parts.callback(part.close)
    return part


def _recordings(config: Config) -> Path | None:
    return config.data_dir / "recordings" if config.recording.enabled else None


async def _health(records: Records) -> dict[str, str]:
    return {"database": "ok" if await records.ping() else "does not answer"}
