"""An agent without a browser: a desk, its audio, and a script for each caller they are offered."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final, assert_never

from loadtest.clock import MediaClock
from loadtest.pcm import Pcm
from loadtest.transfer.browser_audio import BrowserAudio
from loadtest.transfer.desk import Desk, DeskOffer
from loadtest.transfer.errors import AgentError
from loadtest.transfer.hearing import ToneEar
from loadtest.transfer.script import (
    Accept,
    CloseDesk,
    Converse,
    Decline,
    GiveBack,
    HangUp,
    Hold,
    Ignore,
    LoseAudio,
    PickUp,
    Resume,
    Return,
    Script,
    Step,
    TransferOn,
    UntilOver,
    Vanish,
    Wait,
)
from loadtest.transfer.staff import Login
from loadtest.transfer.tones import AGENT_HZ, CALLER_HZ, onset, tone

_HEAR_S: Final = 10.0  # from accepting to hearing the caller; a machine under load takes seconds
_OVER_S: Final = 60.0  # the longest ringing


@dataclass(slots=True, kw_only=True)
class Served:
    """One caller as an agent had them; times by the event loop's clock, None where it never was."""

    offer: DeskOffer
    audio_s: float | None = None  # the audio was connected
    accepted_s: float | None = None  # "take the call" was sent
    heard_caller_s: float | None = None  # the caller's first sound arrived, if ever
    refused: list[str] = field(default_factory=list[str])  # by the desk


