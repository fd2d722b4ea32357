"""What a session does in the caller's pauses: guessing, and asking how complete it sounded."""

from tests.fakes.session_rig import GREETING, call
from tests.fakes.voice import (
    FakeTurnModel,
)
from voice.events import (
    CallerSaid,
    CallStarted,
    Expectation,
    Expects,
    PerformAction,
    Readiness,
    Speak,
)
from voice.frames import FRAME_S


async def test_answer_is_prepared_in_the_pause_and_recognised_only_once():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        await rig.passes(0.1)
        assert len(rig.stt.heard) == 1, "nothing was prepared"
        assert rig.dialog.told == [CallStarted()], "the dialog was told before the caller was done"
        await rig.passes(1.0)
    assert len(rig.stt.heard) == 1
    assert len(rig.dialog.told) == 2


async def test_nothing_is_prepared_while_guessing_is_off():
    async with call([GREETING, [Speak(text="fine")]], "where is my order") as rig:
        rig.may_guess = False
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        await rig.passes(0.3)
        assert rig.stt.heard == []
        await rig.passes(1.0)
    assert len(rig.stt.heard) == 1
    assert len(rig.dialog.told) == 2


async def test_no_effect_runs_before_the_caller_is_done():
    change = [PerformAction(name="change", arguments={}, key="c:1:0")]
    async with call([GREETING, change], "change it", "change it please") as rig:
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        await rig.passes(0.3)
        assert len(rig.dialog.previewed) == 1
        await rig.passes(0.5, voice=True)
        assert rig.actions.performed == []
        await rig.passes(1.0)
    assert len(rig.actions.performed) == 1
    assert isinstance(rig.dialog.told[1], CallerSaid)
    assert rig.dialog.told[1].transcription.text == "change it please"


async def test_complete_answer_ends_the_turn_sooner_than_one_that_may_go_on():
    delays_s: list[float] = []
    for readiness in (Readiness.COMPLETE, Readiness.OPEN, Readiness.INCOMPLETE):
        async with call([GREETING, [Speak(text="fine")]], "four eight") as rig:
            rig.dialog.readiness = readiness
            await rig.passes(1.5)
            await rig.passes(1.0, voice=True)
            quiet_from_s = rig.now_s
            while len(rig.dialog.told) < 2:
                await rig.passes(FRAME_S)
            delays_s.append(rig.now_s - quiet_from_s)
    assert delays_s[0] <= 0.2
    assert delays_s == sorted(delays_s)
    assert len(set(delays_s)) == 3


async def quiet_waited_s(
    finished: float | None,
    *,
    kind: Expects = Expects.FREE,
    readiness: Readiness = Readiness.OPEN,
    asked: bool = True,
) -> tuple[float, int]:
    """How long the caller was waited for, and how often the turn model was asked."""
    model = FakeTurnModel(finished)
    async with call([GREETING, [Speak(text="fine")]], "well", turn_model=model) as rig:
        rig.may_ask_twice = asked
        rig.dialog.expects, rig.dialog.readiness = Expectation(kind=kind), readiness
        await rig.passes(1.5)
        await rig.passes(1.0, voice=True)
        quiet_from_s = rig.now_s
        while len(rig.dialog.told) < 2:
            await rig.passes(FRAME_S)
        return rig.now_s - quiet_from_s, len(model.heard)


async def test_turn_model_shortens_and_lengthens_the_wait_for_more_of_an_open_answer():
    sure, _ = await quiet_waited_s(0.95)
    undecided, _ = await quiet_waited_s(0.5)
    unfinished, _ = await quiet_waited_s(0.05)
    assert sure < undecided < unfinished


async def test_turn_model_that_fails_delays_nobody():
    assert (await quiet_waited_s(None))[0] == (await quiet_waited_s(0.5))[0]


async def test_turn_model_is_asked_only_where_words_cannot_tell_and_time_allows():
    assert (await quiet_waited_s(0.5))[1] == 1
    assert (await quiet_waited_s(0.5, kind=Expects.ADDRESS))[1] == 1
    assert (await quiet_waited_s(0.5, kind=Expects.DIGITS))[1] == 0
    assert (await quiet_waited_s(0.5, kind=Expects.YES_NO))[1] == 0
    assert (await quiet_waited_s(0.5, readiness=Readiness.COMPLETE))[1] == 0
    assert (await quiet_waited_s(0.5, asked=False))[1] == 0
