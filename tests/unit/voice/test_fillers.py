"""What is said while an action takes long: soon, in turn, now and then, and not for ever."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.session_rig import call
from voice.events import PerformAction, Speak
from voice.fillers import FillerOptions, Fillers
from voice.frames import FRAME_S

OPTIONS = FillerOptions(after_s=0.7, every_s=4.0, most=5)
WORDS = ("one moment", "still on it", "thank you for waiting")


def said_in(
    fillers: Fillers, seconds: float, *, each_takes_s: float = 0.0
) -> list[tuple[int, str]]:
    """What was said until then, with the second it came in."""
    told, speaks_until_s = list[tuple[int, str]](), 0.0
    for tick in range(round(seconds / FRAME_S)):
        now_s = tick * FRAME_S
        text = fillers.due(now_s, speaking=now_s < speaks_until_s)
        if text is not None:
            told.append((int(now_s), text))
            speaks_until_s = now_s + each_takes_s
    return told


def test_first_comes_soon_and_the_others_after_a_while_of_quiet():
    told = said_in(Fillers(WORDS, OPTIONS, 0.0), 11.5, each_takes_s=1.0)
    assert told == [(0, WORDS[0]), (5, WORDS[1]), (10, WORDS[2])]


def test_words_come_around_again_without_the_first():
    told = said_in(Fillers(WORDS, OPTIONS, 0.0), 30)
    assert [text for _, text in told] == [*WORDS, WORDS[1], WORDS[2]]


def test_only_words_are_said_again_and_again_up_to_a_bound():
    told = said_in(Fillers(WORDS[:1], OPTIONS, 0.0), 60)
    assert [text for _, text in told] == [WORDS[0]] * 5


def test_nothing_is_said_of_an_action_without_words():
    assert said_in(Fillers((), OPTIONS, 0.0), 60) == []


def test_action_that_is_done_before_we_have_stopped_speaking_needs_no_words():
    fillers = Fillers(WORDS, OPTIONS, 0.0)
    assert all(fillers.due(tick * FRAME_S, speaking=True) is None for tick in range(500))


@given(
    words=st.lists(st.text("ab", min_size=1), min_size=2, max_size=6, unique=True),
    speaking=st.lists(st.booleans(), min_size=1, max_size=400),
)
def test_nobody_hears_the_same_twice_running_unless_there_are_two_words(
    words: list[str], speaking: list[bool]
):
    fillers = Fillers(words, OPTIONS, 0.0)
    said = [fillers.due(0.25 * n, speaking=each) for n, each in enumerate(speaking)]
    told = [text for text in said if text is not None]
    assert len(told) <= OPTIONS.most
    assert len(words) == 2 or all(a != b for a, b in pairwise(told))
    assert not any(text for text, each in zip(said, speaking, strict=True) if each)


ASK = [PerformAction(name="find", arguments={}, key="c:1:0", fillers=WORDS)]


async def test_caller_is_never_in_dead_air_while_an_action_runs():
    async with call([ASK, [Speak(text="found")]], released=False) as rig:
        await rig.passes(20.0)
        heard = [bool(frame.any()) for frame in rig.leg.sent]
        rig.actions.release.set()
        await rig.passes(1.0)
    quiet_s = max(map(len, "".join("x" if each else "." for each in heard).split("x"))) * FRAME_S
    assert 3.9 <= quiet_s <= 4.2
    assert rig.journal.turns[0].said == (
        "one moment still on it thank you for waiting still on it thank you for waiting found"
    )
    assert rig.journal.turns[0].actions == ("find: succeeded",)


async def test_nothing_more_is_said_once_the_action_has_ended():
    async with call([ASK, [Speak(text="found")]], released=False) as rig:
        await rig.passes(2.0)
        rig.actions.release.set()
        await rig.passes(12.0)
    assert rig.journal.turns[0].said == "one moment found"


async def test_caller_who_hangs_up_meanwhile_ends_it():
    async with call([ASK, []], released=False) as rig:
        await rig.passes(6.0)
        rig.session.end("caller_hangup")
        rig.actions.release.set()
    assert rig.reason == "caller_hangup"
