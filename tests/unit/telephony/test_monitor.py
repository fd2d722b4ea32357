"""Rules of listening in on a call that frontdesk holds alone."""

import numpy as np

from telephony.monitor import FedLeg, Monitor
from tests.fakes.rooms import TONES_HZ, ToneRoom, tone, voices
from voice.frames import FRAME_SAMPLES


def test_a_supervisor_hears_both_sides_of_the_call_and_neither_is_told_anything():
    world, monitor = ToneRoom("supervisor"), Monitor()
    world.room.add("caller", monitor.caller)
    world.room.add("frontdesk", monitor.frontdesk)
    world.room.listen_only("supervisor")
    for _ in range(5):
        monitor.write(tone(TONES_HZ["caller"]), tone(TONES_HZ["agent"]))
        world.tick()
    assert [voices(frame) for frame in world.legs["supervisor"].sent] == 5 * [{"caller", "agent"}]


def test_frames_come_in_their_order_and_silence_when_there_are_none():
    leg = FedLeg()
    for n in (1, 2):
        leg.feed(np.full(FRAME_SAMPLES, n, dtype=np.int16))
    assert [int(leg.receive_frame()[0]) for _ in range(4)] == [1, 2, 0, 0]


def test_a_room_that_stopped_listening_costs_no_memory_and_comes_back_to_what_is_said_now():
    leg = FedLeg()
    for n in range(1000):
        leg.feed(np.full(FRAME_SAMPLES, n, dtype=np.int16))
    assert [int(leg.receive_frame()[0]) for _ in range(3)] == [997, 998, 999]
