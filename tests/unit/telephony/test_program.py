"""Rules of what is played into a room."""

import numpy as np
import pytest

from telephony.program import Clip, Layer, Loop
from tests.fakes.rooms import AMPLITUDE, TONES_HZ, ToneRoom, level, tone
from voice.events import SpeechChunk
from voice.frames import FRAME_SAMPLES, Pcm
from voice.playout import Reply


def clip(name: str, frames: int) -> Clip:
    return Clip(tone(TONES_HZ[name], frames))


def music() -> Loop:
    return Loop(tone(TONES_HZ["music"], 50))


def on_hold() -> ToneRoom:
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    world.room.hold("caller")
    world.room.play("caller", music(), layer=Layer.MUSIC)
    return world


def test_what_is_played_is_heard_by_its_listener_and_nobody_else():
    world = ToneRoom("caller", "agent")
    world.room.bridge("caller", "agent")
    world.room.play("agent", clip("brief", 3))
    assert world.hearing() == {"caller": {"agent"}, "agent": {"caller", "brief"}}


def test_a_held_caller_hears_music_only():
    assert on_hold().hearing() == {"caller": {"music"}, "agent": set()}


def test_an_announcement_to_several_is_heard_by_all_of_them_on_the_same_tick():
    world = ToneRoom("caller", "agent", "supervisor")
    world.room.play({"caller", "agent"}, clip("brief", 1))
    world.tick(2)
    first = world.legs["caller"].sent[0]
    assert np.array_equal(first, world.legs["agent"].sent[0])
    assert world.hearing()["supervisor"] == set()


def test_speech_to_one_listener_is_played_one_after_the_other_to_the_sample():
    world, finished = ToneRoom("agent"), list[str]()
    for name in ("brief", "music"):
        world.room.play("agent", clip(name, 2), on_finished=lambda name=name: finished.append(name))
    world.tick(2)
    assert finished == ["brief"]
    world.tick(2)
    assert finished == ["brief", "music"]
    heard = np.concatenate(world.legs["agent"].sent)
    expected = np.concatenate((tone(TONES_HZ["brief"], 2), tone(TONES_HZ["music"], 2)))
    assert np.array_equal(heard, expected)


def test_speech_to_several_waits_until_it_is_the_turn_of_all():
    world = ToneRoom("caller", "agent")
    world.room.play("caller", clip("music", 2))
    world.room.play({"caller", "agent"}, clip("brief", 1))
    world.room.play("agent", clip("music", 1))
    heard = [world.hearing() for _ in range(4)]
    assert heard == [
        {"caller": {"music"}, "agent": set()},
        {"caller": {"music"}, "agent": set()},
        {"caller": {"brief"}, "agent": {"brief"}},
        {"caller": set(), "agent": {"music"}},
    ]


def test_finishing_is_told_after_the_last_frame_was_sent():
    world, sent = ToneRoom("agent"), list[int]()
    leg = world.legs["agent"]
    world.room.play("agent", clip("brief", 2), on_finished=lambda: sent.append(len(leg.sent)))
    world.tick(5)
    assert sent == [2]


def test_what_follows_may_change_the_room():
    world = ToneRoom("caller", "agent")
    world.room.play(
        "agent", clip("brief", 1), on_finished=lambda: world.room.bridge("caller", "agent")
    )
    assert world.heard("agent") == {"brief"}
    assert world.heard("agent") == {"caller"}


def test_a_follower_that_raises_does_not_end_the_room():
    def fail() -> None:
        raise RuntimeError("scripted failure")

    world = ToneRoom("agent")
    world.room.play("agent", clip("brief", 1), on_finished=fail)
    world.room.play("agent", clip("music", 1))
    world.tick()
    assert world.heard("agent") == {"music"}


class BrokenSource:
    """Gives one frame, then what it is told to: an error, or a frame of another shape."""

    drained = False

    def __init__(self, breaks_with: Pcm | None) -> None:
        self._frames = [tone(TONES_HZ["brief"]), breaks_with]

    def pop(self) -> Pcm:
        frame = self._frames.pop(0)
        if frame is None:
            raise RuntimeError("scripted failure")
        return frame


@pytest.mark.parametrize("breaks_with", [None, np.zeros(80, dtype=np.int16)])
def test_a_source_that_breaks_counts_as_finished_and_the_room_goes_on(breaks_with: Pcm | None):
    world, finished = ToneRoom("agent"), list[bool]()
    broken = BrokenSource(breaks_with)
    world.room.play("agent", broken, on_finished=lambda: finished.append(True))
    world.room.play("agent", clip("music", 1))
    assert world.heard("agent") == {"brief"}
    assert world.heard("agent") == set()
    assert world.heard("agent") == {"music"}
    assert finished == [True]


def test_speech_that_grows_while_it_plays_is_waited_for():
    world, finished = ToneRoom("agent"), list[bool]()
    reply = Reply()
    world.room.play("agent", reply, on_finished=lambda: finished.append(True))
    world.tick(2)
    reply.append(SpeechChunk(pcm=tone(TONES_HZ["brief"], 1), words=()))
    assert world.heard("agent") == {"brief"}
    assert world.heard("agent") == set()
    assert not finished
    reply.finish()
    world.tick()
    assert finished == [True]


