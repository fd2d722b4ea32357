"""Whatever happens in whatever order, a call ends once and leaves nothing behind."""

import itertools
from collections import Counter
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.errors import LocalProtocolError
from telephony.sip.message import Request, respond, serialise
from telephony.sip.outputs import (
    CallClosed,
    CallEnded,
    CallEstablished,
    CallOffered,
    DialogId,
    Output,
    Transmit,
)
from telephony.sip.parser import parse
from telephony.sip.user_agent import UserAgent

CALLER = ("192.0.2.1", 5062)
LOCAL = ("192.0.2.9", 5060)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\n"
)

ABOUT_INVITE = {
    "invite": ("INVITE", OFFER),
    "invite_empty": ("INVITE", ""),
    "cancel": ("CANCEL", ""),
}
IN_DIALOG = {
    "bye": ("BYE", "", ""),
    "reinvite": ("INVITE", OFFER + "a=sendonly\r\n", ""),
    "info": ("INFO", "5", "application/dtmf"),
    "update": ("UPDATE", OFFER, ""),
    "options": ("OPTIONS", "", ""),
}
BY_USER = ("ring", "answer", "refuse", "hang_up")
STEPS = (
    *(*ABOUT_INVITE, *IN_DIALOG, *BY_USER),
    *("ack", "answer_bye", "garbage", "wait", "wait_long"),
)


class World:
    """One core, one caller, one Call-ID; times in seconds."""

    def __init__(self) -> None:
        tokens = itertools.count()
        self.agent = UserAgent(token=lambda: f"t{next(tokens)}")
        self.now_s = 0.0
        self.number = 0
        self.outputs: list[Output] = []

    def take(self, outputs: list[Output]) -> None:
        self.outputs += outputs

    def receive(self, data: bytes) -> None:
        self.take(self.agent.receive_datagram(data, CALLER, LOCAL, self.now_s))

    def send(
        self, method: str, number: int, *, branch: str, body: str = "", kind: str = ""
    ) -> None:
        tag = f";tag={self.dialog.local_tag}" if self.dialog and method != "CANCEL" else ""
        tag = "" if branch == "z9hG4bKinvite" and method == "INVITE" else tag
        self.receive(
            (
                f"{method} sip:desk@192.0.2.9 SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 192.0.2.1:5062;branch={branch}\r\n"
                f"From: <sip:a@example.com>;tag=c\r\nTo: <sip:desk@192.0.2.9>{tag}\r\n"
                f"Call-ID: c\r\nCSeq: {number} {method}\r\nContact: <sip:a@192.0.2.1:5062>\r\n"
                f"Content-Type: {kind or 'application/sdp'}\r\n\r\n{body}"
            ).encode()
        )

    @property
    def dialogs(self) -> list[DialogId]:
        return [o.dialog_id for o in self.outputs if isinstance(o, CallOffered)]

    @property
    def dialog(self) -> DialogId | None:
        return self.dialogs[0] if self.dialogs else None

    def next(self) -> tuple[int, str]:
        self.number += 1
        return self.number + 1, f"z9hG4bKn{self.number}"

    def wait(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while (at_s := self.agent.next_deadline_s()) is not None and at_s <= until_s:
            self.take(self.agent.tick(at_s))
        self.now_s = until_s

    def caller_does(self, step: str) -> None:
        number, branch = self.next()
        if step == "ack":
            self.send("ACK", 1, branch=branch, body=OFFER)
            self.send("ACK", number - 1, branch=branch)
        elif step == "answer_bye":
            self.answer_byes()
        elif step == "garbage":
            self.receive(b"INVITE sip:x SIP/2.0\r\nVia: ,\r\nCSeq: x\r\n\r\n")
        elif step in ABOUT_INVITE:
            method, body = ABOUT_INVITE[step]
            self.send(method, 1, branch="z9hG4bKinvite", body=body)
        else:
            method, body, kind = IN_DIALOG[step]
            self.send(method, number, branch=branch, body=body, kind=kind)

    def answer_byes(self) -> None:
        for output in list(self.outputs):
            if isinstance(output, Transmit) and output.data.startswith(b"BYE "):
                bye = parse(output.data)
                assert isinstance(bye, Request)
                self.receive(serialise(respond(bye, 200)))

    def user_does(self, step: str, dialog: DialogId) -> None:
        match step:
            case "ring":
                self.take(self.agent.ring(dialog, self.now_s))
            case "answer":
                self.take(self.agent.answer(dialog, "192.0.2.9", 4000, self.now_s))
            case "refuse":
                self.take(self.agent.refuse(dialog, 486, self.now_s))
            case _:
                self.take(self.agent.hang_up(dialog, self.now_s))

    def do(self, step: str) -> None:
        if step in ("wait", "wait_long"):
            self.wait(0.7 if step == "wait" else 40.0)
        elif step not in BY_USER:
            self.caller_does(step)
        elif self.dialog is not None:
            with suppress(LocalProtocolError):  # too late, or twice: the user is told
                self.user_does(step, self.dialog)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_every_call_ends_once_and_nothing_is_left(steps: list[str]):
    world = World()
    for step in steps:
        world.do(step)
    for dialog in world.dialogs:
        world.take(world.agent.hang_up(dialog, world.now_s))
    world.wait(200.0)

    assert (world.agent.call_count, world.agent.next_deadline_s()) == (0, None)
    happened: dict[DialogId, list[str]] = {}
    for output in world.outputs:
        if not isinstance(output, Transmit):
            happened.setdefault(output.dialog_id, []).append(type(output).__name__)
    for events in happened.values():
        counts = Counter(events)
        assert (counts[CallOffered.__name__], counts[CallEnded.__name__]) == (1, 1)
        assert counts[CallEstablished.__name__] <= 1
        assert (events[0], events[-1]) == (CallOffered.__name__, CallClosed.__name__)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_core_survives_any_datagrams(datagrams: list[bytes]):
    world = World()
    for data in datagrams:
        world.receive(data)
    world.do("options")
    assert isinstance(world.outputs[-1], Transmit)
    assert world.outputs[-1].data.startswith(b"SIP/2.0 200 OK\r\n")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_core_survives_distorted_requests_in_a_live_call(data: st.DataObject):
    world = World()
    world.do("invite")
    assert world.dialog is not None
    world.do("answer")
    world.do("ack")
    text = (
        "INVITE sip:desk@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP h:5062;branch=z9hG4bKd;rport\r\n"
        f"From: <sip:a@example.com>;tag=c\r\nTo: <sip:x>;tag={world.dialog.local_tag}\r\n"
        "Call-ID: c\r\nCSeq: 5 INVITE\r\nContact: <sip:a@h>\r\nContent-Type: application/sdp\r\n"
        f"\r\n{OFFER}"
    )
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        piece = data.draw(
            st.text(max_size=3) | st.sampled_from(["\r\n", "BYE", "OPTIONS", "0", ";"])
        )
        text = text[:start] + piece + text[start + data.draw(st.integers(0, 8)) :]
    world.receive(text.encode("utf-8", "replace"))
    world.do("hang_up")
    world.wait(200.0)
    assert world.agent.call_count == 0
