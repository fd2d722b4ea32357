"""Whatever is played, stopped or left: announcements come in order, each sample once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.program import Clip, Layer, Loop, Playing, Program
from voice.frames import FRAME_SAMPLES

LISTENERS = ("a", "b", "c")

STEPS = st.one_of(
    st.tuples(
        st.just("speak"),
        st.sets(st.sampled_from(LISTENERS), min_size=1),
        st.integers(1, 4),
    ),
    st.tuples(st.just("music"), st.sets(st.sampled_from(LISTENERS), min_size=1), st.just(0)),
    st.tuples(st.just("stop"), st.just(set[str]()), st.integers(0, 8)),
    st.tuples(st.just("leave"), st.sets(st.sampled_from(LISTENERS), max_size=1), st.just(0)),
    st.tuples(st.just("tick"), st.just(set[str]()), st.integers(1, 5)),
)


class World:
    """Announcement n is made of the samples n × 1000 + frame number + 1; music is inaudible."""

    def __init__(self) -> None:
        self.program = Program()
        self.speech: list[Playing] = []
        self.lengths: list[int] = []
        self.stopped: set[int] = set()
        self.heard: dict[str, list[tuple[int, int]]] = {name: [] for name in LISTENERS}
        self.finished: list[int] = []

    def speak(self, listeners: set[str], frames: int) -> None:
        number = len(self.speech) + 1
        samples = number * 1000 + np.arange(frames).repeat(FRAME_SAMPLES) + 1
        playing = Playing(
            listeners,
            Clip(samples.astype(np.int16)),
            Layer.SPEECH,
            lambda: self.finished.append(number),
        )
        self.speech.append(playing)
        self.lengths.append(frames)
        self.program.play(playing)

    def music(self, listeners: set[str]) -> None:
        silent = Loop(np.zeros(100, dtype=np.int16))
        self.program.play(Playing(listeners, silent, Layer.MUSIC, None))

    def stop(self, number: int) -> None:
        if number < len(self.speech):
            self.speech[number].stop()
            self.stopped.add(number + 1)

    def tick(self) -> None:
        frames, finished = self.program.pop()
        for name, frame in frames.items():
            number, position = divmod(int(frame[0]), 1000)
            if number:
                self.heard[name].append((number, position))
        for playing in finished:
            playing.tell_finished()


def played(steps: list[tuple[str, set[str], int]]) -> World:
    world = World()
    for verb, listeners, count in steps:
        match verb:
            case "speak":
                world.speak(listeners, count)
            case "music":
                world.music(listeners)
            case "stop":
                world.stop(count)
            case "leave":
                for name in listeners:
                    world.program.forget(name)
            case _:
                for _ in range(count):
                    world.tick()
    return world


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_speech_comes_in_order_whole_and_once(steps: list[tuple[str, set[str], int]]) -> None:
    world = played([*steps, ("tick", set(), 4 * 25 + 25)])
    for heard in world.heard.values():
        assert heard == sorted(set(heard))
        numbers = {number for number, _ in heard}
        for number in numbers:
            positions = [position for n, position in heard if n == number]
            assert positions == list(range(1, len(positions) + 1))
    for number, (playing, length) in enumerate(
        zip(world.speech, world.lengths, strict=True), start=1
    ):
        heard_by = [sum(n == number for n, _ in heard) for heard in world.heard.values()]
        whole = length in heard_by
        assert (number in world.finished) == playing.finished
        assert whole >= playing.finished
        assert not whole or playing.finished or number in world.stopped  # in its very last frame
        assert playing.over  # nothing keeps anything waiting for ever
        assert number in world.stopped or playing.finished or not playing.listeners
    assert len(world.finished) == len(set(world.finished))
    assert world.program.pop() == ({}, []) or any(verb == "music" for verb, _, _ in steps)
