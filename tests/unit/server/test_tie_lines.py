"""What is said on a tie line, and frames between two clocks."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialog.standing import SlotStanding, Standing
from server.desk.board import BoardCall
from server.framing import HEAD
from server.handoff.context import Line
from server.handoff.in_hand import CallOver, TakenBack
from server.handoff.story import Deed, Told
from server.tie_lines.messages import (
    Audio,
    Awaited,
    Awaiting,
    Brought,
    Decide,
    Ended,
    HangUp,
    Happened,
    Kind,
    Listen,
    Message,
    Over,
    Press,
    Refer,
    Referred,
    Replaced,
    Reported,
    Seen,
    Unlisten,
    pack,
    unpack,
)
from server.tie_lines.slack import AHEAD, Slack
from telephony.leg import CallerInfo
from voice.events import (
    ActionOutcome,
    ActionStatus,
    HandOff,
    HandOffEnded,
    Hypothesis,
    KeyPressed,
    LegEnded,
    PerformAction,
    TurnRecord,
    TurnTimes,
    Understanding,
)
from voice.frames import FRAME_SAMPLES, Pcm

ACTION = PerformAction(name="change", arguments={"order": "4815", "lines": [1, 2]}, key="k")
DEED = Deed(
    action=ACTION,
    outcome=ActionOutcome(
        name="change", key="k", status=ActionStatus.REFUSED, result={"code": "no"}, error="why"
    ),
)
TURN = TurnRecord(
    index=3,
    started_at_s=12.5,
    caller_text="my order",
    caller_kind="speech",
    n_best=(Hypothesis(text="my order", log_prob=-0.25),),
    understanding=Understanding(intent="order", score=0.9, band="accept", slots={"order": "4"}),
    actions=("look_up: succeeded",),
    said="And the postcode?",
    heard="And the",
    interrupted=True,
    times=TurnTimes(decode_s=0.01),
)
TOLD = Told(
    turns=(TURN,),
    deeds=(Deed(action=ACTION, outcome=None), DEED),
    lines=(Line(who="agent", text="hello", at_s=3.0),),
    colleague="ann",
)
BROUGHT = Brought(
    number=7,
    handoff=HandOff(reason="caller_asked", skill="orders", task="a change", target=None),
    call_id=UUID(int=5),
    info=CallerInfo(call_id="c", caller="sip:a", callee="sip:b", transport="sip/udp", peer="h:1"),
    started_at=datetime(2026, 11, 30, 12, tzinfo=UTC),
    answered_at_s=1234.5,
    reports_keys=True,
    standing=Standing(
        task="a change",
        slots=(SlotStanding(name="order", value="4815", known_right=True),),
        missing=("postcode",),
        verified=("order number",),
        facts={"tries": 2, "known": {"x": [None, True]}},
        says={"change": "change {order}"},
        returns={"step": "the step"},
        verifiable=True,
    ),
    told=TOLD,
)


@pytest.mark.parametrize(
    "message",
    [
        BROUGHT,
        Reported(number=1, event=KeyPressed(key="#")),
        Reported(number=1, event=LegEnded(reason="caller_hangup")),
        Happened(number=2, deed=DEED),
        Replaced(number=3, uri="sip:c@d"),
        Ended(number=4, reason="server_shutdown"),
        Referred(number=5, status=202),
        Referred(number=5, status=None),
        Over(number=6, outcome=CallOver(reason="agent_hangup"), told=TOLD),
        Over(number=6, outcome=TakenBack(ended=HandOffEnded(reason="returned")), told=Told()),
        Press(number=7, key="5"),
        Refer(number=8, target="sip:x", replaces="a;to-tag=b;from-tag=c", user_to_user=None),
        HangUp(number=2**63, reason="consulted"),
        Seen(calls=(BoardCall(call_id=UUID(int=6), state="frontdesk", caller="…12", for_s=1.5),)),
        Awaiting(
            actions=(
                Awaited(id="a", call_id=UUID(int=6), action=ACTION, detail="change", since_s=9.0),
            )
        ),
        Decide(call_id=UUID(int=6), action_id="a", approved=False),
        Listen(number=2**63 + 1, call_id=UUID(int=6)),
        Unlisten(number=2**63 + 1),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_is_said_is_understood(message: Message):
    assert over(message) == message


def test_scores_may_be_numbers_of_numpy():
    n_best = (Hypothesis(text="a", log_prob=np.float32(-0.5)),)  # pyright: ignore[reportArgumentType]
    deed = Deed(action=PerformAction(name="a", arguments={"x": np.int64(4)}, key="k"), outcome=None)
    happened = over(Happened(number=1, deed=deed))
    assert isinstance(happened, Happened)
    assert happened.deed.action.arguments == {"x": 4}
    told = Told(turns=(replace(TURN, n_best=n_best),))
    kept = over(Over(number=1, outcome=CallOver(reason="x"), told=told))
    assert isinstance(kept, Over)
    assert kept.told.turns[0].n_best[0].log_prob == -0.5


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(-32_768, 32_767)), max_size=30))
def test_audio_of_all_callers_of_a_tick_is_one_message(levels: list[tuple[int, int]]):
    frames = tuple((number, frame(level)) for number, level in levels)
    understood = over(Audio(frames))
    assert isinstance(understood, Audio)
    assert [number for number, _ in understood.frames] == [number for number, _ in frames]
    for (_, heard), (_, sent) in zip(understood.frames, frames, strict=True):
        assert heard.dtype == np.int16
        assert np.array_equal(heard, sent)


@given(st.integers(0, 255), st.binary(max_size=400))
def test_garbage_is_refused(kind: int, body: bytes):
    try:
        unpack(kind, body)
    except ValueError:
        return
    assert kind == Kind.AUDIO
    assert len(body) % (8 + 2 * FRAME_SAMPLES) == 0


# --- frames between two clocks ---


def test_frames_come_out_in_order_once_a_few_are_there():
    slack = Slack()
    slack.put(frame(0))
    assert slack.take() is None
    got: list[int] = []
    for number in range(1, 20):
        slack.put(frame(number))
        got.append(level_of(slack.take()))
    assert got == list(range(19))


def test_a_tick_that_is_late_is_not_heard():
    slack, got = filled(), list[int]()
    for number in range(AHEAD, 60):
        if number % 7:  # every seventh tick of theirs comes after ours
            slack.put(frame(number))
        got.append(level_of(slack.take()))
        if not number % 7:
            slack.put(frame(number))
    assert got == list(range(60 - AHEAD))


def test_after_a_stand_still_frames_are_gathered_again():
    slack = filled()
    for _ in range(AHEAD):
        assert slack.take() is not None
    assert slack.take() is None
    slack.put(frame(1))
    assert slack.take() is None
    slack.put(frame(2))
    assert level_of(slack.take()) == 1


def test_delay_of_a_stand_still_does_not_last():
    slack = filled()
    for number in range(40):  # we stood still: ten of them are kept
        slack.put(frame(number))
    late = [step(slack, number) for number in range(40, 240)]
    assert late[0] > AHEAD
    assert late[-1] <= AHEAD


@given(st.lists(st.booleans(), max_size=300))
def test_frames_are_never_repeated_nor_turned_round(ticks: list[bool]):
    slack, number, got = Slack(), 0, list[int]()
    for theirs in ticks:
        if theirs:
            slack.put(frame(number))
            number += 1
        elif (taken := slack.take()) is not None:
            got.append(level_of(taken))
    assert got == sorted(set(got))


def over(message: Message) -> Message:
    """As the other end understands it."""
    packed = pack(message)
    kind, length, _ = HEAD.unpack_from(packed)
    assert len(packed) == HEAD.size + length
    return unpack(kind, packed[HEAD.size :])


def frame(level: int) -> Pcm:
    return np.full(FRAME_SAMPLES, level, dtype=np.int16)


def level_of(pcm: Pcm | None) -> int:
    assert pcm is not None
    return int(pcm[0])


def filled() -> Slack:
    slack = Slack()
    for number in range(AHEAD):
        slack.put(frame(number))
    return slack


def step(slack: Slack, number: int) -> int:
    """A tick of both; how many frames the one given out is behind."""
    slack.put(frame(number))
    return number - level_of(slack.take())
