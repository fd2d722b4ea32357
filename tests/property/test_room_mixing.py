"""Whatever the routing, every listener is sent the saturated sum of exactly whom they hear."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.mixer import Room
from telephony.routing import Routes
from tests.fakes.rooms import ToneLeg
from voice.frames import FRAME_SAMPLES, Pcm

NAMES = ("a", "b", "c", "d", "e")
MEMBERS = st.sampled_from(NAMES)
PAIRS = st.tuples(MEMBERS, MEMBERS)
GROUPS = st.lists(MEMBERS, min_size=2, max_size=5, unique=True)

STEPS = st.one_of(
    st.tuples(st.just("hear"), PAIRS),
    st.tuples(st.just("unhear"), PAIRS),
    st.tuples(st.just("bridge"), GROUPS),
    st.tuples(st.sampled_from(("hold", "mute")), st.tuples(MEMBERS, st.booleans())),
    st.tuples(st.sampled_from(("whisper", "coach")), PAIRS),
    st.tuples(st.sampled_from(("listen_only", "barge", "isolate")), st.tuples(MEMBERS)),
    st.tuples(st.just("rejoin"), st.tuples(MEMBERS)),
)


class Model:
    """Who hears whom, as plainly as it can be said: one question at a time."""

    def __init__(self) -> None:
        self.pairs: set[tuple[str, str]] = set()
        self.hears_all: set[str] = set()
        self.heard_by_all: set[str] = set()
        self.whispering: set[str] = set()
        self.held: set[str] = set()
        self.muted: set[str] = set()

    def hears(self, listener: str, source: str) -> bool:
        if listener == source or {listener, source} & self.held or source in self.muted:
            return False
        if (listener, source) in self.pairs or source in self.heard_by_all:
            return True
        return listener in self.hears_all and source not in self.whispering

    def hear(self, listener: str, source: str) -> None:
        self.pairs.add((listener, source))

    def unhear(self, listener: str, source: str) -> None:
        self.pairs.discard((listener, source))

    def bridge(self, *names: str) -> None:
        self.whispering -= set(names)
        self.pairs |= {(one, other) for one in names for other in names}

    def hold(self, name: str, held: bool) -> None:
        self.held = self.held | {name} if held else self.held - {name}

    def mute(self, name: str, muted: bool) -> None:
        self.muted = self.muted | {name} if muted else self.muted - {name}

    def whisper(self, speaker: str, listener: str) -> None:
        self.pairs = {pair for pair in self.pairs if pair[1] != speaker} | {(listener, speaker)}
        self.heard_by_all.discard(speaker)
        self.whispering.add(speaker)

    def coach(self, supervisor: str, agent: str) -> None:
        self.whisper(supervisor, agent)
        self.hears_all.add(supervisor)

    def listen_only(self, supervisor: str) -> None:
        self.coach(supervisor, supervisor)

    def barge(self, supervisor: str) -> None:
        self.listen_only(supervisor)
        self.whispering.discard(supervisor)
        self.heard_by_all.add(supervisor)

    def isolate(self, name: str) -> None:
        self.pairs = {pair for pair in self.pairs if name not in pair}
        for group in (self.hears_all, self.heard_by_all, self.whispering):
            group.discard(name)

    def rejoin(self, name: str) -> None:
        self.isolate(name)
        self.held.discard(name)
        self.muted.discard(name)


def voices(seed: int) -> dict[str, Pcm]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(-32768, 32768, FRAME_SAMPLES).astype(np.int16) | np.int16(1)
        for name in NAMES
    }


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEPS, max_size=14), seed=st.integers(0, 2**16))
def test_every_listener_is_sent_the_saturated_sum_of_whom_they_hear(
    steps: list[tuple[str, tuple[str, ...]]], seed: int
) -> None:
    said, room, model = voices(seed), Room(), Model()
    legs = {name: ToneLeg(frame) for name, frame in said.items()}
    for name, leg in legs.items():
        room.add(name, leg)
    for verb, operands in steps:
        getattr(model, verb)(*operands)
        if verb == "rejoin":
            room.add(operands[0], room.remove(operands[0]))
        else:
            getattr(room, verb)(*operands)
        room.listen()
        room.act(0.0)
        for listener in NAMES:
            sources = [said[name].astype(np.int64) for name in NAMES if model.hears(listener, name)]
            if sources:
                expected = np.clip(np.sum(sources, axis=0), -32768, 32767)
                if expected.any():
                    assert np.array_equal(legs[listener].sent[-1], expected)
            else:
                assert np.abs(legs[listener].sent[-1]).max() < 100  # comfort noise


@given(
    gains=st.dictionaries(PAIRS, st.floats(0.01, 8.0), max_size=20),
    present=st.lists(MEMBERS, unique=True),
)
def test_the_matrix_holds_each_pair_of_those_present_and_nobody_themselves(
    gains: dict[tuple[str, str], float], present: list[str]
) -> None:
    routes = Routes()
    for (listener, source), gain in gains.items():
        routes.hear(listener, source, gain=gain)
    matrix = routes.matrix(present)
    assert matrix.shape == (len(present), len(present))
    for row, listener in enumerate(present):
        for column, source in enumerate(present):
            expected = 0.0 if listener == source else gains.get((listener, source), 0.0)
            assert matrix[row, column] == np.float32(expected)
