"""What one call says: the reply that is ready, the one being played, and the one that was cut."""

from collections.abc import Callable
from typing import assert_never

from voice.events import BargeIn
from voice.frames import Pcm
from voice.playout import Playout, Reply
from voice.turn_events import (
    DropReply,
    DuckReply,
    PauseReply,
    ReplyCommand,
    ResumeReply,
    StartReply,
    StopReply,
)


class Mouth:
    """Obeys the floor. `on_cut` hears of every reply that was given up, heard in part or not."""

    def __init__(self, on_cut: Callable[[Reply], None]) -> None:
        self._on_cut = on_cut
        self._playout = Playout()
        self._ready: Reply | None = None  # announced, not yet started
        self._starting: Reply | None = None  # started, nothing of it sent

    @property
    def barge_in(self) -> BargeIn:
        """What interrupts that which is being said now."""
        return self._playout.barge_in

    def prepare(self, reply: Reply) -> None:
        """This reply has its first audio; the floor decides whether it is played."""
        self._ready = reply

    def obey(self, command: ReplyCommand) -> None:
        match command:
            case StartReply():
                reply, self._ready = self._ready, None
                if reply is not None:
                    self._playout.play(reply)
                    self._starting = reply
            case DuckReply():
                self._playout.duck()
            case PauseReply():
                self._playout.pause()
            case ResumeReply(softly=softly):
                self._playout.resume(softly=softly)
            case StopReply():
                self._give_up(self._playout.stop())
            case DropReply():
                reply, self._ready = self._ready, None
                if reply is not None:
                    reply.finish()
                self._give_up(reply)
            case _:
                assert_never(command)

    def pop(self) -> tuple[Pcm | None, Reply | None]:
        """The next 20 ms, or None for silence; and the reply that ended with it, if any."""
        return self._playout.pop()

    def just_started(self) -> Reply | None:
        """The reply whose first frame was popped by the last `pop`; asked once after each."""
        starting, self._starting = self._starting, None
        return starting

    def _give_up(self, reply: Reply | None) -> None:
        if reply is not None:
            self._on_cut(reply)
