"""Rules of a room: who hears whom, and what becomes of the others when one fails."""

from collections.abc import Callable

import numpy as np
import pytest

from telephony.mixer import Heard, Room
from tests.fakes.rooms import ToneLeg, ToneRoom, level, tone, voices
from voice.comfort import LEVEL_DBFS, ComfortNoise
from voice.frames import FRAME_SAMPLES, Pcm
from voice.plane import MediaPlane


def dbfs(pcm: Pcm) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(pcm.astype(float) ** 2)) / 32768))


# --- who hears whom ---


def test_members_are_deaf_and_unheard_until_told_otherwise():
    assert ToneRoom("caller", "agent").hearing() == {"caller": set(), "agent": set()}


def test_hearing_goes_one_way():
    world = ToneRoom("caller", "agent")
    world.room.hear("agent", "caller")
    assert world.hearing() == {"caller": set(), "agent": {"caller"}}
    world.room.unhear("agent", "caller")
    world.room.unhear("agent", "caller")
    assert world.heard("agent") == set()


def test_a_bridge_is_heard_by_all_and_nobody_hears_themselves():
    world = ToneRoom("caller", "agent", "second")
    world.room.bridge("caller", "agent", "second")
    assert world.hearing() == {
        "caller": {"agent", "second"},
        "agent": {"caller", "second"},
        "second": {"caller", "agent"},
    }


def test_a_bridge_of_two_carries_every_sample_unchanged():
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    world.tick()
    assert np.array_equal(world.legs["agent"].sent[0], world.legs["caller"].voice)
    assert np.array_equal(world.legs["caller"].sent[0], world.legs["agent"].voice)


def test_a_gain_scales_one_source_for_one_listener():
    world = ToneRoom("caller", "agent", "second")
    world.room.bridge("caller", "agent", "second")
    world.room.hear("agent", "caller", gain=0.5)
    world.tick()
    assert level(world.legs["agent"].sent[0], "caller") == pytest.approx(2000, rel=0.01)
    assert level(world.legs["second"].sent[0], "caller") == pytest.approx(4000, rel=0.01)


def test_nobody_hears_the_whisper_but_the_agent():
    world = ToneRoom("caller", "agent", "second", "supervisor")
    world.room.bridge("caller", "agent", "second")
    world.room.listen_only("second")
    world.room.bridge("caller", "agent")
    world.room.whisper("supervisor", "agent")
    assert world.hearing() == {
        "caller": {"agent"},
        "agent": {"caller", "supervisor"},
        "second": {"caller", "agent"},  # who listens to everybody does not hear a whisper
        "supervisor": set(),
    }


def test_a_bridge_ends_the_whisper():
    world = ToneRoom("caller", "agent", "second", "supervisor")
    world.room.listen_only("second")
    world.room.whisper("supervisor", "agent")
    world.room.bridge("caller", "agent", "supervisor")
    assert world.heard("second") == {"caller", "agent", "supervisor"}
    assert world.heard("caller") == {"agent", "supervisor"}


def test_a_coach_hears_all_and_is_heard_by_the_agent_only():
    world = ToneRoom("caller", "agent", "supervisor")
    world.room.bridge("caller", "agent")
    world.room.coach("supervisor", "agent")
    assert world.hearing() == {
        "caller": {"agent"},
        "agent": {"caller", "supervisor"},
        "supervisor": {"caller", "agent"},
    }


def test_who_listens_only_is_heard_by_nobody_even_after_barging_in():
    world = ToneRoom("caller", "agent", "supervisor")
    world.room.bridge("caller", "agent")
    world.room.barge("supervisor")
    assert world.heard("caller") == {"agent", "supervisor"}
    world.room.listen_only("supervisor")
    assert world.hearing() == {
        "caller": {"agent"},
        "agent": {"caller"},
        "supervisor": {"caller", "agent"},
    }


def test_supervisors_reach_who_comes_later():
    world = ToneRoom("caller", "supervisor")
    world.room.listen_only("supervisor")
    world.join("agent")
    world.room.bridge("caller", "agent")
    assert world.hearing(["agent", "supervisor"]) == {
        "agent": {"caller"},
        "supervisor": {"caller", "agent"},
    }
    world.room.barge("supervisor")
    world.join("second")
    assert world.heard("second") == {"supervisor"}


def test_a_held_member_neither_hears_nor_is_heard_and_comes_back_as_before():
    world = ToneRoom("caller", "agent", "supervisor")
    world.room.bridge("caller", "agent")
    world.room.listen_only("supervisor")
    world.room.hold("caller")
    assert world.hearing() == {"caller": set(), "agent": set(), "supervisor": {"agent"}}
    world.room.hold("caller", held=False)
    assert world.heard("caller") == {"agent"}
    assert world.heard("supervisor") == {"caller", "agent"}


