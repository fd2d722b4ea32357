"""The echo guards of all calls, looked at together, find what each would find by itself."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voice.echo import EchoGuard, EchoGuards
from voice.frames import FRAME_SAMPLES, Pcm, silence

_CALLS = 5
_NOISE = 20  # of 32767, what rests


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one call is like for some ticks."""

    ticks: int
    sent: int  # peak
    heard: int
    delay: int  # ticks after which what is sent comes back, too
    slip: int = 0  # samples, told before it
    begins: bool = False  # a voice is found before it
    anew: bool = False  # the call before it has ended


def stretches() -> st.SearchStrategy[Stretch]:
    peaks = st.sampled_from([0, _NOISE, 400, 3_000, 20_000])
    return st.builds(
        Stretch,
        ticks=st.integers(1, 60),
        sent=peaks,
        heard=peaks,
        delay=st.integers(0, 15),
        slip=st.sampled_from([0, 0, 160, -320, 7000]),
        begins=st.booleans(),
        anew=st.sampled_from([False, False, False, True]),
    )


@dataclass
class Line:
    """One call, heard by a guard with others, and by one that is alone."""

    stretches: list[Stretch]
    guards: EchoGuards
    random: np.random.Generator
    sent: list[Pcm] = field(default_factory=list[Pcm])

    def __post_init__(self) -> None:
        self.together, self.alone = EchoGuard(self.guards), EchoGuard()
        self.plan = [(each, tick) for each in self.stretches for tick in range(each.ticks)]

    def tick(self) -> None:
        if not self.plan:
            return
        now, number = self.plan.pop(0)
        if number == 0 and now.anew:
            self.together, self.alone = EchoGuard(self.guards), EchoGuard()
        ours = self._noise(now.sent)
        self.sent.append(ours)
        back = self.sent[-1 - now.delay] if len(self.sent) > now.delay else silence()
        came = (self._noise(now.heard) + back * 0.3).astype(np.int16)
        for guard in (self.together, self.alone):
            if number == 0:
                guard.slip(now.slip)
                if now.begins:
                    guard.begin()
            take = guard.rest if now.sent <= _NOISE else guard.receive
            take(came, ours)

    def _noise(self, peak: int) -> Pcm:
        # Loud and soft in turn, or nothing tells one delay from another.
        swell = abs(self.random.standard_normal()) / 2
        return (self.random.uniform(-peak, peak, FRAME_SAMPLES) * min(swell, 1.0)).astype(np.int16)

    def check(self) -> None:
        assert abs(self.together.explained - self.alone.explained) < 1e-3
        assert self.together.delay_ms == self.alone.delay_ms
        assert self.together.was_echo == self.alone.was_echo
        assert self.together.is_loud == self.alone.is_loud


@given(
    st.lists(st.lists(stretches(), min_size=1, max_size=5), min_size=_CALLS, max_size=_CALLS),
    st.integers(0, 2**16),
    st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_calls_that_are_looked_at_together_are_heard_as_each_alone(
    calls: list[list[Stretch]], seed: int, in_one_go: bool
):
    guards = EchoGuards()
    lines = [
        Line(each, guards, np.random.default_rng(seed + number))
        for number, each in enumerate(calls)
    ]
    while any(line.plan for line in lines):
        for line in lines:
            line.tick()
        if in_one_go:
            guards.run()
        for line in lines:
            line.check()


def test_row_of_a_call_that_has_ended_is_used_again():
    guards = EchoGuards()
    for _ in range(3):
        calls = [EchoGuard(guards), EchoGuard(guards)]
        calls[0].receive(silence(), silence())
        guards.run()
        calls.clear()
    assert guards.room == 2
