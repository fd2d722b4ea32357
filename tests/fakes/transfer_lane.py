"""One server of real processes with scripted agents, on which transfers go wrong one after another.

Several lanes run at once, each with a server of its own, so that what one case leaves behind cannot
be mistaken for another's.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from loadtest.clock import MediaClock
from loadtest.transfer.agent import Agent
from loadtest.transfer.caller import TransferCaller, calling
from loadtest.transfer.desk import signed_in
from loadtest.transfer.staff import Login
from server.accounts.accounts import Accounts
from server.accounts.rights import Role
from server.accounts.users import Actor, UserFacts
from server.config import AccountsConfig
from tests.fakes.processes import active, pids
from tests.fakes.system import System, wait_for

HERE = "127.0.0.1"
PASSWORD = "correct horse battery staple"
AGENTS = 4
SETTINGS = {
    "FRONTDESK_PHONE__HOST_ADDRESSES": f'["{HERE}"]',
    "FRONTDESK_RTP__MEDIA_TIMEOUT_S": "2",
    "FRONTDESK_HANDOFF__RING_S": "5",
    "FRONTDESK_HANDOFF__ACCEPT_S": "8",
    "FRONTDESK_HANDOFF__RECONNECT_S": "5",
    "FRONTDESK_HANDOFF__NOBODY_S": "4",
    "FRONTDESK_HANDOFF__CALLBACK_AFTER_S": "2",
}
SOON_S = 30.0  # the machine may be busy; nothing here measures time
_LOOK_S = 0.1


@dataclass
class Lane:
    """Use from one event loop; the server is started by `start` and again by `restart`."""

    system: System
    processes: int = 1
    clock: MediaClock = field(default_factory=MediaClock)
    sockets: int = 0  # of the idle server
    _supervisor: httpx.AsyncClient | None = None

    async def start(self) -> None:
        await self._add_users()
        await self.restart()

    async def restart(self) -> None:
        """Start the server, also after it was killed."""
        await asyncio.to_thread(self.system.start_server)
        if self._supervisor is not None:
            await self._supervisor.aclose()
        self._supervisor = await signed_in(self.url, "sue", PASSWORD)
        self.sockets = self._udp_sockets()

    async def renew(self) -> None:
        """Kill the server, if it is there, and start it again."""
        await asyncio.to_thread(self.system.server.kill)
        await self.restart()

    async def stop(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.aclose()
        await asyncio.to_thread(self.system.stop)

    async def _add_users(self) -> None:
        accounts = await Accounts.open(
            self.system.server_database, AccountsConfig(), sip_realm="frontdesk"
        )
        people = [(f"agent{n}", Role.AGENT) for n in range(AGENTS)] + [("sue", Role.SUPERVISOR)]
        try:
            for login, role in people:
                facts = UserFacts(name=login, role=role, skills={"orders": 1})
                by = Actor(key="test", name="test", address="local")
                await accounts.administration.add(login, facts, password=PASSWORD, by=by)
        finally:
            await accounts.close()

    # --- who takes part ---

    @property
    def url(self) -> str:
        return str(self.system.server.ready["http"])

    @contextlib.asynccontextmanager
    async def agents(self, count: int) -> AsyncGenerator[list[Agent]]:
        """So many are ready, and rung in this order; afterwards all are away, whatever happened."""
        agents = [self.agent(number) for number in range(count)]
        try:
            for agent in agents:
                await agent.open()
                await agent.ready()
            yield agents
        finally:
            for agent in agents:
                await agent.close()

    def agent(self, number: int) -> Agent:
        login = Login(login=f"agent{number}", password=PASSWORD)
        return Agent(self.url, login, self.clock, address=HERE)

    async def send_home(self, count: int) -> None:
        """Each signs in again, which they must be able to, ends what is left, and is away."""
        for number in range(count):
            agent = self.agent(number)
            await agent.open()
            desk = agent.desk
            await desk.until(lambda desk=desk: desk.call is None or None, "an empty desk")
            await agent.wrap_up()
            await desk.set_away()
            await agent.close()

    @contextlib.asynccontextmanager
    async def caller(self, name: str) -> AsyncGenerator[TransferCaller]:
        """A caller who has pressed 0."""
        async with calling(self.system.sip, caller=name, clock=self.clock) as caller:
            await caller.ask_for_person()
            yield caller

    # --- what the server shows ---

    async def record(self, caller: str) -> dict[str, Any]:
        """The call of this caller, once it has ended and is written down whole."""

        def look() -> dict[str, Any] | None:
            for call in self.system.get("/v1/calls?limit=50"):
                if f"sip:{caller}@" in call["caller"] and call["ended_at"] is not None:
                    found = self.system.get(f"/v1/calls/{call['id']}")
                    ended = [handoff["ended_at"] for handoff in found["handoffs"]]
                    return found if None not in ended else None
            return None

        return await asyncio.to_thread(wait_for, look, timeout_s=SOON_S)

    async def until_said(self, caller: str, text: str) -> None:
        """Until frontdesk's last words to this caller, after a person gave them back, are these."""

        def look() -> bool | None:
            for call in self.system.get("/v1/calls?limit=50"):
                if f"sip:{caller}@" in call["caller"]:
                    turns = self.system.get(f"/v1/calls/{call['id']}")["turns"]
                    returned = [each for each in turns if each["caller_kind"] == "return"]
                    return (bool(returned) and text in turns[-1]["said"]) or None
            return None

        await asyncio.to_thread(wait_for, look, timeout_s=SOON_S)

    async def board(self) -> dict[str, Any]:
        """What a supervisor sees now."""
        assert self._supervisor is not None
        cookies = "; ".join(f"{name}={value}" for name, value in self._supervisor.cookies.items())
        address = f"ws{self.url.removeprefix('http')}/supervisor/ws"
        async with connect(
            address,
            origin=self.url,  # pyright: ignore[reportArgumentType]  a NewType of str
            additional_headers={"Cookie": cookies},
        ) as socket:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "board":
                    return message
        raise AssertionError("the board closed")

    async def until_waiting(self) -> None:
        """Until the one caller of this lane is in the queue."""
        async with asyncio.timeout(SOON_S):
            while True:
                if [call["state"] for call in (await self.board())["calls"]] == ["waiting"]:
                    return
                await asyncio.sleep(_LOOK_S)

    async def leftovers(self) -> list[str]:
        """What is still there of calls that are over; waits a while for it to go."""
        left: list[str] = []
        for _ in range(round(SOON_S / _LOOK_S)):
            left = await self._leftovers()
            if not left:
                break
            await asyncio.sleep(_LOOK_S)
        return left

    async def _leftovers(self) -> list[str]:
        found: list[str] = []
        if sum((await asyncio.to_thread(active, self.system)).values()):
            found.append("a call is counted as active")
        if (sockets := self._udp_sockets()) != self.sockets:
            found.append(f"{sockets} UDP sockets, {self.sockets} when idle")
        board = await self.board()
        if board["calls"] or board["queue"]["waiting"]:
            found.append(f"on the board: {board['calls']}, {board['queue']}")
        return found

    def _udp_sockets(self) -> int:
        """Of the server: those for SIP, and every RTP port and ICE candidate in use."""
        server = self.system.server.pid
        found = Path(f"/proc/{server}/net/udp").read_text().splitlines()[1:]
        sockets = {f"socket:[{line.split()[9]}]" for line in found}
        workers = pids(self.system) if self.processes > 1 else [server]
        links = [_target(link) for each in workers for link in Path(f"/proc/{each}/fd").iterdir()]
        return sum(link in sockets for link in links)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile


@contextlib.asynccontextmanager
async def lanes(
    folder: Path,
    databases: Sequence[tuple[str, str]],
    processes: Sequence[int],
    **others: str,
) -> AsyncGenerator[list[Lane]]:
    """A lane for each pair of databases, server's and shop's; all share the first one's shop.

    Args:
        processes: of the server of each lane.
        others: settings of all of them, by the names of their variables.
    """
    made: list[Lane] = []
    try:
        for number, ((server, shop), count) in enumerate(zip(databases, processes, strict=True)):
            own = folder / f"lane{number}"
            own.mkdir()
            settings = {**SETTINGS, **others, "FRONTDESK_SERVE__PROCESSES": str(count)}
            made.append(Lane(System(own, server, shop, settings), processes=count))
        await asyncio.to_thread(made[0].system.start_shop)
        for lane in made[1:]:
            lane.system.shop_port = made[0].system.shop_port
        await asyncio.gather(*(lane.start() for lane in made))
        yield made
    finally:
        await asyncio.gather(*(lane.stop() for lane in made), return_exceptions=True)