def test_music_is_lowered_under_speech_and_comes_back():
    world = on_hold()
    world.tick(5)
    world.room.play("caller", clip("brief", 40))
    world.tick(100)
    heard = [level(frame, "music") for frame in world.legs["caller"].sent]
    assert heard[4] == pytest.approx(AMPLITUDE, rel=0.02)
    assert heard[15:40] == pytest.approx([0.16 * AMPLITUDE] * 25, rel=0.05)
    assert heard[90:] == pytest.approx([AMPLITUDE] * 15, rel=0.02)
    assert level(world.legs["caller"].sent[20], "brief") == pytest.approx(AMPLITUDE, rel=0.02)


def test_music_is_lowered_for_who_is_spoken_to_only():
    world = ToneRoom("caller", "second")
    world.room.play({"caller", "second"}, music(), layer=Layer.MUSIC)
    world.room.play("caller", clip("brief", 40))
    world.tick(20)
    assert level(world.legs["caller"].sent[-1], "music") < AMPLITUDE / 5
    assert level(world.legs["second"].sent[-1], "music") == pytest.approx(AMPLITUDE, rel=0.02)


def test_music_changes_its_level_without_a_step():
    world = ToneRoom("caller")
    steady = np.full(FRAME_SAMPLES, AMPLITUDE, dtype=np.int16)
    world.room.play("caller", Loop(steady), layer=Layer.MUSIC)
    world.tick(5)
    world.room.play("caller", Clip(np.zeros(40 * FRAME_SAMPLES, dtype=np.int16)))
    world.tick(100)
    heard = np.concatenate(world.legs["caller"].sent).astype(int)
    assert heard.min() == pytest.approx(0.16 * AMPLITUDE, abs=1)
    assert np.abs(np.diff(heard)).max() <= 0.001 * AMPLITUDE


def test_new_music_replaces_the_old():
    world, finished = on_hold(), list[str]()
    old = world.room.play(
        "caller", clip("music", 99), layer=Layer.MUSIC, on_finished=lambda: finished.append("old")
    )
    world.room.play("caller", Loop(tone(TONES_HZ["second"], 5)), layer=Layer.MUSIC)
    assert world.heard("caller") == {"second"}
    world.tick(150)
    assert not old.finished
    assert not finished


def test_what_is_stopped_falls_silent_within_10_ms_and_does_not_count_as_finished():
    world, finished = ToneRoom("caller"), list[bool]()
    playing = world.room.play("caller", clip("brief", 9), on_finished=lambda: finished.append(True))
    world.tick(2)
    playing.stop()
    playing.stop()
    world.tick(10)
    assert not world.legs["caller"].sent[2][80:].any()
    assert world.legs["caller"].sent[2][:20].any()
    assert world.heard("caller") == set()
    assert (finished, playing.finished) == ([], False)


def test_what_is_stopped_before_its_turn_is_never_heard():
    world = ToneRoom("caller")
    first = world.room.play("caller", clip("brief", 2))
    second = world.room.play("caller", clip("music", 9))
    second.stop()
    world.tick(2)
    assert first.finished
    assert world.heard("caller") == set()
    world.room.play("caller", clip("second", 1))
    assert world.heard("caller") == {"second"}


def test_speech_behind_what_is_stopped_has_its_turn():
    world = ToneRoom("caller")
    first = world.room.play("caller", clip("brief", 50))
    world.room.play("caller", clip("music", 9))
    world.tick(2)
    first.stop()
    world.tick()
    assert world.heard("caller") == {"music"}


def test_speech_to_who_left_does_not_keep_others_waiting():
    world = ToneRoom("caller", "agent")
    world.room.play("agent", clip("music", 50))
    world.room.play({"caller", "agent"}, clip("brief", 2))
    world.tick()
    world.room.remove("agent")
    assert world.heard("caller") == {"brief"}


def test_what_was_played_to_who_left_does_not_count_as_finished():
    world, finished = ToneRoom("agent"), list[bool]()
    playing = world.room.play("agent", clip("brief", 2), on_finished=lambda: finished.append(True))
    world.tick()
    world.room.remove("agent")
    world.tick(3)
    assert (finished, playing.finished) == ([], False)


def test_a_clip_of_any_length_is_filled_up_with_silence():
    source = Clip(np.ones(250, dtype=np.int16))
    assert [frame.sum() for frame in (source.pop(), source.pop()) if frame is not None] == [160, 90]
    assert source.drained
    assert source.pop() is None


@pytest.mark.parametrize("samples", [1, 100, 160, 161, 1000])
def test_a_loop_of_any_length_goes_round_to_the_sample(samples: int):
    pcm: Pcm = np.arange(samples, dtype=np.int16)
    source = Loop(pcm, start=samples + 7)
    heard = np.concatenate([source.pop() for _ in range(10)])
    assert np.array_equal(heard, np.resize(np.roll(pcm, -7 % samples), heard.shape))


def test_a_loop_of_nothing_is_refused():
    with pytest.raises(ValueError, match="sample"):
        Loop(np.zeros(0, dtype=np.int16))


def test_nobody_is_played_to_who_is_not_here():
    with pytest.raises(LookupError, match="agent"):
        ToneRoom("caller").room.play({"caller", "agent"}, clip("brief", 1))
