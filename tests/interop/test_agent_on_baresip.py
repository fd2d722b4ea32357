"""A caller on a phone and an agent on another: rung by frontdesk, briefed, and taken with a key."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telephony.media_clock import MediaClock
from telephony.outgoing_sip_leg import OutgoingSipLeg
from telephony.rtp.ports import PortRange
from telephony.sip.referral import ReferRequest
from telephony.sip_leg import SipLeg
from tests.fakes.desk_client import PHONE_PASSWORD, DeskClient, add_user, desk_open
from tests.fakes.postgres import PostgresForTests
from tests.fakes.recordings import contains_phrase
from tests.fakes.sip_phone import Phone
from tests.fakes.system import System, wait_for
from tests.fakes.waiting_caller import WaitingCaller, calling
from tests.interop.conftest import peer
from tests.interop.test_baresip import CONFIG, write_mono
from tests.interop.test_baresip_agent import THEIR_HZ, find_modules, strength, tone
from voice.frames import FRAME_SAMPLES, RATE_HZ, Pcm

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

CALLER_HZ, GUEST_HZ, EXPERT_HZ = 450.0, 650.0, 850.0  # whole periods in 20 ms
CONTROL_PORT = 25_092
_WAV_HEADER = 44  # bytes
BRIEF_ENDS = "Press 1 to take the call."


@pytest.fixture(scope="module")
def phone_system(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresForTests
) -> Iterator[System]:
    """With a realm of its own: what the phone proves must be what the accounts keep."""
    databases = postgres.fresh_database(), postgres.fresh_database()
    settings = {
        "FRONTDESK_SIP__REALM": "oakline",
        "FRONTDESK_HANDOFF__NOBODY_S": "60",
        "FRONTDESK_HANDOFF__CALLBACK_AFTER_S": "2",
    }
    running = System(tmp_path_factory.mktemp("phones"), *databases, settings)
    try:
        running.start_shop()
        # Before the server, which reads who has a phone when it starts, and then every few seconds.
        add_user(running, "ann", "--role", "agent", "--skill", "orders", "--extension", "201")
        running.start_server()
        yield running
    finally:
        running.stop()


class Baresip:
    """A running phone that answers by itself, and presses keys when told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def press(self, key: str) -> None:
        self._command("sndcode", key)

    def transfer(self, target: str) -> None:
        """As its transfer key does, without asking there first."""
        self._command("transfer", target)

    def _command(self, name: str, argument: str) -> None:
        """Over baresip's control socket: JSON in netstrings."""
        command = json.dumps({"command": name, "params": argument})
        with socket.create_connection(("127.0.0.1", CONTROL_PORT), timeout=5) as control:
            control.sendall(f"{len(command)}:{command},".encode())
            control.recv(4096)

    def heard(self) -> Pcm:
        """Everything so far; the sizes in the WAV's header are right only when it is closed."""
        written = [path.read_bytes() for path in self.folder.glob("dump-*-dec.wav")]
        pcm = b"".join(each[_WAV_HEADER:] for each in written)
        return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2")


