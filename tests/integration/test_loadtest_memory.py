"""What a simulated caller leaves behind: an hour of them must not fill the generator's memory."""

import gc
from typing import Any

from loadtest.caller import SimulatedCaller
from loadtest.recorder import Recorder
from loadtest.scenario import Answer, HangsUp, Scenario
from tests.fakes.scripted_desk import GOODBYE, ScriptedFrontdesk, run_fast


def recorders() -> int:
    return sum(type(each) is Recorder for each in gc.get_objects())


def test_audio_of_a_call_is_free_as_soon_as_the_call_is_over() -> None:
    scenario = Scenario(
        name="short",
        answers=(Answer(hears=("Goodbye",), action=HangsUp(after_s=3)),),
        goal=("Goodbye",),
    )

    async def call() -> Any:
        async with ScriptedFrontdesk([GOODBYE]) as desk:
            return await SimulatedCaller(scenario, desk.target).run()

    run_fast(call())
    gc.collect()
    gc.disable()
    try:
        run_fast(call())
        assert recorders() == 0
    finally:
        gc.enable()
