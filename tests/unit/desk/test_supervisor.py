"""The board: what it shows, and how a supervisor is in calls."""

from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

import pytest

from server.desk.board import BoardCall, BoardTold, FromBoard, parse_from_board
from server.desk.errors import RefusedError
from server.desk.presence import AgentDirectory, AgentProfile
from server.desk.protocol import ErrorTold
from server.desk.supervisor import Boards, BoardWorld, SupervisorSession
from tests.fakes.desk_agent import FakeAudio, FakePage
from tests.fakes.desk_world import AGENT, ScriptedFloor
from tests.fakes.timers import HandTimers

CALL = BoardCall(call_id=uuid4(), state="agent", caller="+1 ••• 100", for_s=3.0, agent="Kim")
OTHER = BoardCall(call_id=uuid4(), state="frontdesk", caller="withheld", for_s=1.0)


class Floor:
    """A board that is open before a floor with two calls."""

    def __init__(self) -> None:
        self.timers, self.floor, self.page = HandTimers(), ScriptedFloor(), FakePage()
        self.floor.live = [CALL, OTHER]
        self.directory = AgentDirectory(self.timers.time)
        self.directory.sign_in(AgentProfile(id="kim", name="Kim"))
        self.behind: list[Coroutine[Any, Any, None]] = []
        self.world = BoardWorld(
            timers=self.timers,
            directory=self.directory,
            supervision=self.floor,
            spawn=self.behind.append,
            audio_wait_s=0.01,
        )
        self.session = SupervisorSession("dana", "Dana", self.page, self.world)
        self.session.start()

    async def does(self, message: str) -> None:
        told: FromBoard = parse_from_board(message)
        self.session.receive(told)
        await self.finish()

    async def finish(self) -> None:
        while self.behind:
            await self.behind.pop(0)

    async def joins(self, call: BoardCall, mode: str = "listen") -> None:
        await self.does(f'{{"type":"listen","call_id":"{call.call_id}","mode":"{mode}"}}')

    @property
    def board(self) -> BoardTold:
        return self.page.last(BoardTold)


@pytest.fixture
async def floor() -> Floor:
    return Floor()


async def test_board_shows_calls_queue_and_agents_at_once(floor: Floor):
    assert floor.board.calls == (CALL, OTHER)
    assert [agent.presence for agent in floor.board.agents] == ["offline"]
    assert floor.board.listening is None


async def test_board_is_sent_again_when_something_changed(floor: Floor):
    floor.floor.live = [OTHER]
    floor.timers.advance(1.0)
    assert floor.board.calls == (OTHER,)


async def test_listening_needs_audio(floor: Floor):
    await floor.joins(CALL)
    assert floor.page.last(ErrorTold).code == "no_audio"
    assert floor.floor.joined == []


async def test_listener_becomes_coach_without_leaving(floor: Floor):
    floor.session.attach_audio(FakeAudio())
    await floor.joins(CALL)
    await floor.joins(CALL, "coach")
    assert floor.floor.joined == [(CALL.call_id, "listen"), (CALL.call_id, "coach")]
    assert floor.floor.left == []
    assert floor.board.listening is not None
    assert floor.board.listening.mode == "coach"


async def test_one_call_at_a_time(floor: Floor):
    floor.session.attach_audio(FakeAudio())
    await floor.joins(CALL)
    await floor.joins(OTHER)
    assert floor.floor.left == [CALL.call_id]


@pytest.mark.parametrize("how", ["stop", "page", "audio"])
async def test_who_goes_is_taken_out_of_the_call(floor: Floor, how: str):
    audio = FakeAudio()
    floor.session.attach_audio(audio)
    await floor.joins(CALL)
    if how == "stop":
        await floor.does('{"type":"stop"}')
    elif how == "page":
        floor.session.close()
    else:
        audio.vanish()
    await floor.finish()
    assert floor.floor.left == [CALL.call_id]
    assert how == "audio" or audio.hung_up is not None


async def test_end_of_the_call_ends_the_listening(floor: Floor):
    floor.session.attach_audio(FakeAudio())
    await floor.joins(CALL)
    floor.floor.live = [OTHER]
    floor.timers.advance(1.0)
    assert floor.board.listening is None


async def test_refusal_is_told_in_its_words(floor: Floor):
    floor.floor.failing = RefusedError("this call may not be heard")
    floor.session.attach_audio(FakeAudio())
    await floor.joins(CALL)
    assert floor.page.last(ErrorTold).message == "this call may not be heard"
    assert floor.board.listening is None


async def test_defect_behind_a_request_is_told_without_its_words(floor: Floor):
    floor.floor.failing = OSError("secret path")
    await floor.does(
        f'{{"type":"decide","call_id":"{CALL.call_id}","action_id":"a1","approved":true}}'
    )
    assert floor.page.last(ErrorTold).code == "failed"
    assert "secret" not in floor.page.last(ErrorTold).message


async def test_agent_who_forgot_is_set_away(floor: Floor):
    floor.directory.desk_connected("kim", True)
    floor.directory.choose_ready("kim")
    await floor.does('{"type":"set_away","agent_id":"kim"}')
    assert (floor.board.agents[0].presence, floor.board.agents[0].away_reason) == (
        "away",
        "set_by_supervisor",
    )
    await floor.does('{"type":"set_away","agent_id":"nobody"}')
    assert floor.page.last(ErrorTold).code == "gone"


async def test_board_names_a_reason_as_the_agents_do(floor: Floor):
    floor.directory.desk_connected("kim", True)
    floor.directory.choose_away("kim", "other_work")
    floor.timers.advance(1.0)
    (kim,) = floor.board.agents
    assert (kim.away_reason, kim.away_label) == ("other_work", "Other work")


async def test_audio_goes_to_the_board_opened_last(floor: Floor):
    boards = Boards(floor.world)
    with boards.opened(AGENT, FakePage()) as first:
        with boards.opened(AGENT, FakePage()) as second:
            assert boards.of(AGENT.key) is second
            first.close()
            assert boards.of(AGENT.key) is second
        with pytest.raises(RefusedError):
            boards.of(AGENT.key)
    await floor.finish()
