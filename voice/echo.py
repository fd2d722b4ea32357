"""Our own voice coming back on the line: how much of what is heard is only that.

A speakerphone, or the hybrid where two wires become four, returns what we send 50 to 300 ms later,
softer, coloured, a little distorted. A voice detector takes it for the caller. Since we know what
we sent, we can tell: `EchoGuard` says which part of an incoming frame the reference explains, and
`suppressed` applies that to the detector's probability. All calls of a tick are looked at in one go
(voice/echo_guards.py).

Theory of operation. Nothing is cancelled; powers in 15 bands are compared, which survives codecs,
clipping and jumps of the delay that would throw an adaptive filter. What we sent is kept as columns
of band powers, one for each 10 ms; the column number is a lag. On each tick

1. the delay is searched: bands of the incoming frame, as deviations from their own means in dB, are
   correlated with each column over a long and a short memory; the best lag that correlates well is
   the delay;
2. the coupling is learnt, for every lag at once, so that nothing needs to be learnt anew after the
   delay jumps: the gain of each band, and how far single frames stray from it. Losses are learnt at
   once, gains reluctantly, because a caller who speaks looks like a gain, unless the delay has
   just been found, which proves that what came back of late was echo;
3. the echo is predicted: each column near the delay, times its gains, with a margin of the usual
   straying, and the line's steady noise on top. Power up to the prediction is explained, in each
   frame by the column that fits best: jitter buffers shift the delay in the middle of a word. Sums
   over some frames are compared, because single frames of speech are erratic.

Until a delay is known there may be an echo at any lag, so whatever stays below our loudest recent
power in each band, less a worst case return loss, counts as explained. That bound sinks as the line
turns out to return less; on a line without echo it soon lies near the noise.
"""

from typing import Final

from voice.echo_columns import HOP, LAGS
from voice.echo_guards import AT_REST_DBFS, UNKNOWN, EchoGuards, EchoTick
from voice.frames import RATE_HZ, Pcm, silence

__all__ = ["AT_REST_DBFS", "ECHO_SHARE", "EchoGuard", "EchoGuards", "suppressed"]

ECHO_SHARE: Final = 0.8
"""What is explained so far is echo. With a lower limit callers drown in an echo 6 dB below them;
with a higher one the straying of a loud echo in a reverberating room is a voice."""


def suppressed(probability: float, explained: float) -> float:
    """The probability that the caller speaks, given the detector's and `EchoGuard.explained`."""
    return 0.0 if explained >= ECHO_SHARE else probability


class EchoGuard:
    """One call's guard against its own echo; give it every tick.

    Args:
        guards: those of all calls; None: it is on its own.
    """

    def __init__(self, guards: EchoGuards | None = None) -> None:
        self._guards = guards or EchoGuards()
        self._row = self._guards.lend(self)
        self._before = silence()  # the last frame that came
        self._rested: Pcm | None = None  # sent since, while we were at rest: the latest frame
        self._rested_ticks = 0
        self._waiting = self._summing = False
        self._explained = 0.0

    @property
    def explained(self) -> float:
        """The share of the incoming energy, in [0, 1], that our own voice explains, over about the
        last 100 ms: 1 is all echo, and 0 is what we get when we have been silent."""
        if self._waiting:
            self._guards.run()
        return self._explained

    @property
    def was_echo(self) -> bool:
        """Whether all that came since `begin`, as it turns out now, is our own voice.

        After a leap of the delay it takes half a second of echo to know the new one; until then
        the echo passes for a voice.
        """
        return self._settled().was_echo(self._row)

    @property
    def is_loud(self) -> bool:
        """Whether an echo was found that is loud enough to be mistaken for somebody's words."""
        return self._settled().is_loud(self._row)

    @property
    def delay_ms(self) -> int | None:
        """The echo's delay; None while no echo has been found."""
        lag = self._settled().lag(self._row)
        return None if lag == UNKNOWN else lag * 1000 * HOP // RATE_HZ

    def begin(self) -> None:
        """A voice was found: what comes now is looked at as a whole, too."""
        self._settled().begin(self._row)

    def slip(self, samples: int) -> None:
        """What comes with the next `receive` is later than before, or earlier, by so much.

        Whoever knows why an echo's delay leaps, a jitter buffer for one, spares the guard half a
        second of learning it, in which the echo would pass for a voice.
        """
        columns = round(samples / HOP)
        if columns:
            self._settled().slip(self._row, max(-LAGS, min(LAGS, columns)))

    def rest(self, incoming: Pcm, outgoing: Pcm) -> None:
        """`receive` on a tick on which all we sent is noise of AT_REST_DBFS or less."""
        if self._waiting or self._summing:
            self.receive(incoming, outgoing)
            return
        self._before, self._rested = incoming, outgoing  # as in most of a call
        self._rested_ticks += 1
        self._explained = 0.0

    def receive(self, incoming: Pcm, outgoing: Pcm) -> None:
        """Take what came and what we sent on one tick, both int16, shape (160,).

        Neither may be written to before it is looked at. `outgoing` may also be what we sent on the
        tick before, as long as it always is.
        """
        tick = EchoTick(
            self, self._row, self._before, incoming, outgoing, self._rested, self._rested_ticks
        )
        self._settled().take(tick)
        self._before, self._waiting = incoming, True
        # Columns that begin in what we sent at rest are looked at, too.
        self._rested, self._rested_ticks = None, 0

    def settle(self, explained: float, *, summing: bool) -> None:
        """Implements voice.echo_guards.Guard."""
        self._explained, self._summing, self._waiting = explained, summing, False

    def _settled(self) -> EchoGuards:
        if self._waiting:
            self._guards.run()
        return self._guards
