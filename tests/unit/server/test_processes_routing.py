"""Which worker gets a datagram."""

from dataclasses import dataclass, field

import pytest

from server.processes.glance import Glance, Kind
from server.processes.routing import REMEMBERED_S, Router, Way


@dataclass
class House:
    """A router over workers whose calls the test counts."""

    calls: dict[int, int] = field(default_factory=dict[int, int])
    most_new: int = 100
    now_s: float = 0.0
    desk: int | None = None

    def __post_init__(self) -> None:
        self.router = Router(
            lambda worker: self.calls.get(worker, 0), desk=self.desk, most_new=self.most_new
        )
        for worker in self.calls:
            self.router.came_up(worker)

    def send(self, kind: Kind, call_id: bytes, replaces: bytes | None = None) -> Way | None:
        return self.router.way(Glance(kind, call_id, replaces), self.now_s)

    def invite(self, call_id: bytes, replaces: bytes | None = None) -> int:
        way = self.send(Kind.INVITE, call_id, replaces)
        assert way is not None
        return way.worker

    def call_from(self, sender: bytes) -> int:
        """A new call of whoever says they are this."""
        way = self.router.way(Glance(Kind.INVITE, sender + b"-call", None, sender), self.now_s)
        assert way is not None
        return way.worker

    def register(self, sender: bytes) -> Way | None:
        return self.router.way(Glance(Kind.REGISTER, sender + b"-reg", None, sender), self.now_s)

    def give_back(self, call_id: bytes, asked: int, kind: Kind = Kind.INVITE) -> Way | None:
        return self.router.way_after(Glance(kind, call_id), asked, self.now_s)


def test_new_calls_go_where_the_fewest_are():
    house = House({0: 5, 1: 3, 2: 9})
    assert [house.invite(b"%d" % each) for each in range(4)] == [1, 1, 0, 1]
    house.now_s, house.calls = 2.0, {0: 6, 1: 6, 2: 2}  # those that came are counted by now
    assert house.invite(b"later") == 2


def test_everything_of_a_call_goes_where_its_invite_went():
    house = House({0: 1, 1: 0})
    assert house.invite(b"call") == 1
    house.calls[1] = 7
    for kind in (Kind.INVITE, Kind.REQUEST, Kind.RESPONSE, Kind.OPTIONS):
        way = house.send(kind, b"call")
        assert way is not None
        assert way.worker == 1


def test_only_an_invite_that_nobody_has_taken_yet_may_be_given_back():
    house = House({0: 0, 1: 0})
    assert house.send(Kind.INVITE, b"call") == Way(0, may_decline=True)
    assert house.send(Kind.INVITE, b"call") == Way(0, may_decline=True)  # the worker knows
    assert house.send(Kind.REQUEST, b"call") == Way(0)
    house.router.reported(0, [b"call"], 0.0)
    assert house.send(Kind.INVITE, b"call") == Way(0)


def test_call_that_is_given_back_goes_to_the_next_and_stays_there():
    house = House({0: 0, 1: 0, 2: 4})
    assert house.invite(b"call") == 0
    assert house.give_back(b"call", 0b001) == Way(1, may_decline=True)
    assert house.send(Kind.REQUEST, b"call") == Way(1)


def test_repetition_that_the_first_worker_gives_back_follows_the_call():
    house = House({0: 0, 1: 0, 2: 0})
    house.invite(b"call")
    house.give_back(b"call", 0b001)
    assert house.give_back(b"call", 0b001) == Way(1, may_decline=True)


def test_call_that_nobody_takes_must_be_refused_by_one():
    house = House({0: 0, 1: 0})
    house.invite(b"call")
    house.give_back(b"call", 0b01)
    assert house.give_back(b"call", 0b11) == Way(0, may_decline=False)


def test_probe_is_asked_round_as_a_call_would_be():
    house = House({0: 2, 1: 0})
    assert house.send(Kind.OPTIONS, b"probe") == Way(1, may_decline=True)
    assert house.give_back(b"probe", 0b10, Kind.OPTIONS) == Way(0, may_decline=True)
    assert house.give_back(b"probe", 0b11, Kind.OPTIONS) == Way(1, may_decline=False)
    assert len(house.router) == 0


def test_invite_with_replaces_goes_to_the_call_it_replaces():
    house = House({0: 0, 1: 0})
    assert house.invite(b"other") == 0
    assert house.invite(b"old") == 1
    house.calls[1] = 50
    assert house.send(Kind.INVITE, b"new", b"old") == Way(1)
    assert house.send(Kind.REQUEST, b"new") == Way(1)
    assert house.send(Kind.INVITE, b"newer", b"p1-0123456789abcdef@host") == Way(1)
    assert house.invite(b"newest", b"nobody's") == 0


