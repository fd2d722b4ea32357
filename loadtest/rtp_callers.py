"""Callers for a bench of the media tick: a process that is nothing but RTP, many sockets of it.

It binds a socket for each caller and says at which ports, is told where to send and what, and sends
a packet every 20 ms from each until its standard input ends. What comes back is stamped by the
kernel, and the last line out says how evenly it came.

    out  {"ports": [40000, …]}
    in   {"ports": [20000, …], "octets": "base64 of G.711 µ-law, heard in a loop"}
    in   {"measure": true}      what came until now does not count
    out  {"jitter_ms": {"p50": …, "p99": …}, "packets": …, "own_late_ms": {"p50": …, "p99": …}}

It shares no code with the server, which measures itself by it.
"""

import asyncio
import base64
import binascii
import json
import sys
import time
from collections.abc import Sequence
from typing import Final, TypedDict

import numpy as np

from loadtest.clock import MediaClock
from loadtest.errors import LoadtestError
from loadtest.load.precedence import take_precedence
from loadtest.pcm import FRAME_S, FRAME_SAMPLES
from loadtest.rtp import rtp_header
from loadtest.rtp_socket import RtpSocket

_HOST: Final = "127.0.0.1"
_STRIDE: Final = 37  # frames between two callers' places in the loop: not all say the same at once


class Spread(TypedDict):
    """Milliseconds."""

    p50: float
    p99: float


def spread(values_ms: Sequence[float]) -> Spread:
    """The quantiles of a sample; zeros of nothing."""
    if not values_ms:
        return Spread(p50=0.0, p99=0.0)
    p50, p99 = np.percentile(np.asarray(values_ms), (50, 99)).tolist()
    return Spread(p50=round(p50, 3), p99=round(p99, 3))


class RtpCaller:
    """One caller: a packet each way every 20 ms; what comes is only timed."""

    def __init__(self, number: int) -> None:
        self._socket = RtpSocket(_HOST)
        self.port = self._socket.port
        self.jitter_ms: list[float] = []
        """Of each packet that came: how far it was from 20 ms after the one before."""
        self._number, self._sent = number, 0
        self._peer: tuple[str, int] = (_HOST, 0)
        self._frames: Sequence[bytes] = ()
        self._came_at_s: float | None = None

    def call(self, port: int, frames: Sequence[bytes]) -> None:
        """Send these payloads to a port, over and over, from `tick` on."""
        self._peer, self._frames = (_HOST, port), frames

    def tick(self, late_s: float) -> None:
        """Send 20 ms."""
        payload = self._frames[(self._sent + self._number * _STRIDE) % len(self._frames)]
        header = rtp_header(0, self._sent & 0xFFFF, self._sent * FRAME_SAMPLES, self._number + 1)
        self._socket.send(header + payload, self._peer)
        self._sent += 1

    def listen(self) -> None:
        """Time what came."""
        for _, age_s in self._socket.receive():
            came_at_s = time.time() - age_s
            if self._came_at_s is not None:
                self.jitter_ms.append(abs(came_at_s - self._came_at_s - FRAME_S) * 1000)
            self._came_at_s = came_at_s

    def forget(self) -> None:
        """What came until now does not count."""
        self.jitter_ms.clear()

    def close(self) -> None:
        self._socket.close()


def main() -> int:
    """Run as `python -m loadtest.rtp_callers COUNT`."""
    try:
        asyncio.run(_run(int(sys.argv[1])))
    except (LoadtestError, OSError, ValueError, KeyError, binascii.Error) as error:
        print(json.dumps({"failed": f"{error}"}), flush=True)
        return 2
    return 0


async def _run(count: int) -> None:
    callers = [RtpCaller(number) for number in range(count)]
    lines = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    print(json.dumps({"ports": [caller.port for caller in callers]}), flush=True)
    clock = MediaClock()
    while line := await lines.readline():
        wish = json.loads(line)
        if "measure" in wish:
            for caller in callers:
                caller.forget()
            continue
        octets = base64.b64decode(wish["octets"], validate=True)
        frames = [octets[at : at + FRAME_SAMPLES] for at in range(0, len(octets), FRAME_SAMPLES)]
        take_precedence()
        for caller, port in zip(callers, wish["ports"], strict=True):
            caller.call(port, frames)
            clock.join(caller.tick, caller.listen)
    for caller in callers:
        clock.leave(caller.tick)
        caller.close()
    jitter_ms = [value for caller in callers for value in caller.jitter_ms]
    own_late_ms = Spread(p50=clock.lateness.percentile_ms(50), p99=clock.lateness.percentile_ms(99))
    found = {"jitter_ms": spread(jitter_ms), "packets": len(jitter_ms), "own_late_ms": own_late_ms}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
