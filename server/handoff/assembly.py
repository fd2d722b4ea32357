"""The hand-off of a running server: queue, desks, rooms and records bound to each other."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from models.vad import SileroVad
from server.desk.desk import Desk, DeskPorts
from server.desk.errors import NoAudioError
from server.desk.options import DeskOptions
from server.desk.ports import OpenRtc, RtcLeg
from server.desk.presence import UnknownAgentError
from server.desk.protocol import Choice, TransferTarget
from server.desk.settings import DeskConfig
from server.feed import Feed
from server.handoff.acquaintance import Acquaintance
from server.handoff.announcements import Announcements
from server.handoff.approving import Approving
from server.handoff.attempts import Attempts, HandOffStore
from server.handoff.brief import brief_of
from server.handoff.callbacks import Callbacks, Promise, Result
from server.handoff.calling_back import CallingBack, CallingWorld, CallStore
from server.handoff.consulting import Consulting
from server.handoff.context import HandOffContext
from server.handoff.coordinator import HandOffs
from server.handoff.desk_records import DeskRecordsPort, Names
from server.handoff.ears import LineEar
from server.handoff.gather import gather
from server.handoff.handoff_token import user_to_user_of
from server.handoff.in_hand import CallInHand
from server.handoff.kept_figures import KeptFigures
from server.handoff.phone_line import PhoneLine, can_be_dialled
from server.handoff.ports import AgentLine, Dial, Offer
from server.handoff.referring import Referring
from server.handoff.run_world import RunWorld
from server.handoff.settings import HandOffConfig
from server.handoff.stage import StageWorld
from server.handoff.summary import Summariser
from server.handoff.waiting_room import QUEUE_PREFIX, WaitingRoom
from server.live_calls import LiveCalls
from server.recording import TrackRecorder
from server.records.desk import DeskRecords
from server.records.desk_facts import OverheardLine
from telephony.hold_music import hold_music, load_music
from telephony.leg import CallerInfo
from telephony.queue import CallQueue
from telephony.sip.live_call import LiveCall as SipCall
from telephony.sip.replaces import Replaces
from telephony.sip.user_to_user import FIELD
from telephony.webrtc import WebRtcPeers
from telephony.webrtc_errors import BadOfferError, TooManyPeersError
from voice.events import HandOff
from voice.plane import MediaPlane
from voice.ports import SpeechToText, TextToSpeech

log = logging.getLogger(__name__)

TRACKS: Final = ("caller", "agent", "to_caller", "to_agent")
"""Of the recording of a hand-off, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What hand-offs take from the rest of the server.

    calls: where calls of ours are kept.
    store: where hand-offs are kept, and told of; records keeps all else.
    recordings: the folder; None: nothing is recorded.
    address_of: where a target is called; raises LegRefusedError for one that cannot be.
    has_phone: whether the phone of an extension is registered now.
    call_replaced_by: the SIP call of ours that is named so; raises DialogError.
    returns: steps of the flow that agents may give a call back at, by name, in words.
    """

    config: HandOffConfig
    desk: DeskConfig
    stt: SpeechToText
    tts: TextToSpeech
    vad: SileroVad
    live: LiveCalls
    plane: MediaPlane
    records: DeskRecords
    calls: CallStore
    store: HandOffStore
    feed: Feed
    recordings: Path | None
    writer: ThreadPoolExecutor
    dial: Dial
    address_of: Callable[[str], str]
    has_phone: Callable[[str], bool]
    call_replaced_by: Callable[[Replaces], SipCall]
    returns: Mapping[str, str]
    summarise: Summariser
    approving: Approving
    names: Names
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The parts that have doors of their own."""

    handoffs: HandOffs
    callbacks: Callbacks
    desk: Desk
    queue: CallQueue
    figures: KeptFigures
    approving: Approving

    def show_approvals(self, call_id: UUID) -> None:
        """What waits for a word in this call, or was settled late, is another now."""
        self.desk.approvals(call_id, self.approving.at_desk(call_id))
        run = self.handoffs.get(call_id)
        if run is not None:
            run.refresh()


def assemble(needs: Needs) -> People:
    """Bind the parts; on the event loop.

    Raises:
        MusicFileError: the configured music cannot be played.
    """
    queue = needs.config.queue()
    desk = _desk(needs)
    waiting_room = WaitingRoom(
        queue,
        desk.directory,
        needs.records,
        has_phone=needs.has_phone,
        routing=needs.config.routing(),
    )
    waiting_room.on_length = desk.queue_changed
    figures = KeptFigures(queue.statistics, needs.records, wall=time.time)
    waiting_room.on_counted = figures.keep

    async def call_back(promise: Promise, context: HandOffContext, agent: str) -> Result:
        return await calling_back(promise, context, agent)

    callbacks = Callbacks(
        needs.records,
        waiting_room,
        call_back,
        clock=needs.clock,
        options=needs.config.callback_options(),
    )
    consultations = Consulting(
        needs.dial,
        needs.live,
        call_replaced_by=needs.call_replaced_by,
        run_of=lambda call_id: handoffs.get(call_id),
    )
    world = _world(needs, desk, waiting_room, callbacks, consultations)
    handoffs = HandOffs(world)
    calling_back = CallingBack(
        CallingWorld(
            handoffs=handoffs,
            queue=waiting_room,
            plane=needs.plane,
            live=needs.live,
            records=needs.calls,
            recordings=needs.recordings,
            writer=needs.writer,
            dial=needs.dial,
            clock=needs.clock,
            announcements=world.announcements,
        )
    )
    return People(
        handoffs=handoffs,
        callbacks=callbacks,
        desk=desk,
        queue=queue,
        figures=figures,
        approving=needs.approving,
    )


