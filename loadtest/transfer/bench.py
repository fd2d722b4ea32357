"""Many warm transfers at once: agents who take whoever comes, callers who come again and again.

report = await run_transfers(options)

Every figure is taken at the ends: the key when it leaves the caller's telephone, the offer when it
arrives at the agent's page, audio when the other's tone arrives in RTP.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final

from loadtest.clock import MediaClock
from loadtest.errors import CallFailedError
from loadtest.load.server_side import Sample, ServerAccess, watch
from loadtest.sip_uri import SipUri, uri_of
from loadtest.statistics import slope
from loadtest.transfer.agent import Agent, Served
from loadtest.transfer.caller import TransferCaller, calling
from loadtest.transfer.desk import DeskOffer
from loadtest.transfer.errors import AgentError
from loadtest.transfer.report import Figures, Transfer, TransferReport, make_report
from loadtest.transfer.script import Accept, Converse, HangUp, Script, UntilOver, Wait
from loadtest.transfer.staff import Login, hire

_SAMPLE_S: Final = 1.0
_ENTER_EVERY_S: Final = 0.25  # callers come one by one, as they do
_CALL_S: Final = 120.0  # no caller waits longer
_NEXT_S: Final = 3_600.0  # an agent's longest wait for work
_ENDED_S: Final = 10.0  # from the agent's hanging up
_EXACT_S: Final = (
    0.03  # a packet lies up to a frame before its arrival, and an onset is found to 5 ms
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """What is run against which server."""

    target: str  # sip:…
    url: str  # of its HTTP side
    admin: Login  # who makes the agents' accounts
    server: ServerAccess = field(default_factory=ServerAccess)
    concurrent: int = 20  # callers at once, and as many agents
    rounds: int = 3  # calls of each caller
    reads_s: float = 1.5  # from the offer to accepting, as people who read the summary
    talk_s: float = 5.0
    address: str | None = None  # of ours, for the agents' audio

    @property
    def script(self) -> Script:
        return (
            Wait(for_s=self.reads_s),
            Accept(),
            Converse(for_s=self.talk_s),
            HangUp(),
            UntilOver(),
        )


async def run_transfers(
    options: TransferOptions, *, on_transfer: Callable[[Transfer], None] | None = None
) -> TransferReport:
    """Make all calls and report; a transfer that fails is in the report, not an exception.

    Raises:
        AgentError: the agents cannot be hired, or cannot open their desks.
    """
    run_id = secrets.token_hex(3)
    names = [f"agent-{run_id}-{number}" for number in range(options.concurrent)]
    logins = await hire(options.url, options.admin, names)
    run = _Run(options, run_id, on_transfer or _ignore)
    async with run.agents(logins), _sampling(options.server, run.samples):
        await run.calls()
    return make_report(options.target, run.transfers, run.figures())


def _ignore(transfer: Transfer) -> None:
    """Nobody watches."""


@contextlib.asynccontextmanager
async def _sampling(access: ServerAccess, samples: list[Sample]) -> AsyncGenerator[None]:
    watching = asyncio.create_task(watch(access, samples, every_s=_SAMPLE_S), name="server")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


class _Run:
    def __init__(
        self, options: TransferOptions, run_id: str, on_transfer: Callable[[Transfer], None]
    ) -> None:
        self._options, self._run_id, self._on_transfer = options, run_id, on_transfer
        self._clock = MediaClock()
        self._waiting: dict[str, _Waiting] = {}  # who is up, by name
        self._at_once = 0
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()
        self.most_at_once = 0
        self.transfers: list[Transfer] = []
        self.samples: list[Sample] = []

    def figures(self) -> Figures:
        """What the run took, and of whom."""
        cpu = [(each.at_s, each.cpu_s) for each in self.samples if each.cpu_s is not None]
        memory = [each.memory_mb for each in self.samples if each.memory_mb is not None]
        length_s = time.monotonic() - self._began_s
        return Figures(
            concurrent=self._options.concurrent,
            most_at_once=self.most_at_once,
            length_s=length_s,
            server_cores=slope(cpu, cpu[0][0], cpu[-1][0]) if cpu else None,
            server_memory_mb=max(memory, default=None),
            generator_cores=(time.process_time() - self._cpu_s) / length_s,
            generator_late_p99_ms=self._clock.lateness.percentile_ms(99),
            machine_load=os.getloadavg()[0],
        )

    # --- the agents -------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def agents(self, logins: list[Login]) -> AsyncGenerator[None]:
        """At their desks, and at work, meanwhile."""
        options = self._options
        agents = [
            Agent(options.url, login, self._clock, address=options.address) for login in logins
        ]
        try:
            for agent in agents:
                await agent.open()
                await agent.ready()
            self._began_s, self._cpu_s = time.monotonic(), time.process_time()
            work = [asyncio.create_task(self._work(agent), name="agent") for agent in agents]
            try:
                yield
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        finally:
            await asyncio.gather(*(agent.close() for agent in agents), return_exceptions=True)

    async def _work(self, agent: Agent) -> None:
        while True:
            offer = await agent.desk.offered(timeout_s=_NEXT_S)
            waiting = self._waiting.get(_name_of(offer))
            if waiting is None:
                continue  # somebody else's caller; it rings until the server looks further
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            waiting.caller.sounding = True
            try:
                waiting.settle(await agent.play(offer, self._options.script))
                await agent.ready()
            except (AgentError, TimeoutError) as error:
                waiting.settle(AgentError(f"{agent.login.login}: {error}"))
                await self._open_again(agent)
            finally:
                self._at_once -= 1

    async def _open_again(self, agent: Agent) -> None:
        """A desk on which something went wrong is opened anew, as a person would reload it."""
        await agent.close()
        await agent.open()
        await agent.ready()

    # --- the callers ------------------------------------------------------------------------------

    async def calls(self) -> None:
        """All calls, to the end of the last."""
        async with asyncio.TaskGroup() as group:
            for seat in range(self._options.concurrent):
                group.create_task(self._caller(seat), name="caller")

    async def _caller(self, seat: int) -> None:
        await asyncio.sleep(_ENTER_EVERY_S * seat)
        for turn in range(self._options.rounds):
            name = f"caller-{self._run_id}-{seat}-{turn}"
            try:
                async with asyncio.timeout(_CALL_S):
                    transfer = await self._call(name)
            except (CallFailedError, AgentError) as error:
                transfer = Transfer(caller=name, failure=str(error))
            except TimeoutError:
                transfer = Transfer(caller=name, failure=f"not over after {_CALL_S:.0f} s")
            self._waiting.pop(name, None)
            self.transfers.append(transfer)
            self._on_transfer(transfer)

    async def _call(self, name: str) -> Transfer:
        async with calling(self._options.target, caller=name, clock=self._clock) as caller:
            waiting = self._waiting[name] = _Waiting(caller)
            await caller.ask_for_person()
            served = await waiting.served
            ended = await caller.until_ended(timeout_s=_ENDED_S)
            return _transfer(caller, served, ended.by)


class _Waiting:
    """A caller who is up, and who will tell how they were served."""

    def __init__(self, caller: TransferCaller) -> None:
        self.caller = caller
        self.served: asyncio.Future[Served] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Served | AgentError) -> None:
        if self.served.done():
            return  # the caller gave up before
        if isinstance(outcome, AgentError):
            self.served.set_exception(outcome)
        else:
            self.served.set_result(outcome)


def _name_of(offer: DeskOffer) -> str:
    return SipUri.parse(uri_of(offer.caller)).user


def _transfer(caller: TransferCaller, served: Served, ended_by: str) -> Transfer:
    offer = served.offer
    assert caller.asked_s is not None
    assert served.accepted_s is not None, "the script accepts"
    heard_agent_s = caller.first_heard_agent_s()
    if heard_agent_s is None or served.heard_caller_s is None:
        return Transfer(caller=caller.caller, failure="one end never heard the other")
    if min(heard_agent_s, served.heard_caller_s) < served.accepted_s - _EXACT_S:
        return Transfer(caller=caller.caller, failure="one heard the other before it was accepted")
    if ended_by != "frontdesk":
        return Transfer(caller=caller.caller, failure=f"ended by {ended_by}")
    asked_to_screen_s = offer.at_s - caller.asked_s
    return Transfer(
        caller=caller.caller,
        asked_to_request_ms=1_000 * (asked_to_screen_s - offer.requested_ago_s),
        request_to_screen_ms=1_000 * offer.requested_ago_s,
        asked_to_screen_ms=1_000 * asked_to_screen_s,
        screen_to_audio_ms=1_000 * (served.audio_s - offer.at_s) if served.audio_s else None,
        accept_to_agent_hears_ms=1_000 * (served.heard_caller_s - served.accepted_s),
        accept_to_caller_hears_ms=1_000 * (heard_agent_s - served.accepted_s),
    )
