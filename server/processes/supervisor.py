"""Workers are started, watched, started again when they die, and asked to stop."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from server.errors import StartError

_FIRST_PAUSE_S: Final = 1.0  # before a worker that died is started again
_LONGEST_PAUSE_S: Final = 30.0
_LOOK_S: Final = 1.0
_SILENT_S: Final = 30.0  # three reports and more; its calls have been dead for as long
_STEADY_S: Final = 60.0  # a worker that lived so long is no worker that cannot live

log = logging.getLogger(__name__)


class Life(Protocol):
    """One process of a worker."""

    @property
    def pid(self) -> int: ...

    async def ready(self) -> Mapping[str, Any]:
        """Wait until it takes calls; what it says then.

        Raises:
            StartError: it ended, or said nothing in time.
        """
        ...

    async def wait(self) -> int:
        """Wait until it has ended; its status."""
        ...

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        ...


class Staff(Protocol):
    """What is done with workers."""

    async def spawn(self, worker: int) -> Life:
        """Start its process.

        Raises:
            StartError: there is none.
        """
        ...

    def joined(self, worker: int) -> None:
        """It takes calls from now on."""
        ...

    def silent_s(self, worker: int) -> float:
        """For how long nothing has been heard of it; 0: it has not joined."""
        ...

    def left(self, worker: int) -> None:
        """Its process has ended, and its calls with it; also when it never joined."""
        ...


class Supervisor:
    """All workers of one server. Made for one event loop."""

    def __init__(
        self,
        staff: Staff,
        *,
        workers: int,
        first_pause_s: float = _FIRST_PAUSE_S,
        silent_s: float = _SILENT_S,
        kind: str = "worker",
    ) -> None:
        """
        Args:
            first_pause_s: before a worker that died is started again; it doubles from life to life.
            silent_s: a worker that has said nothing for so long hangs, and is killed.
            kind: what they are called in the log.
        """
        self._staff, self._count, self._first_pause_s = staff, workers, first_pause_s
        self._kind, self._silent_s = kind, silent_s
        self._lives: dict[int, Life] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._watching: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> Mapping[str, Any]:
        """Start them all; the first one alone, since it makes what all keep on the disk.

        Returns:
            what the first one said when it was ready.

        Raises:
            StartError: one did not start; `kill` those that did.
        """
        ready = await self._begin(0)
        others = [asyncio.create_task(self._begin(worker)) for worker in range(1, self._count)]
        for outcome in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        for worker in range(self._count):
            keeping = asyncio.create_task(self._keep(worker), name=f"worker {worker}")
            self._keeping.append(keeping)
        self._watching = asyncio.create_task(self._watch(), name="silent workers")
        return ready

    def signal(self, number: int) -> None:
        """Send all that live this signal, and start none again."""
        self._stopping.set()
        for life in self._lives.values():
            with suppress(ProcessLookupError):
                life.send_signal(number)

    async def ended(self, *, within_s: float) -> None:
        """Wait until all have ended, but not longer; they must have been signalled."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=within_s)

    async def kill(self) -> None:
        """End at once whoever is still there. Idempotent."""
        self._stopping.set()
        if self._watching is not None:
            self._watching.cancel()
        for keeping in self._keeping:
            keeping.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for worker in list(self._lives):
            await self._end(worker)

    async def _keep(self, worker: int) -> None:
        """Life after life, until all are asked to stop."""
        loop, pause_s = asyncio.get_running_loop(), self._first_pause_s
        while True:
            began_s = loop.time()
            await self._outlive(worker)
            if loop.time() - began_s >= _STEADY_S:
                pause_s = self._first_pause_s
            if await self._told_to_stop(within_s=pause_s):
                return
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self._begin(worker)
            except StartError as error:
                log.warning("process not started", extra={self._kind: worker, "error": str(error)})

    async def _watch(self) -> None:
        """Kill whoever hangs, for the next life to begin; until all are asked to stop."""
        loop = asyncio.get_running_loop()
        awake_since_s = looked_s = loop.time()
        while not self._stopping.is_set():
            await asyncio.sleep(_LOOK_S)
            now_s = loop.time()
            if now_s - looked_s > 2 * _LOOK_S:  # the machine stood still, and they with us
                awake_since_s = now_s
            looked_s = now_s
            for worker, life in tuple(self._lives.items()):
                silent_s = min(self._staff.silent_s(worker), now_s - awake_since_s)
                if silent_s > self._silent_s:
                    log.error("process says nothing and is killed", extra={self._kind: worker})
                    life.send_signal(signal.SIGKILL)

    async def _begin(self, worker: int) -> Mapping[str, Any]:
        try:
            life = self._lives[worker] = await self._staff.spawn(worker)
        except BaseException:
            self._staff.left(worker)
            raise
        if self._stopping.is_set():
            life.send_signal(signal.SIGTERM)  # it came too late for the signal to all
        try:
            ready = await life.ready()
        except BaseException:
            await self._end(worker)
            raise
        self._staff.joined(worker)
        log.info("process is ready", extra={self._kind: worker, "pid": life.pid})
        return ready

    async def _outlive(self, worker: int) -> None:
        life = self._lives.get(worker)
        if life is None:  # it did not start
            return
        status = await life.wait()
        await self._end(worker)
        if not self._stopping.is_set():
            log.error("process died", extra={self._kind: worker, "status": status})

    async def _end(self, worker: int) -> None:
        """Make sure that it has ended, and that nothing is left of it."""
        life = self._lives.pop(worker)
        with suppress(ProcessLookupError):
            life.send_signal(signal.SIGKILL)
        await life.wait()
        self._staff.left(worker)

    async def _told_to_stop(self, *, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