def _desk(needs: Needs) -> Desk:
    steps = tuple(Choice(code=code, label=say) for code, say in needs.returns.items())
    return Desk(
        DeskPorts(
            actions=DeskRecordsPort(
                needs.records,
                needs.live,
                needs.approving.decide,
                needs.names,
                _targets(needs.config),
            ),
            dial=lambda extension, handoff_id: needs.dial(extension, _about(handoff_id)),
        ),
        DeskOptions(
            return_steps=steps,
            wrap_up_s=needs.config.wrap_up_s,
            dispositions=needs.desk.dispositions,
            away_reasons=needs.desk.away_reasons,
        ),
    )


def _world(
    needs: Needs,
    desk: Desk,
    waiting_room: WaitingRoom,
    callbacks: Callbacks,
    consultations: Consulting,
) -> RunWorld:
    config = needs.config
    return RunWorld(
        lines=_Lines(desk, needs.dial, needs.approving),
        queue=waiting_room,
        callbacks=callbacks,
        stage=StageWorld(
            tts=needs.tts,
            music=load_music(config.music) if config.music else hold_music(),
            overhear=lambda on_line: LineEar(
                needs.stt, needs.vad, on_line, guards=needs.plane.echo_guards
            ),
            tracks=lambda call: _tracks(needs, call),
        ),
        refer=Referring(needs.address_of),
        consultations=consultations,
        attempts=lambda handoff_id: Attempts(handoff_id, needs.store),
        context=_context,
        known_agent=Acquaintance(needs.records, for_s=config.sticky_s).agent_of,
        summarise=needs.summarise.summarise,
        brief=brief_of,
        name_of=lambda target: _name_of(desk, target),
        clock=needs.clock,
        announcements=Announcements(),
        options=config.transfer_options(),
        on_line=lambda call_id, who, text, at_s: _keep_line(needs, call_id, who, text, at_s),
    )


def _targets(config: HandOffConfig) -> tuple[TransferTarget, ...]:
    queues = [
        TransferTarget(
            target=f"{QUEUE_PREFIX}{each.skill}", label=each.label or each.skill, kind="queue"
        )
        for each in config.queues
    ]
    numbers = [
        TransferTarget(target=each.target, label=each.label, kind="number")
        for each in config.numbers
    ]
    return (*queues, *numbers)


def _tracks(needs: Needs, call: CallInHand) -> TrackRecorder | None:
    if needs.recordings is None:
        return None
    part = sum(1 for _ in needs.recordings.glob(f"{call.call_id}-handoff*.wav")) + 1
    path = needs.recordings / f"{call.call_id}-handoff{part}.wav"
    return TrackRecorder(path, TRACKS, needs.writer)


def _context(
    call: CallInHand, handoff: HandOff, handoff_id: UUID, requested_at: datetime
) -> HandOffContext:
    return gather(call, handoff, handoff_id=handoff_id, requested_at=requested_at)


def _name_of(desk: Desk, target: str) -> str:
    try:
        return desk.directory.get(target).profile.name
    except UnknownAgentError:
        return target  # an address


def _keep_line(needs: Needs, call_id: UUID, who: str, text: str, at_s: float) -> None:
    needs.records.overheard(call_id, OverheardLine(at_s=at_s, who=who, text=text))
    needs.feed.publish({"event": "line", "call_id": str(call_id), "who": who, "text": text})


class _Lines:
    """server.handoff.ports.AgentLines: agents at their desks or phones, and bare telephones."""

    def __init__(self, desk: Desk, dial: Dial, approving: Approving) -> None:
        self._desk, self._dial, self._approving = desk, dial, approving

    def open(self, offer: Offer) -> AgentLine:
        """See AgentLines."""
        if any(each.profile.id == offer.agent_id for each in self._desk.directory.agents()):
            line = self._desk.open(offer)
            self._desk.approvals(offer.call_id, self._approving.at_desk(offer.call_id))
            return line
        if not can_be_dialled(offer.agent_id):
            raise LookupError(f"agent {offer.agent_id!r} is not signed in")
        about = _about(offer.context.handoff_id)
        return PhoneLine(lambda: self._dial(offer.agent_id, about))


def _about(handoff_id: UUID) -> Mapping[str, str]:
    """What a phone or PBX is told of the hand-off it is called for."""
    return {FIELD: str(user_to_user_of(handoff_id))}


def browser_audio(peers: WebRtcPeers) -> OpenRtc:
    """server.desk.ports.OpenRtc over WebRTC."""

    async def open_rtc(offer_sdp: str) -> RtcLeg:
        info = CallerInfo(
            call_id=uuid.uuid4().hex, caller="", callee="desk", transport="webrtc", peer=""
        )
        try:
            return await peers.accept(offer_sdp, info)
        except BadOfferError as error:
            raise NoAudioError(str(error)) from error
        except TooManyPeersError as error:
            raise NoAudioError("many browsers are connecting right now; try again") from error

    return open_rtc
