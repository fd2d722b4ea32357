"""An ear of a room, with a detector of its own and an end that loses nothing."""

import asyncio
from collections.abc import Callable
from typing import Final

from models.vad import SileroVad
from voice.echo import EchoGuards
from voice.frames import Pcm
from voice.overhear import Overhearing
from voice.ports import SpeechToText

_FINISH_S: Final = 3.0  # for the words that were being said when the speaker left


class LineEar:
    """Live transcription of one member; implements server.handoff.stage.ClosableEar.

    Args:
        on_line: told each line, and when it began, in seconds of the media plane's clock.
        guards: the echo guards of all calls.
    """

    def __init__(
        self,
        stt: SpeechToText,
        vad: SileroVad,
        on_line: Callable[[str, float], None],
        *,
        guards: EchoGuards,
    ) -> None:
        self._vad, self._stream = vad, vad.open_stream()
        self._heard = Overhearing(
            stt,
            self._stream,
            lambda text, began_s, _ended_s: on_line(text, began_s),
            guards=guards,
        )
        self._finishing: asyncio.Task[None] | None = None

    def push(self, frame: Pcm) -> None:
        """See telephony.mixer.Ear."""
        self._heard.push(frame)

    def act(self, now_s: float, sent: Pcm) -> None:
        """See telephony.mixer.Ear."""
        self._heard.act(now_s, sent)

    def close(self) -> None:
        """Hear nothing more; what was being said is still told. Idempotent."""
        if self._finishing is None:
            self._vad.close_stream(self._stream)
            self._finishing = asyncio.create_task(
                self._heard.finish(timeout_s=_FINISH_S), name="last words"
            )