def test_a_muted_member_hears_on_and_is_heard_by_nobody():
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    world.room.mute("agent")
    assert world.hearing() == {"caller": set(), "agent": {"caller"}}
    world.room.mute("agent", muted=False)
    assert world.heard("caller") == {"agent"}


def test_an_isolated_member_is_as_they_came():
    world = ToneRoom("caller", "agent", "supervisor")
    world.room.bridge("caller", "agent")
    world.room.barge("supervisor")
    world.room.isolate("supervisor")
    world.room.isolate("agent")
    assert world.hearing() == {"caller": set(), "agent": set(), "supervisor": set()}


# --- levels ---


def test_loud_voices_saturate_and_never_wrap_round():
    room = Room()
    legs = {name: ToneLeg(tone(500, amplitude=30_000)) for name in "abc"}
    for name, leg in legs.items():
        room.add(name, leg)
    room.bridge(*legs)
    room.listen()
    room.act(0.0)
    loud = legs["a"].voice
    sent = legs["a"].sent[0]
    assert np.array_equal(np.sign(sent), np.sign(loud))
    assert (int(sent.max()), int(sent.min())) == (32767, -32768)


def test_who_hears_nobody_hears_comfort_noise_and_not_a_dead_line():
    world = ToneRoom("caller", "agent")
    world.tick(100)
    for leg in world.legs.values():
        assert dbfs(np.concatenate(leg.sent)) == pytest.approx(LEVEL_DBFS, abs=1.0)
    assert not np.array_equal(world.legs["caller"].sent[0], world.legs["agent"].sent[0])


def test_a_source_that_is_digitally_silent_is_comfort_noise_too():
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    world.legs["agent"].voice = np.zeros(FRAME_SAMPLES, dtype=np.int16)
    world.tick()
    assert np.array_equal(world.legs["caller"].sent[0], ComfortNoise().pop())


# --- coming, leaving, failing ---


def test_the_leg_of_who_leaves_is_untouched():
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    on_event = world.legs["caller"].on_event
    world.tick()
    assert world.room.remove("caller") is world.legs["caller"]
    world.tick()
    assert len(world.legs["caller"].sent) == 1
    assert world.legs["caller"].on_event is on_event
    assert not world.legs["caller"].hung_up
    assert world.heard("agent") == set()


def test_who_comes_back_begins_anew():
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    world.room.hold("caller")
    world.room.mute("caller")
    world.room.add("caller", world.room.remove("caller"))
    assert world.hearing() == {"caller": set(), "agent": set()}
    world.room.bridge("caller", "agent")
    assert world.hearing() == {"caller": {"agent"}, "agent": {"caller"}}


@pytest.mark.parametrize("half", ["receive_frame", "send_frame"])
def test_a_leg_that_raises_is_out_and_reported_and_the_others_go_on(
    half: str, monkeypatch: pytest.MonkeyPatch
):
    world = ToneRoom("caller", "agent", "second")
    world.room.bridge("caller", "agent", "second")

    def fail(*args: object) -> None:
        raise RuntimeError("scripted failure")

    monkeypatch.setattr(world.legs["agent"], half, fail)
    world.tick()
    assert world.failed == ["agent"]
    assert world.room.members == ("caller", "second")
    assert world.hearing() == {"caller": {"second"}, "second": {"caller"}}
    assert len(world.legs["second"].sent) == 2


@pytest.mark.parametrize(
    "frame", [np.zeros(80, dtype=np.int16), np.zeros(FRAME_SAMPLES, dtype=np.float32)]
)
def test_a_leg_that_gives_no_frame_of_20_ms_has_failed(frame: Pcm):
    world = ToneRoom("caller", "agent")
    world.legs["agent"].voice = frame
    world.tick()
    assert world.failed == ["agent"]


def test_the_room_survives_what_follows_after_a_failure():
    def on_failed(name: str, error: Exception) -> None:
        raise LookupError(name)

    room, leg = Room(on_member_failed=on_failed), ToneLeg(tone(500))
    room.add("caller", leg)
    leg.breaks = True
    room.listen()
    room.act(0.0)
    assert room.members == ()


def test_who_is_let_go_when_another_fails_is_untouched_from_that_moment():
    gone: list[str] = []

    def end(name: str, error: Exception) -> None:
        gone.append(name)
        room.end("closed")

    room = Room(on_member_failed=end)
    broken, caller = ToneLeg(tone(800)), ToneLeg(tone(500))
    room.add("agent", broken)
    room.add("caller", caller)
    ear = FakeEar()
    room.overhear("caller", ear)
    broken.breaks = True
    room.listen()
    room.act(0.0)
    assert gone == ["agent"]
    assert (caller.sent, ear.pushed, ear.acted) == ([], [], [])


