"""Presence follows from what an agent chose and what they are engaged in."""

import pytest

from server.desk.presence import (
    AgentDirectory,
    AgentProfile,
    Engagement,
    Presence,
    Reach,
    UnknownAgentError,
)

DANA = AgentProfile(id="dana", name="Dana", extension="201")


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(clock: Clock) -> AgentDirectory:
    directory = AgentDirectory(clock)
    directory.sign_in(DANA)
    return directory


def at_desk(directory: AgentDirectory) -> None:
    directory.desk_connected("dana", True)
    directory.choose_ready("dana")


def test_whoever_has_just_signed_in_takes_no_calls_yet(directory: AgentDirectory):
    assert directory.desk_connected("dana", True).presence is Presence.AWAY


def test_ready_needs_somewhere_to_be_reached(directory: AgentDirectory):
    assert directory.choose_ready("dana").presence is Presence.OFFLINE
    assert directory.desk_connected("dana", True).presence is Presence.READY


def test_away_chosen_during_a_call_applies_after_its_wrap_up(directory: AgentDirectory):
    at_desk(directory)
    directory.engage("dana", Engagement.TALKING)
    assert directory.choose_away("dana", "lunch").presence is Presence.TALKING
    assert directory.engage("dana", Engagement.WRAP_UP).presence is Presence.WRAP_UP
    assert directory.engage("dana", None).presence is Presence.AWAY


@pytest.mark.parametrize("engaged", [Engagement.RINGING, Engagement.TALKING])
def test_call_is_kept_while_the_page_is_away(directory: AgentDirectory, engaged: Engagement):
    at_desk(directory)
    directory.engage("dana", engaged)
    assert directory.desk_connected("dana", False).presence is Presence(engaged.value)


def test_wrap_up_without_a_page_is_offline_and_comes_back(directory: AgentDirectory):
    at_desk(directory)
    directory.engage("dana", Engagement.WRAP_UP)
    assert directory.desk_connected("dana", False).presence is Presence.OFFLINE
    assert directory.desk_connected("dana", True).presence is Presence.WRAP_UP


def test_choice_survives_a_reload_and_a_new_sign_in(directory: AgentDirectory):
    at_desk(directory)
    directory.desk_connected("dana", False)
    directory.sign_in(AgentProfile(id="dana", name="Dana Reyes"))
    state = directory.desk_connected("dana", True)
    assert (state.presence, state.profile.name) == (Presence.READY, "Dana Reyes")


def test_on_a_phone_its_registration_counts_and_not_the_page(directory: AgentDirectory):
    at_desk(directory)
    assert directory.choose_reach("dana", Reach.PHONE).presence is Presence.OFFLINE
    assert directory.phone_registered("dana", True).presence is Presence.READY
    assert directory.desk_connected("dana", False).presence is Presence.READY


def test_phone_cannot_be_chosen_without_an_extension(directory: AgentDirectory):
    directory.sign_in(AgentProfile(id="kim", name="Kim"))
    with pytest.raises(ValueError, match="extension"):
        directory.choose_reach("kim", Reach.PHONE)


def test_change_of_presence_is_told_once_each(directory: AgentDirectory):
    told: list[tuple[str, Presence]] = []
    directory.on_presence = lambda agent_id, presence: told.append((agent_id, presence))
    at_desk(directory)
    directory.choose_ready("dana")
    directory.phone_registered("dana", True)
    assert told == [("dana", Presence.AWAY), ("dana", Presence.READY)]


def test_since_moves_with_the_presence_only(directory: AgentDirectory, clock: Clock):
    at_desk(directory)
    clock.now_s = 60.0
    assert directory.phone_registered("dana", True).since_s == 50.0
    assert directory.choose_away("dana", "lunch").since_s == 60.0
    clock.now_s = 70.0
    assert directory.choose_away("dana", "break").since_s == 60.0


def test_agents_are_listed_by_name(directory: AgentDirectory):
    directory.sign_in(AgentProfile(id="a", name="zoe"))
    directory.sign_in(AgentProfile(id="z", name="Abe"))
    assert [agent.profile.name for agent in directory.agents()] == ["Abe", "Dana", "zoe"]


def test_nobody_is_known_who_has_not_signed_in(directory: AgentDirectory):
    with pytest.raises(UnknownAgentError):
        directory.get("mallory")
