"""The room of one call in other hands: music, announcements, the brief, and who hears whom.

It carries out what the transfer machine has decided and decides nothing itself.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from server.handoff.in_hand import CallInHand
from server.recording import TrackRecorder
from telephony.answering_machine import AnsweringMachine
from telephony.mixer import Ear, Heard, Room
from telephony.program import Layer, Loop, Playing
from voice.events import SpeechError
from voice.frames import Pcm, silence
from voice.playout import Reply
from voice.ports import AudioLeg, TextToSpeech

log = logging.getLogger(__name__)

CALLER: Final = "caller"
AGENT: Final = "agent"
GUEST: Final = "guest"  # a second person, beside the agent


class ClosableEar(Ear, Protocol):
    def close(self) -> None:
        """Hear nothing more; what was being said is still told."""
        ...


class _MachineEar:
    """telephony.mixer.Ear that tells of a machine, once."""

    def __init__(self, on_machine: Callable[[], None]) -> None:
        self._machine, self._on_machine = AnsweringMachine(), on_machine
        self._heard, self._told = silence(), False

    def push(self, frame: Pcm) -> None:
        self._heard = frame

    def act(self, now_s: float, sent: Pcm) -> None:
        if not self._told and self._machine.receive(self._heard, sent):
            self._told = True
            # Soon: the room is in the middle of a tick, and they will be taken out of it.
            asyncio.get_running_loop().call_soon(self._on_machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWorld:
    """What every room of the server shares.

    music: for callers on hold, int16, 8 kHz, shape (n,).
    overhear: makes an ear for one member, told what is done with each line and when it began.
    tracks: makes the recording of all members of a call; None: only the call's own goes on.
    """

    tts: TextToSpeech
    music: Pcm
    overhear: Callable[[Callable[[str, float], None]], ClosableEar]
    tracks: Callable[[CallInHand], TrackRecorder | None]


class Stage:
    """One call's; the caller is in it from `open` to `close`.

    Args:
        on_line: told what caller and agent say: who, what, seconds since the call was answered.
        on_member_failed: told of a leg that raised.
    """

    def __init__(
        self,
        call: CallInHand,
        world: StageWorld,
        *,
        on_line: Callable[[str, str, float], None],
        on_member_failed: Callable[[str, Exception], None],
    ) -> None:
        self._call, self._world, self._on_line = call, world, on_line
        self.room = Room(on_member_failed=on_member_failed)
        self._music: Playing | None = None
        self._briefs: dict[str, Playing] = {}
        self._announced: list[Playing] = []
        self._ears: dict[str, ClosableEar] = {}
        self._tracks: TrackRecorder | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take the caller in; the call's recording goes on without losing a frame."""
        self.room.add(CALLER, self._call.leg)
        self.room.taps.append(self._record)
        self._tracks = self._world.tracks(self._call)
        if self._tracks is not None:
            self.room.taps.append(self._tracks.tap)
        self._call.plane.add(self.room)

    def close(self) -> None:
        """Let everybody go; their legs are their owners'. Idempotent."""
        self._call.plane.remove(self.room)
        self.room.end("closed")
        for ear in self._ears.values():
            ear.close()
        self._ears.clear()
        if self._tracks is not None:
            self._tracks.close()
            self._tracks = None
        for task in self._tasks:
            task.cancel()

    # --- the caller alone ---

    def hold(self) -> None:
        """Music for the caller, who hears nobody and is heard by nobody; idempotent."""
        self.room.isolate(CALLER)
        if self._music is None:
            loop = Loop(self._world.music)
            self._music = self.room.play(CALLER, loop, layer=Layer.MUSIC)

    def announce(self, text: str, on_ended: Callable[[], None] | None = None) -> None:
        """Tell the caller, over the music; `on_ended`: unless they are joined before its end."""
        self._announced.append(self._speak(CALLER, text, on_ended))

    def tell_agent(self, text: str) -> None:
        """Tell the agent who has the caller, and nobody else."""
        self._speak(AGENT, text)

    # --- an agent or a guest alone ---

    def comes(self, name: str, leg: AudioLeg) -> None:
        """They hear us, and nobody else does; a leg they had before is replaced."""
        self.leaves(name)
        self.room.add(name, leg)

    def watch_for_machine(self, name: str, on_machine: Callable[[], None]) -> None:
        """Tell, once, when what answered turns out to be a machine; until they leave."""
        self.room.overhear(name, _MachineEar(on_machine))

    def leaves(self, name: str) -> None:
        """Idempotent."""
        self.stop_brief(name)
        if (ear := self._ears.pop(name, None)) is not None:
            ear.close()
        if name in self.room.members:
            self.room.remove(name)

    def gives(self, name: str) -> AudioLeg:
        """Take them out of here, into another room."""
        leg = self.room.remove(name)
        self.leaves(name)
        return leg

    def brief(self, text: str, on_ended: Callable[[], None], *, listener: str = AGENT) -> None:
        """Tell one of them, and nobody else."""
        self._briefs[listener] = self._speak(listener, text, on_ended)

    def stop_brief(self, name: str = AGENT) -> None:
        brief = self._briefs.pop(name, None)
        if brief is not None:
            brief.stop()

    # --- all of them ---

    def join(self) -> None:
        """Caller and agent hear each other, and nothing else."""
        self._stop_music()
        for announcement in self._announced:
            announcement.stop()
        self._announced.clear()
        self.stop_brief()
        self.room.hold(CALLER, False)  # an agent before them may have left in the middle of one
        self.room.bridge(CALLER, AGENT)
        for name in (CALLER, AGENT):
            self._overhear(name, name)

    def join_guest(self) -> None:
        """The guest hears caller and agent, and they the guest."""
        self.stop_brief(GUEST)
        self.room.bridge(CALLER, AGENT, GUEST)
        self._overhear(GUEST, AGENT)

    def promote_guest(self) -> None:
        """The guest is the agent from now on; the agent is out."""
        leg = self.gives(GUEST)
        self.comes(AGENT, leg)
        self.join()

    def hold_in_talk(self, *, held: bool) -> None:
        """The agent puts the caller on hold, or takes them back."""
        self.room.hold(CALLER, held)
        if not held:
            self._stop_music()
        elif self._music is None:
            self._music = self.room.play(CALLER, Loop(self._world.music), layer=Layer.MUSIC)

    def mute(self, name: str, *, muted: bool) -> None:
        if name in self.room.members:
            self.room.mute(name, muted)

    # --- inside ---

    def _record(self, said: Heard, sent: Heard) -> None:
        if CALLER in said:
            self._call.recorder.write(said[CALLER], sent[CALLER])

    def _stop_music(self) -> None:
        music, self._music = self._music, None
        if music is not None:
            music.stop()

    def _overhear(self, name: str, who: str) -> None:
        if name not in self._ears:
            answered_at_s = self._call.answered_at_s
            ear = self._world.overhear(
                lambda text, began_s: self._on_line(who, text, began_s - answered_at_s)
            )
            self._ears[name] = ear
            self.room.overhear(name, ear)

    def _speak(
        self, listener: str, text: str, on_ended: Callable[[], None] | None = None
    ) -> Playing:
        reply = Reply()
        task = asyncio.create_task(self._synthesise(text, reply), name="announcement")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return self.room.play(listener, reply, on_finished=on_ended)

    async def _synthesise(self, text: str, reply: Reply) -> None:
        try:
            async for chunk in self._world.tts.synthesise(text):
                reply.append(chunk)
        except SpeechError:
            log.exception("speech synthesis failed; the announcement is not heard")
        finally:
            reply.finish()
