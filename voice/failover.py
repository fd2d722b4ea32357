"""A second recogniser for when the first one gives nothing by its deadline.

Theory of operation. Every utterance is the first's until its deadline, or until it fails; then the
second is asked, and the first's answer is no longer wanted. A first that failed several times in a
row is left alone for a while: a caller should not wait for a deadline each time that is sure to
pass. After the rest one utterance tries it again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from voice.events import Expectation, SpeechError, Transcription
from voice.frames import Pcm
from voice.ports import SpeechToText

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverOptions:
    """deadline_s: of the first. After `failures` in a row it rests for `rest_s`.

    Raises:
        ValueError: a figure makes no sense.
    """

    deadline_s: float = 1.0  # with an answer by the second a gap that callers still bear
    failures: int = 3
    rest_s: float = 30.0

    def __post_init__(self) -> None:
        if not (self.deadline_s > 0 and self.rest_s >= 0 and self.failures >= 1):
            raise ValueError("deadline_s must be above 0, rest_s 0 or more, failures 1 or more")


class Failover:
    """SpeechToText by the first of two recognisers, or by the second.

    Args:
        clock: monotonic seconds, for the rest.

    Attributes:
        taken_over: utterances that the second answered.
    """

    def __init__(
        self,
        first: SpeechToText,
        second: SpeechToText,
        options: FailoverOptions | None = None,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._first, self._second = first, second
        self._options = options or FailoverOptions()
        self._clock = clock
        self._failures = 0
        self._rests_until_s: float | None = None
        self.taken_over = 0

    async def transcribe(
        self, pcm: Pcm, *, expects: Expectation, speculative: bool = False
    ) -> Transcription:
        """See SpeechToText.

        Raises:
            SpeechError: the second failed as well.
        """
        if not self._resting():
            try:
                async with asyncio.timeout(self._options.deadline_s):
                    heard = await self._first.transcribe(
                        pcm, expects=expects, speculative=speculative
                    )
            except (SpeechError, TimeoutError) as error:
                self._failed(error)
            else:
                self._failures = 0
                return heard
        self.taken_over += 1
        return await self._second.transcribe(pcm, expects=expects, speculative=speculative)

    def _resting(self) -> bool:
        if self._rests_until_s is None:
            return False
        if self._clock() < self._rests_until_s:
            return True
        self._rests_until_s = None
        self._failures = self._options.failures - 1  # one more failure and it rests again
        return False

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= self._options.failures:
            self._rests_until_s = self._clock() + self._options.rest_s
        log.warning(
            "the first recogniser gave nothing",
            extra={"failures": self._failures, "reason": str(error) or "deadline"},
        )
