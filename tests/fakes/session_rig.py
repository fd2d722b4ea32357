"""A call session with its fakes on a virtual clock."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from tests.fakes.voice import (
    LOUD,
    FakeActions,
    FakeActivity,
    FakeDialog,
    FakeJournal,
    FakeLeg,
    FakeRecorder,
    FakeStt,
    FakeTts,
)
from voice.conversation import ConversationOptions, Return
from voice.events import (
    Effect,
    Speak,
)
from voice.fillers import FillerOptions
from voice.frames import FRAME_S, Pcm, silence
from voice.ports import TurnModel
from voice.session import CallSession, SessionOptions, SessionPorts


class Rig:
    """One session, its fakes, and time that passes only when told to."""

    def __init__(
        self,
        script: list[Sequence[Effect]],
        *texts: str | None,
        released: bool = True,
        resume: Return | None = None,
        turn_model: TurnModel | None = None,
    ) -> None:
        self.leg, self.stt, self.tts = FakeLeg(), FakeStt(*texts), FakeTts()
        self.dialog, self.journal = FakeDialog(script), FakeJournal()
        self.actions, self.recorder = FakeActions(released=released), FakeRecorder()
        self.now_s = 50.0
        self.reason = ""
        self.may_guess = True
        self.may_overhear = False  # each look takes a scripted text
        self.may_ask_twice = True
        self.session = CallSession(
            self.leg,
            SessionPorts(
                stt=self.stt,
                tts=self.tts,
                activity=FakeActivity(),
                dialog=self.dialog,
                actions=self.actions,
                journal=self.journal,
                recorder=self.recorder,
                turn_model=turn_model,
            ),
            clock=lambda: self.now_s,
            options=SessionOptions(
                conversation=ConversationOptions(fillers=FillerOptions(after_s=0.0)),
                comfort_dbfs=-200.0,  # silence is silence, so that speech can be counted
                linger_s=0.0,
                may_guess=lambda: self.may_guess,
                may_overhear=lambda: self.may_overhear,
                second_opinion=lambda: self.may_ask_twice,
            ),
            resume=resume,
        )

    async def settle(self) -> None:
        """Let the worker do all it can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def passes(self, seconds: float, *, voice: bool = False) -> None:
        await self.hears(LOUD if voice else silence(), seconds=seconds)

    async def hears(self, frame: Pcm, *, seconds: float = FRAME_S) -> None:
        """So many ticks, one if nothing is said, each with this frame from the caller."""
        self.leg.incoming = frame
        for _ in range(round(seconds / FRAME_S)):
            self.now_s += FRAME_S
            self.session.listen()
            self.session.act(self.now_s)
            await self.settle()

    async def caller_speaks(self, seconds: float) -> None:
        await self.passes(seconds, voice=True)
        await self.passes(1.5)


@asynccontextmanager
async def call(
    script: list[Sequence[Effect]],
    *texts: str | None,
    released: bool = True,
    resume: Return | None = None,
    turn_model: TurnModel | None = None,
) -> AsyncGenerator[Rig, None]:
    rig = Rig(script, *texts, released=released, resume=resume, turn_model=turn_model)
    running = asyncio.ensure_future(rig.session.run())
    await rig.settle()
    try:
        yield rig
    finally:
        rig.actions.release.set()
        rig.session.end("test_over")
        rig.reason = await running


GREETING = [Speak(text="good morning to you")]  # 0.8 s
