"""The turn model behind voice's port: a blocking network, moved off the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from models.errors import ModelError
from models.turn import SmartTurn
from server.precedence import help_calls
from voice.events import SpeechError
from voice.frames import Pcm


class TurnJudge:
    """voice.ports.TurnModel over models.turn.SmartTurn; one look at a time, the rest wait in line.

    A look that is not wanted any more, its task cancelled, leaves the line.
    """

    def __init__(self, model: SmartTurn) -> None:
        self._model = model
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="turn", initializer=help_calls)

    async def finished(self, pcm: Pcm) -> float:
        """See TurnModel."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._model.complete, pcm)
        except (ModelError, RuntimeError, ValueError) as error:
            raise SpeechError(str(error)) from error

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