def test_one_who_fails_may_be_replaced_at_once():
    spare = ToneLeg(tone(800))
    legs = {"agent": ToneLeg(tone(800)), "caller": ToneLeg(tone(500))}

    def replace(name: str, error: Exception) -> None:
        room.add(name, spare)
        room.bridge("caller", "agent")

    room = Room(on_member_failed=replace)
    for name, leg in legs.items():
        room.add(name, leg)
    legs["agent"].breaks = True
    for _ in range(2):
        room.listen()
        room.act(0.0)
    assert voices(spare.sent[-1]) == {"caller"}
    assert voices(legs["caller"].sent[-1]) == {"agent"}


REQUESTS: tuple[Callable[[Room], object], ...] = (
    lambda room: room.hear("caller", "nobody"),
    lambda room: room.unhear("nobody", "caller"),
    lambda room: room.bridge("caller", "nobody"),
    lambda room: room.hold("nobody"),
    lambda room: room.mute("nobody"),
    lambda room: room.coach("nobody", "caller"),
    lambda room: room.remove("nobody"),
)


@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_name_that_is_not_here_is_refused(request_of: Callable[[Room], object]):
    world = ToneRoom("caller")
    with pytest.raises(LookupError, match="nobody"):
        request_of(world.room)


def test_a_name_is_taken_once():
    world = ToneRoom("caller")
    with pytest.raises(ValueError, match="caller"):
        world.room.add("caller", world.legs["caller"])


@pytest.mark.parametrize("gain", [0.0, -1.0, 8.1, float("nan"), float("inf")])
def test_a_gain_that_is_none_is_refused(gain: float):
    world = ToneRoom("caller", "agent")
    with pytest.raises(ValueError, match="gain"):
        world.room.hear("caller", "agent", gain=gain)


def test_a_room_that_ended_serves_nobody_and_says_so_once():
    reasons: list[str] = []
    room, leg = Room(on_ended=reasons.append), ToneLeg(tone(500))
    room.add("caller", leg)
    room.end("caller_hangup")
    room.end("again")
    room.listen()
    room.act(0.0)
    assert (reasons, leg.sent, leg.hung_up) == (["caller_hangup"], [], [])
    with pytest.raises(ValueError, match="ended"):
        room.add("agent", leg)


# --- taps and ears ---


def test_taps_are_told_what_everybody_said_and_was_sent():
    world = ToneRoom("caller", "agent")
    told: list[tuple[Heard, Heard]] = []
    world.room.taps.append(lambda said, sent: told.append((said, sent)))
    world.room.bridge("caller", "agent")
    world.room.mute("agent")
    world.tick()
    said, sent = told[0]
    assert np.array_equal(said["caller"], world.legs["caller"].voice)
    assert not said["agent"].any()
    assert {name: frame is world.legs[name].sent[0] for name, frame in sent.items()} == {
        "caller": True,
        "agent": True,
    }


def test_a_tap_that_raises_is_removed_and_the_room_goes_on():
    world = ToneRoom("caller")
    calls: list[int] = []

    def tap(said: Heard, sent: Heard) -> None:
        calls.append(1)
        raise RuntimeError("scripted failure")

    world.room.taps.append(tap)
    world.tick(3)
    assert (len(calls), world.room.taps, world.failed) == (1, [], [])


class FakeEar:
    def __init__(self, *, fails: str = "") -> None:
        self.pushed: list[Pcm] = []
        self.acted: list[tuple[float, Pcm]] = []
        self._fails = fails

    def push(self, frame: Pcm) -> None:
        self.pushed.append(frame)
        if self._fails == "push":
            raise RuntimeError("scripted failure")

    def act(self, now_s: float, sent: Pcm) -> None:
        self.acted.append((now_s, sent))
        if self._fails == "act":
            raise RuntimeError("scripted failure")


def test_an_ear_hears_its_member_before_the_detectors_run_and_acts_after():
    world, ear = ToneRoom("caller", "agent"), FakeEar()
    world.room.overhear("caller", ear)
    world.room.listen()
    assert (len(ear.pushed), len(ear.acted)) == (1, 0)
    world.room.act(4.0)
    assert voices(ear.pushed[0]) == {"caller"}
    assert ear.acted[0][0] == 4.0
    assert ear.acted[0][1] is world.legs["caller"].sent[0]


@pytest.mark.parametrize("half", ["push", "act"])
def test_an_ear_that_raises_is_removed_and_the_room_goes_on(half: str):
    world, ear, other = ToneRoom("caller"), FakeEar(fails=half), FakeEar()
    world.room.overhear("caller", ear)
    world.room.overhear("caller", other)
    world.tick(3)
    assert (len(ear.pushed), len(other.acted)) == (1, 3)


def test_a_room_is_served_by_the_media_plane_beside_calls():
    class NoActivity:
        def run(self) -> int:
            return 0

    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    plane = MediaPlane(NoActivity())
    plane.add(world.room)
    plane.tick(0.0)
    assert voices(world.legs["caller"].sent[0]) == {"agent"}
