"""Who waits where and goes first is what `[handoff]` says, and who picks up is who fits best."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from server.config import ConfigError, load_config
from server.handoff.acquaintance import Acquaintance
from server.handoff.figures import Figures
from server.handoff.in_hand import TakenBack
from server.handoff.kept_figures import KeptFigures
from server.handoff.settings import HandOffConfig
from server.records.desk_facts import CountedInterval
from server.records.errors import RecordsUnavailableError
from telephony.queue_statistics import Counters
from telephony.transfer_events import AgentTransferredOn
from tests.fakes.handoff_world import HandOffWorld, joined
from voice.events import HandOff, HandOffEnded

TEAMS: dict[str, Any] = {
    "max_wait_s": 600,
    "priorities": {"action_failed": 5},
    "queues": [
        {"skill": "returns", "label": "Returns team", "priority": 10, "overflow_to": "main"},
        {"skill": "orders", "max_length": 3, "overflow_to": "returns", "overflow_after_s": 30},
    ],
}


def world_of(settings: dict[str, Any]) -> HandOffWorld:
    config = HandOffConfig.model_validate(settings)
    return HandOffWorld(queue=config.queue(), routing=config.routing())


def test_each_team_has_a_queue_that_differs_only_where_it_says_so():
    queues = HandOffConfig.model_validate(TEAMS).queue().queues
    assert list(queues) == ["main", "returns", "orders"]
    assert (queues["orders"].max_length, queues["orders"].overflow_after_s) == (3, 30)
    assert (queues["orders"].skill, queues["orders"].max_wait_s) == ("orders", 600)
    assert queues["returns"].max_length == queues["main"].max_length


async def test_caller_who_comes_when_it_is_closed_leaves_a_message_where_that_is_set():
    settings: dict[str, Any] = {
        "opening": {"holidays": {"2027-01-15": []}, "monday": ["09:00-17:00"]},
        "recoveries": {"closed": "voicemail"},
    }
    world = world_of(settings)
    world.wall_s = datetime(2027, 1, 15, 12, tzinfo=UTC).timestamp()
    world.is_staffed()
    await world.passes(0.2)
    await world.hands_off()
    outcome = await world.ended()
    assert outcome == TakenBack(ended=HandOffEnded(reason="closed", recovery="voicemail"))


@pytest.mark.parametrize(
    ("handoff", "complaint"),
    [
        ({"queues": [{"skill": "a"}, {"skill": "a"}]}, "more than one queue a"),
        ({"queues": [{"skill": "main"}]}, "more than one queue main"),
        ({"queues": [{"skill": "a", "overflow_to": "b"}]}, "overflows to b, which is no queue"),
        ({"queues": [{"skill": "a", "overflow_after_s": 5}]}, "set overflow_to too"),
    ],
)
def test_queues_that_do_not_fit_together_are_refused_at_start(
    handoff: dict[str, Any], complaint: str
):
    with pytest.raises(ConfigError, match=complaint):
        load_config(handoff=handoff)


async def test_caller_waits_in_the_queue_of_their_skill_with_its_priority_and_their_reasons():
    world = world_of(TEAMS)
    world.is_staffed()
    world.signs_in("rob", "returns")
    world.directory.choose_away("rob", "lunch")
    await world.passes(0.2)
    await world.hands_off(HandOff(reason="action_failed", skill="returns"))
    place = world.queue.place(str(next(iter(world.handoffs)).call.call_id))
    assert place is not None
    assert (place.queue, place.priority) == ("returns", 15)


async def test_better_agent_is_rung_before_who_has_been_idle_longer():
    world = HandOffWorld()
    world.signs_in("ann", "orders=2")
    await world.passes(5.0)
    world.signs_in("bob", "orders=4")
    await world.passes(0.2)
    await world.hands_off(HandOff(reason="caller_asked", skill="orders"))
    assert world.line.offer.agent_id == "bob"


async def test_caller_is_rung_through_to_who_speaks_their_language():
    world = HandOffWorld()
    world.signs_in("ben", languages=("de",))
    await world.passes(5.0)
    world.signs_in("eve", languages=("en",))
    await world.passes(0.2)
    await world.hands_off()
    assert world.line.offer.agent_id == "eve"


async def test_caller_who_calls_again_gets_the_agent_they_had():
    world = HandOffWorld()
    world.signs_in("ann")
    await world.passes(5.0)
    world.signs_in("bob")
    await world.passes(0.2)
    world.had_before = "bob"
    await world.hands_off()
    assert world.line.offer.agent_id == "bob"


async def test_agent_transfers_on_to_another_team():
    world = world_of(TEAMS)
    world.signs_in("ann", "orders")
    await joined(world, "ann")
    world.signs_in("rob", "returns")
    await world.passes(0.2)
    world.line.on_event(AgentTransferredOn(target="queue:returns"))
    await world.passes(0.3)
    assert world.lines[0].released == "transferred_on"
    assert world.line.offer.agent_id == "rob"
    assert world.line.offer.context.skill == "returns"


async def test_agent_is_told_of_a_team_that_is_not_there():
    world = world_of(TEAMS)
    await joined(world, "ann")
    world.line.on_event(AgentTransferredOn(target="queue:moon"))
    await world.passes(0.2)
    assert world.line.refusals == [(AgentTransferredOn, "there is no queue moon")]
    assert world.line.released is None


async def test_figures_are_told_by_team_and_by_interval():
    world = world_of(TEAMS)
    world.signs_in("rob", "returns")
    await world.passes(0.2)
    await world.hands_off(HandOff(reason="caller_asked", skill="returns"))
    world.line.answers()
    world.line.accepts()
    await world.passes(0.5)
    figures = Figures(world.queue)
    assert figures.today(world.wall_s).answered == 1
    by_team = {name: figures.today(world.wall_s, name).answered for name in world.queue.queues}
    assert by_team == {"main": 0, "returns": 1, "orders": 0}
    [interval] = figures.intervals()
    assert (interval.queue, interval.offered, interval.service_level) == ("returns", 1, 1.0)
    assert interval.starts_at.timestamp() <= world.wall_s < interval.starts_at.timestamp() + 1800
    assert figures.today(world.wall_s + 86_400.0).answered == 0


class History:
    """The records, or their failure."""

    def __init__(self, found: str | None = "ann", failure: Exception | None = None) -> None:
        self.found, self.failure, self.asked = found, failure, list[str]()

    async def agent_of_caller(self, caller: str, *, since: datetime) -> str | None:
        self.asked.append(caller)
        if self.failure is not None:
            raise self.failure
        return self.found


@pytest.mark.parametrize(
    ("caller", "for_s", "failure", "known"),
    [
        ("+15550100", 3600.0, None, "ann"),
        ("+15550100", None, None, None),
        ("anonymous", 3600.0, None, None),  # all of them are one caller to the records
        ("+15550100", 3600.0, RecordsUnavailableError("away"), None),
    ],
)
async def test_caller_is_known_to_who_had_them_lately(
    caller: str, for_s: float | None, failure: Exception | None, known: str | None
):
    world = HandOffWorld()
    world.is_staffed()
    await world.hands_off()
    call = next(iter(world.handoffs)).call
    call = replace(call, info=replace(call.info, caller=caller))
    history = History(failure=failure)
    assert await Acquaintance(history, for_s=for_s).agent_of(call) == known
    call.story.colleague = "bob"  # gave them back in this call
    assert await Acquaintance(history, for_s=for_s).agent_of(call) == "bob"


async def test_every_count_is_kept_when_it_is_made():
    world = world_of({})
    store = _KeptIntervals()
    figures = KeptFigures(world.queue.statistics, store, wall=lambda: world.wall_s)
    world.waiting_room.on_counted = figures.keep
    await joined(world)
    assert [(each.offered, each.answered) for each in store.kept][-1] == (1, 1)
    before = len(store.kept)
    await world.passes(5.0)
    assert len(store.kept) == before  # nothing has changed


class _KeptIntervals:
    """server.handoff.kept_figures.IntervalStore of a first life."""

    def __init__(self) -> None:
        self.kept: list[Counters] = []

    def interval_counted(self, counted: CountedInterval) -> None:
        self.kept.append(replace(counted.counters))

    async def intervals_before(self, since: datetime) -> list[CountedInterval]:
        return []