class Agent:
    """Open them with `open`, let them `serve`, `close` them at the end."""

    def __init__(
        self, url: str, login: Login, clock: MediaClock, *, address: str | None = None
    ) -> None:
        """`address`: of this machine, for the audio; None: any."""
        self.login = login
        self._url, self._clock, self._address = url, clock, address
        self._page = contextlib.AsyncExitStack()
        self._desk: Desk | None = None
        self._audio: BrowserAudio | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._ear = ToneEar(CALLER_HZ)

    @property
    def desk(self) -> Desk:
        """
        Raises:
            AgentError: it is not open.
        """
        if self._desk is None:
            raise AgentError("the desk is closed")
        return self._desk

    async def open(self) -> None:
        """Sign in and open the desk.

        Raises:
            AgentError: refused.
        """
        self._desk = await self._page.enter_async_context(
            Desk.open(self._url, self.login.login, self.login.password)
        )

    async def ready(self) -> None:
        """Finish what is left of a call before, and take the next one.

        Raises:
            AgentError: the desk does not become ready.
        """
        await self.wrap_up()
        await self.desk.set_ready()

    async def close(self) -> None:
        """Close the browser; idempotent."""
        await self._hang_up_audio()
        self._desk = None
        await self._page.aclose()

    async def wrap_up(self) -> None:
        """Say how the last call ended, where that is still asked."""
        desk = self.desk
        if desk.wrap_up is None:
            return
        call_id = desk.wrap_up["call_id"]
        await desk.send("disposition", call_id=call_id, code="resolved")
        await desk.send("wrap_up_done", call_id=call_id)
        await desk.until(lambda: desk.wrap_up is None or None, "the wrap-up's end")

    async def serve(self, script: Script, *, timeout_s: float = _OVER_S) -> Served:
        """Wait for a caller and do with them what the script says.

        Raises:
            AgentError: nobody came, or a step could not be done.
        """
        return await self.play(await self.desk.offered(timeout_s=timeout_s), script)

    async def play(self, offer: DeskOffer, script: Script) -> Served:
        """Do with this caller what the script says; raises as `serve`."""
        served = Served(offer=offer)
        self._ear = ToneEar(CALLER_HZ)
        self._connecting = asyncio.create_task(self._connect(served), name="desk-audio")
        try:
            for step in script:
                await self._do(step, served)
        finally:
            if self._audio is not None and served.accepted_s is not None:
                served.heard_caller_s = _first_heard(self._audio)
            await self._hang_up_audio()
            if self._desk is not None:
                served.refused += self._desk.errors
        return served

    # --- the steps --------------------------------------------------------------------------------

    async def _do(self, step: Step, served: Served) -> None:
        match step:
            case Wait(for_s=for_s):
                await asyncio.sleep(for_s)
            case PickUp() | Accept() | Decline() | Ignore():
                await self._decide(step, served)
            case Converse(for_s=for_s):
                await self._converse(for_s)
            case Hold() | Resume() | GiveBack() | TransferOn() | HangUp():
                await self._in_talk(step, served)
            case LoseAudio() | CloseDesk() | Vanish() | Return():
                await self._fail(step, served)
            case UntilOver(timeout_s=timeout_s):
                await self._over(timeout_s)
            case _:
                assert_never(step)

    async def _decide(self, step: PickUp | Accept | Decline | Ignore, served: Served) -> None:
        offer_id = served.offer.offer_id
        match step:
            case PickUp():
                await self._connected()
                await self.desk.send("answer", offer_id=offer_id)
                await self._phase("briefing")
            case Accept():
                await self._connected()
                served.accepted_s = asyncio.get_running_loop().time()
                await self.desk.send("accept", offer_id=offer_id)
            case Decline():
                await self.desk.send("decline", offer_id=offer_id)
                await self._over(_OVER_S)
            case Ignore():
                await self._over(_OVER_S)
            case _:
                assert_never(step)

    async def _in_talk(
        self, step: Hold | Resume | GiveBack | TransferOn | HangUp, served: Served
    ) -> None:
        desk, call_id = self.desk, served.offer.call_id
        match step:
            case Hold():
                await desk.send("hold", call_id=call_id)
                await self._phase("held")
            case Resume():
                await desk.send("resume", call_id=call_id)
                await self._phase("talking")
            case GiveBack(step=named):
                await desk.send("return_to_frontdesk", call_id=call_id, step=named)
            case TransferOn(target=target, mode=mode):
                await desk.send("transfer_on", call_id=call_id, target=target, mode=mode)
            case HangUp():
                await desk.send("hang_up", call_id=call_id)
            case _:
                assert_never(step)

    async def _fail(self, step: LoseAudio | CloseDesk | Vanish | Return, served: Served) -> None:
        match step:
            case LoseAudio():
                await self._hang_up_audio()
            case CloseDesk():
                await self.close()
            case Vanish():
                if self._audio is not None:
                    self._audio.vanish()
                self.desk.vanish()
            case Return():
                await self.close()
                await self.open()
                await self.desk.offered(timeout_s=_HEAR_S)  # it is shown again, as it stands
                self._ear = ToneEar(CALLER_HZ)
                await self._connect(served)
            case _:
                assert_never(step)

    async def _converse(self, for_s: float) -> None:
        try:
            await self._ear.until(True, timeout_s=_HEAR_S)
        except TimeoutError:
            raise AgentError("the caller is not heard") from None
        await asyncio.sleep(for_s)

    async def _phase(self, phase: str) -> None:
        desk = self.desk
        await desk.until(
            lambda: (desk.call is not None and desk.call["phase"] == phase) or None, phase
        )

    async def _over(self, timeout_s: float) -> None:
        desk = self.desk
        await desk.until(lambda: desk.call is None or None, "the call's end", timeout_s=timeout_s)

    # --- audio ------------------------------------------------------------------------------------

    async def _connect(self, served: Served) -> None:
        """As the page does: while it rings, so that nothing is waited for when it is taken."""
        audio = self._audio = BrowserAudio(self._clock, address=self._address)
        audio.speak = _speak
        audio.on_frame = lambda frame: self._hear(audio, frame)
        answer = await self.desk.connect_audio(served.offer, await audio.offer())
        await audio.take(answer)
        await audio.connected()
        served.audio_s = served.audio_s or asyncio.get_running_loop().time()

    def _hear(self, audio: BrowserAudio, frame: Pcm) -> None:
        if audio is self._audio:
            self._ear.receive(frame)

    async def _connected(self) -> None:
        if self._connecting is not None:
            await self._connecting

    async def _hang_up_audio(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
            self._connecting = None
        audio, self._audio = self._audio, None
        if audio is not None:
            await audio.close()


def _speak(start: int) -> Pcm:
    return tone(AGENT_HZ, start)


def _first_heard(audio: BrowserAudio) -> float | None:
    """When the caller's first sound arrived."""
    found = onset(audio.heard.read(0, len(audio.heard)), CALLER_HZ)
    return None if found is None else audio.time_of(found)
