"""The generator processes, from their parent's side."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from loadtest.errors import LoadtestError
from loadtest.load.generator import GeneratorSettings
from loadtest.load.records import CallRecord, Fate, Pulse

_READY_S: Final = 120.0  # a busy machine renders slowly
_STOP_S: Final = 15.0
_LINE_LIMIT: Final = 4 * 1024 * 1024  # a call of an hour has a thousand gaps


class GeneratorError(LoadtestError):
    """A generator process did not start, or died; the run cannot be trusted."""


class Watcher(Protocol):
    """Is told by a fleet what happens, as it happens; times are monotonic."""

    def call_over(self, record: CallRecord) -> None: ...

    def gap(self, number: int, scenario: str, at_s: float, gap_ms: float) -> None:
        """A call that goes on had to wait for a reply."""
        ...

    def pulse(self, pulse: Pulse) -> None: ...


@dataclass(slots=True, kw_only=True)
class _Member:
    process: asyncio.subprocess.Process
    listening: asyncio.Task[None] | None = None
    calls: dict[int, tuple[str, float]] = field(default_factory=dict[int, tuple[str, float]])


class Fleet:
    """Open it with `running_fleet`; tells its watcher what happens."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._members: list[_Member] = []
        self._stopping = False
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done, with the reason, when a generator died before it was told to stop."""

    @property
    def active(self) -> int:
        """Calls dialled and not over."""
        return sum(len(member.calls) for member in self._members)

    async def start(self, settings: Sequence[GeneratorSettings]) -> None:
        """Start a process for each of `settings` and wait until all have rendered their speech.

        Raises:
            GeneratorError: one did not come up.
        """
        for each in settings:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "loadtest.load.generator"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_LIMIT,
                start_new_session=True,  # Ctrl-C is for the parent, who lets calls end in order
            )
            self._members.append(_Member(process=process))
            self._send(process, each.to_line())
        await asyncio.gather(*(self._await_ready(member) for member in self._members))
        for member in self._members:
            member.listening = asyncio.create_task(self._listen(member), name="generator")

    async def _await_ready(self, member: _Member) -> None:
        assert member.process.stdout is not None
        try:
            async with asyncio.timeout(_READY_S):
                line = await member.process.stdout.readline()
        except TimeoutError:
            raise GeneratorError(f"a generator was not ready after {_READY_S:.0f} s") from None
        if not line:
            raise GeneratorError("a generator ended before it was ready; its error is above")
        message: Mapping[str, Any] = json.loads(line)
        if "failed" in message:
            raise GeneratorError(str(message["failed"]))

    def dial(self, number: int, scenario: int, name: str, now_s: float) -> None:
        """Have the least busy process begin a call."""
        member = min(self._members, key=lambda each: len(each.calls))
        member.calls[number] = name, now_s
        self._send(member.process, json.dumps({"dial": number, "scenario": scenario}))

    async def stop(self, reason: str) -> None:
        """Let all calls end and all processes go; what they still tell is told on."""
        if self._stopping:
            return
        self._stopping = True
        for member in self._members:
            self._send(member.process, json.dumps({"stop": reason}))
        await asyncio.gather(*(_await_end(member) for member in self._members))

    def _send(self, process: asyncio.subprocess.Process, line: str) -> None:
        assert process.stdin is not None
        if not process.stdin.is_closing():
            process.stdin.write(f"{line}\n".encode())

    async def _listen(self, member: _Member) -> None:
        assert member.process.stdout is not None
        while line := await member.process.stdout.readline():
            self._take(member, json.loads(line))
        if not self._stopping and not self.failed.done():
            status = await member.process.wait()
            self.failed.set_result(f"a generator ended with status {status}")

    def _take(self, member: _Member, message: Mapping[str, Any]) -> None:
        if "call" in message:
            record = CallRecord.from_dict(message["call"])
            member.calls.pop(record.number, None)
            self._watcher.call_over(record)
        elif "gap" in message:
            number, at_s, gap_ms = message["gap"]
            if number in member.calls:
                self._watcher.gap(number, member.calls[number][0], at_s, gap_ms)
        elif "pulse" in message:
            self._watcher.pulse(Pulse(**message["pulse"]))
        elif "lost" in message:
            self._lose(member, int(message["lost"]), str(message["error"]))
        elif not self.failed.done():
            self.failed.set_result(str(message.get("failed", message)))

    def _lose(self, member: _Member, number: int, error: str) -> None:
        """A caller broke by a fault of its own: its call counts, as one that failed."""
        name, dialled_s = member.calls.pop(number)
        self._watcher.call_over(
            CallRecord(
                number=number,
                scenario=name,
                fate=Fate.FAILED,
                detail=f"the caller itself failed: {error}",
                dialled_s=dialled_s,
                ended_s=dialled_s,
            )
        )


async def _await_end(member: _Member) -> None:
    try:
        async with asyncio.timeout(_STOP_S):
            await member.process.wait()
            if member.listening is not None:
                await member.listening
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            member.process.kill()
        await member.process.wait()
    if member.listening is not None:
        member.listening.cancel()
        await asyncio.gather(member.listening, return_exceptions=True)


@contextlib.asynccontextmanager
async def running_fleet(
    settings: Sequence[GeneratorSettings], watcher: Watcher
) -> AsyncGenerator[Fleet]:
    """Generator processes that are ready to dial; they end with the context.

    Raises:
        GeneratorError: one did not come up.
    """
    fleet = Fleet(watcher)
    try:
        await fleet.start(settings)
        yield fleet
    finally:
        await fleet.stop("the run is over")