@contextmanager
def agent_phone(system: System, folder: Path) -> Generator[Baresip, None, None]:
    """baresip, registered at the server as extension 201."""
    baresip, wav = peer("baresip"), folder / "agent.wav"
    write_mono(wav, tone(THEIR_HZ, 90 * RATE_HZ))
    config = CONFIG.format(modules=find_modules(), wav=wav, folder=folder).replace("25090", "25093")
    (folder / "config").write_text(
        f"{config}module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{CONTROL_PORT}\n"
    )
    (folder / "accounts").write_text(
        f'<sip:201@127.0.0.1:{system.sip_port}>;auth_user=201;auth_pass="{PHONE_PASSWORD}"'
        ";regint=60;answermode=auto\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [baresip, "-f", folder, "-t", "120"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield Baresip(folder)
    finally:
        process.terminate()
        process.wait(10)


def asks_for_a_person(caller: WaitingCaller) -> None:
    wait_for(lambda: True if contains_phrase(caller.heard(), "How can I help you?") else None)
    caller.press("0")


def test_agent_on_a_phone_is_briefed_takes_the_caller_with_a_key_and_both_hear_each_other(
    phone_system: System, tmp_path: Path
):
    with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as phone:
        desk.send("reach", reach="phone")
        desk.send("presence", ready=True)
        desk.send("spoken_brief", wanted=True)
        desk.wait_for("presence", presence="ready")  # only once the phone is registered
        with calling(phone_system.sip, ports_from=36_200) as caller:
            asks_for_a_person(caller)
            offer = desk.wait_for("offer")
            assert offer["context"]["reason"] == "caller_asked"
            desk.wait_for("call", phase="briefing")
            wait_for(lambda: True if contains_phrase(phone.heard(), BRIEF_ENDS) else None)
            before_s = caller.now_s
            phone.press("1")
            desk.wait_for("call", phase="talking")
            caller.say(tone(CALLER_HZ, 4 * RATE_HZ))
            joined = wait_for(lambda: _tail(caller, before_s))
            assert strength(joined, THEIR_HZ) > 0.9
            wait_for(lambda: True if strength(phone.heard()[-RATE_HZ:], CALLER_HZ) > 0.9 else None)
            assert not contains_phrase(caller.heard(), BRIEF_ENDS)
            caller.hang_up()
        wraps_up(desk, offer)
    call = phone_system.last_call()
    assert call["end_reason"] == "caller_hangup"
    [handoff] = call["handoffs"]
    assert [attempt["outcome"] for attempt in handoff["attempts"]] == ["accepted"]


def wraps_up(desk: DeskClient, offer: Mapping[str, Any]) -> None:
    """The agent is free for the next call."""
    call_id = offer["call"]["call_id"]
    wait_for(lambda: [each for each in desk.told if each["type"] == "wrap_up"] or None)
    desk.send("disposition", call_id=call_id, code="resolved")
    desk.send("wrap_up_done", call_id=call_id)


async def calls(
    phone: Phone, clock: MediaClock, server: str
) -> tuple[OutgoingSipLeg, WaitingCaller]:
    """A caller whose call is up."""
    leg = await phone.dial(server)
    caller = WaitingCaller(asyncio.get_running_loop(), leg)
    await leg.answered()
    clock.add(caller.tick)
    return leg, caller


async def takes_when_told(colleague: Phone, clock: MediaClock) -> SipLeg:
    """A colleague hears whom the call is about, and takes it: their end of it."""
    guest, heard = await colleague.next_leg(), list[Pcm]()
    clock.add(lambda now_s: heard.append(guest.receive_frame().copy()))
    clock.add(lambda now_s: guest.send_frame(tone(GUEST_HZ, FRAME_SAMPLES)))
    await sees(lambda: _has_said(heard, BRIEF_ENDS))
    guest.send_key("1")
    return guest


async def taken_with_a_key(
    caller: WaitingCaller, desk: DeskClient, agent: Baresip
) -> Mapping[str, Any]:
    """The caller asks for a person, and the agent takes them on the phone: the offer."""
    await asyncio.to_thread(asks_for_a_person, caller)
    offer = await asyncio.to_thread(desk.wait_for, "offer")
    await asyncio.to_thread(desk.wait_for, "call", phase="briefing")
    agent.press("1")
    await asyncio.to_thread(desk.wait_for, "call", phase="talking")
    return offer


async def test_agent_asks_a_colleague_in_and_leaves_them_the_caller(
    phone_system: System, tmp_path: Path
):
    with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as agent:
        desk.send("reach", reach="phone")
        desk.send("presence", ready=True)
        async with caller_phone() as (phone, clock), caller_phone(36_500) as (colleague, _):
            leg, caller = await calls(phone, clock, phone_system.sip)
            offer = await taken_with_a_key(caller, desk, agent)
            call_id = offer["call"]["call_id"]
            desk.send("conference", call_id=call_id, target=colleague.uri)
            await takes_when_told(colleague, clock)
            await sees(lambda: strength(caller.heard()[-RATE_HZ:], GUEST_HZ) > 0.3)
            assert strength(caller.heard()[-RATE_HZ:], THEIR_HZ) > 0.3
            assert not contains_phrase(caller.heard(), BRIEF_ENDS)
            desk.send("hang_up", call_id=call_id)
            await sees(lambda: strength(caller.heard()[-RATE_HZ:], GUEST_HZ) > 0.9)
            await leg.hang_up("done")
            await asyncio.to_thread(wraps_up, desk, offer)
    call = phone_system.last_call()
    assert call["end_reason"] == "caller_hangup"
    [handoff] = call["handoffs"]
    assert handoff["agent"] == colleague.uri
    assert [each["outcome"] for each in handoff["attempts"]] == ["accepted", "joined_in"]


@pytest.mark.parametrize("mode", ["attended", "blind"])
async def test_caller_is_left_to_the_phone_system_and_frontdesk_is_out_of_it(
    phone_system: System, tmp_path: Path, mode: str
):
    with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as agent:
        desk.send("reach", reach="phone")
        desk.send("presence", ready=True)
        async with caller_phone() as (phone, clock), caller_phone(36_500) as (colleague, _):
            leg = await phone.dial(phone_system.sip)
            followed, asked = follows_refers(phone, leg)
            caller = WaitingCaller(asyncio.get_running_loop(), leg)
            await leg.answered()
            clock.add(caller.tick)
            offer = await taken_with_a_key(caller, desk, agent)
            call_id = offer["call"]["call_id"]
            desk.send("transfer_on", call_id=call_id, target=colleague.uri, mode=mode)
            theirs, heard = await colleague.next_leg(), list[Pcm]()
            theirs.on_replaced = lambda uri: None  # as phone systems allow it
            clock.add(lambda now_s: heard.append(theirs.receive_frame().copy()))
            clock.add(lambda now_s: theirs.send_frame(tone(GUEST_HZ, FRAME_SAMPLES)))
            if mode == "attended":
                await sees(lambda: _has_said(heard, BRIEF_ENDS))
                theirs.send_key("1")
            direct, direct_heard = await asyncio.wait_for(followed, 30), list[Pcm]()
            clock.add(lambda now_s: direct_heard.append(direct.receive_frame().copy()))
            clock.add(lambda now_s: direct.send_frame(tone(CALLER_HZ, FRAME_SAMPLES)))
            await sees(lambda: _is_heard(direct_heard, GUEST_HZ))
            await sees(lambda: _is_heard(heard, CALLER_HZ))
            await asyncio.to_thread(caller.ended.result, 15)
            assert (asked[0].replaces is not None) == (mode == "attended")
            assert asked[0].user_to_user is not None  # the opaque id of the hand-off
            assert await asyncio.to_thread(phone_system.last_call)
            assert phone_system.calls()[0]["end_reason"] == "referred"
            await direct.hang_up("done")
            await asyncio.to_thread(wraps_up, desk, offer)


async def test_agent_transfers_on_with_the_key_of_their_phone(phone_system: System, tmp_path: Path):
    with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as agent:
        desk.send("reach", reach="phone")
        desk.send("presence", ready=True)
        async with caller_phone() as (phone, clock), caller_phone(36_500) as (colleague, _):
            leg, caller = await calls(phone, clock, phone_system.sip)
            offer = await taken_with_a_key(caller, desk, agent)
            agent.transfer(colleague.uri)
            await takes_when_told(colleague, clock)
            await sees(lambda: strength(caller.heard()[-RATE_HZ:], GUEST_HZ) > 0.9)
            await asyncio.to_thread(wraps_up, desk, offer)
            await leg.hang_up("done")
    [handoff] = phone_system.last_call()["handoffs"]
    assert [each["outcome"] for each in handoff["attempts"]] == ["accepted", "accepted"]


async def test_phone_gives_the_caller_to_whom_it_asked_itself(phone_system: System, tmp_path: Path):
    """baresip has no key for that: who has the caller by then is on a phone of ours."""
    with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as agent:
        desk.send("reach", reach="phone")
        desk.send("presence", ready=True)
        async with (
            caller_phone() as (phone, clock),
            caller_phone(36_500) as (colleague, _),
            caller_phone(36_600) as (expert, _),
        ):
            leg, caller = await calls(phone, clock, phone_system.sip)
            offer = await taken_with_a_key(caller, desk, agent)
            agent.transfer(colleague.uri)
            guest = await takes_when_told(colleague, clock)
            await sees(lambda: strength(caller.heard()[-RATE_HZ:], GUEST_HZ) > 0.9)
            consultation = await colleague.dial(expert.uri)
            asked = await expert.next_leg()
            asked.on_replaced = lambda uri: None  # as phones allow it
            await consultation.answered()
            clock.add(lambda now_s: asked.send_frame(tone(EXPERT_HZ, FRAME_SAMPLES)))
            referral = await guest.refer(expert.uri, replaces=consultation)
            assert await asyncio.wait_for(referral.result(), 10) == 200
            await sees(lambda: strength(caller.heard()[-RATE_HZ:], EXPERT_HZ) > 0.9)
            await asyncio.to_thread(wraps_up, desk, offer)
            await leg.hang_up("done")
    [handoff] = phone_system.last_call()["handoffs"]
    assert handoff["agent"] == expert.uri
    assert [each["outcome"] for each in handoff["attempts"]][1:] == ["accepted", "joined_in"]


def follows_refers(
    phone: Phone, leg: OutgoingSipLeg
) -> tuple[asyncio.Future[OutgoingSipLeg], list[ReferRequest]]:
    """What a phone system does that is told to call somebody else: the call there, once it is."""
    followed: asyncio.Future[OutgoingSipLeg] = asyncio.get_running_loop().create_future()
    asked, calling_there = list[ReferRequest](), list[asyncio.Task[None]]()

    async def call_there(request: ReferRequest) -> None:
        request.accept()
        replaces = request.replaces
        fields = (("Replaces", str(replaces)),) if replaces is not None else ()
        there = await phone.dial(request.target, headers=fields)
        await there.answered()
        request.report(200)
        followed.set_result(there)

    def refer(request: ReferRequest) -> None:
        asked.append(request)
        calling_there.append(asyncio.ensure_future(call_there(request)))

    leg.on_refer = refer
    return followed, asked


async def test_caller_who_chose_it_is_called_back_once_an_agent_has_taken_the_call(
    phone_system: System, tmp_path: Path
):
    async with caller_phone() as (phone, clock):
        with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as agent:
            desk.send("reach", reach="phone")
            desk.send("presence", ready=False, away_reason="lunch")
            await chooses_a_callback(phone, clock, phone_system.sip)
            desk.send("presence", ready=True)
            await is_called_back(desk, agent, phone, clock)
    call = phone_system.last_call()
    assert (call["transport"], call["end_reason"]) == ("callback", "caller_hangup")
    assert call["answered_at"] is not None
    [handoff] = call["handoffs"]
    assert handoff["reason"] == "callback"


async def test_promised_callback_survives_a_restart_of_the_server(
    phone_system: System, tmp_path: Path
):
    async with caller_phone() as (phone, clock):
        with desk_open(phone_system, "ann") as desk:
            desk.send("reach", reach="desk")
            desk.send("presence", ready=False, away_reason="lunch")
            await chooses_a_callback(phone, clock, phone_system.sip)
        promised_in = phone_system.last_call()
        await asyncio.to_thread(phone_system.server.stop)
        await asyncio.to_thread(phone_system.start_server)
        with desk_open(phone_system, "ann") as desk, agent_phone(phone_system, tmp_path) as agent:
            desk.send("reach", reach="phone")
            desk.send("presence", ready=True)
            context = await is_called_back(desk, agent, phone, clock)
    assert promised_in["end_reason"] == "callback_promised"
    why, *facts = context["summary"]
    assert why.endswith("they asked to be called back.")
    assert facts == promised_in["handoffs"][0]["context"]["summary"][1:]


async def is_called_back(
    desk: DeskClient, agent: Baresip, phone: Phone, clock: MediaClock
) -> Mapping[str, Any]:
    """The agent takes it and hears the caller, who hears them; the context that they saw."""
    offer = await asyncio.to_thread(desk.wait_for, "offer")
    assert offer["context"]["reason"] == "callback"
    await asyncio.to_thread(desk.wait_for, "call", phase="briefing")
    assert phone.legs == []  # the agent comes first
    agent.press("1")
    leg, heard = await phone.next_leg(), list[Pcm]()
    clock.add(lambda now_s: heard.append(leg.receive_frame().copy()))
    clock.add(lambda now_s: leg.send_frame(tone(GUEST_HZ, FRAME_SAMPLES)))
    await sees(lambda: _is_heard(heard, THEIR_HZ))
    await sees(lambda: strength(agent.heard()[-RATE_HZ:], GUEST_HZ) > 0.9)
    await leg.hang_up("done")
    await asyncio.to_thread(wraps_up, desk, offer)
    return offer["context"]


@asynccontextmanager
async def caller_phone(ports_from: int = 36_400) -> AsyncGenerator[tuple[Phone, MediaClock]]:
    """A phone that calls, and answers when it is called."""
    ports = PortRange(ports_from, ports_from + 98)
    phone, clock = await Phone(ports).open(), MediaClock()
    phone.answers = True
    await clock.start()
    try:
        yield phone, clock
    finally:
        await clock.stop()
        await phone.endpoint.close(timeout_s=0.5)


async def chooses_a_callback(phone: Phone, clock: MediaClock, server: str) -> None:
    """Ask for a person, wait, choose to be called back, and be let go."""
    _, caller = await calls(phone, clock, server)
    await asyncio.to_thread(asks_for_a_person, caller)
    async with asyncio.timeout(40):
        while not caller.ended.done():  # the key means nothing before the callback was offered
            caller.press("1")
            await asyncio.sleep(2.0)


async def sees(condition: Callable[[], bool]) -> None:
    """Wait beside the loop: listening for a phrase takes longer than a frame."""
    await asyncio.to_thread(wait_for, lambda: True if condition() else None)


def _has_said(frames: list[Pcm], phrase: str) -> bool:
    return bool(frames) and contains_phrase(np.concatenate(frames), phrase)


def _is_heard(frames: list[Pcm], hz: float) -> bool:
    """Whether the last second is this tone."""
    second = frames[-RATE_HZ // FRAME_SAMPLES :]
    return len(second) * FRAME_SAMPLES >= RATE_HZ and strength(np.concatenate(second), hz) > 0.9


def _tail(caller: WaitingCaller, since_s: float) -> Pcm | None:
    """The last second that the caller heard, three seconds after `since_s`."""
    heard = caller.heard(since_s)
    return heard[-RATE_HZ:] if len(heard) > 3 * RATE_HZ else None