def test_answer_to_a_call_of_ours_needs_no_table():
    house = House({0: 0, 1: 0})
    assert house.send(Kind.RESPONSE, b"p1-0123456789abcdef@host") == Way(1)
    assert house.send(Kind.REQUEST, b"p1-0123456789abcdef@host") == Way(1)
    assert house.send(Kind.RESPONSE, b"p7-0123456789abcdef@host") is None
    assert len(house.router) == 0


def test_request_of_no_known_call_goes_to_the_first_worker_that_is_there():
    house = House({0: 9, 1: 0})
    assert house.send(Kind.REQUEST, b"register") == Way(0)
    house.router.went_down(0)
    assert house.send(Kind.REQUEST, b"register") == Way(1)


def test_response_that_nobody_waits_for_is_dropped():
    assert House({0: 0}).send(Kind.RESPONSE, b"stray") is None


def test_without_workers_everything_is_dropped():
    house = House({})
    assert [house.send(kind, b"x") for kind in Kind] == [None] * len(Kind)


def test_call_id_is_remembered_until_32_s_after_the_last_sign_of_it():
    house = House({0: 0, 1: 0})
    assert house.invite(b"other") == 0
    assert house.invite(b"call") == 1
    house.router.reported(1, [b"call"], 10.0)
    house.now_s = 20.0
    assert house.send(Kind.REQUEST, b"call") == Way(1)  # its BYE
    house.now_s = 20.0 + REMEMBERED_S - 0.1
    assert house.send(Kind.REQUEST, b"something else") == Way(0)
    assert len(house.router) == 1
    house.now_s = 20.0 + REMEMBERED_S
    assert house.send(Kind.REQUEST, b"call") == Way(0)  # who answers 481
    assert len(house.router) == 0


def test_report_keeps_a_silent_call_and_brings_back_one_that_was_forgotten():
    house = House({0: 0, 1: 0})
    house.invite(b"other")
    house.invite(b"call")
    for at_s in range(0, 3_600, 8):
        house.router.reported(1, [b"call"], at_s)
        house.now_s = at_s
        house.send(Kind.REQUEST, b"whatever")
    assert house.send(Kind.REQUEST, b"call") == Way(1)
    house.now_s = 9_999.0
    house.send(Kind.REQUEST, b"whatever")
    house.router.reported(1, [b"call"], house.now_s)
    assert house.send(Kind.REQUEST, b"call") == Way(1)


def test_flood_of_new_calls_displaces_none_that_is_up():
    house = House({0: 0, 1: 0}, most_new=50)
    house.invite(b"other")
    house.invite(b"up")
    house.router.reported(1, [b"up"], 0.0)
    for each in range(10_000):
        house.invite(b"flood %d" % each)
    assert len(house.router) == 51
    assert house.send(Kind.REQUEST, b"up") == Way(1)


@pytest.mark.parametrize("reported", [False, True])
def test_calls_of_a_worker_that_died_are_forgotten_and_open_anew_elsewhere(reported: bool):
    house = House({0: 0, 1: 0})
    house.invite(b"other")
    assert house.invite(b"call") == 1
    if reported:
        house.router.reported(1, [b"call"], 0.0)
    house.router.went_down(1)
    assert house.send(Kind.REQUEST, b"call") == Way(0)
    assert house.invite(b"call") == 0
    house.router.came_up(1)
    assert house.send(Kind.REQUEST, b"other") == Way(0)


# --- people, who are all on one worker ---


def test_registrations_and_what_those_phones_call_go_to_the_desk():
    house = House({0: 9, 1: 0}, desk=0)
    assert house.call_from(b"201@host") == 1
    house.now_s = 60.0  # that call is long over
    assert house.register(b"201@host") == Way(0)
    assert house.call_from(b"201@host") == 0
    assert house.call_from(b"202@host") == 1


def test_registration_waits_for_a_desk_that_is_not_there():
    house = House({0: 0, 1: 0}, desk=0)
    house.router.went_down(0)
    assert house.register(b"201@host") is None  # the phone asks again
    assert house.call_from(b"201@host") == 1
    house.router.came_up(0)
    assert house.register(b"201@host") == Way(0)


def test_of_workers_with_as_many_calls_the_desk_is_the_last_to_get_one():
    house = House({0: 0, 1: 0, 2: 0}, desk=0)
    assert [house.invite(b"%d" % each) for each in range(4)] == [1, 2, 0, 1]


def test_whoever_registers_without_end_takes_no_memory_without_end():
    house = House({0: 0, 1: 0}, desk=0)
    house.register(b"201@host")
    for number in range(5_000):
        house.register(b"%d@flood" % number)
    assert house.call_from(b"4999@flood") == 0
    assert house.call_from(b"201@host") == 1  # forgotten, until it registers again


def test_without_hand_offs_a_registration_is_like_any_request():
    house = House({1: 0, 2: 0})
    assert house.register(b"201@host") == Way(1)
