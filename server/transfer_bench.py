"""`./frontdesk bench transfer`: callers who ask for a person, and how soon they have one."""

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.transfer.bench import TransferOptions
    from loadtest.transfer.report import Transfer, TransferReport
    from loadtest.transfer.staff import Login

_FOLDER: Final = Path("var/bench")
_HERE: Final = "127.0.0.1"


def transfer(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every transfer.")] = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit 1 if a target is missed.")] = False,
    concurrent: Annotated[int, typer.Option(help="Callers and agents at once.", min=1)] = 20,
    rounds: Annotated[int, typer.Option(help="Calls of each caller.", min=1)] = 3,
    talk: Annotated[float, typer.Option(help="Seconds of each conversation.", min=0.5)] = 8.0,
) -> None:
    """Warm transfers at once: from the request to the agent's screen, from accepting to talking."""
    met = asyncio.run(_bench(concurrent, rounds, talk, json_file))
    raise typer.Exit(1 if gate and not met else 0)


async def _bench(concurrent: int, rounds: int, talk_s: float, json_file: Path | None) -> bool:
    from rich.console import Console

    from loadtest.load.files import write_text
    from loadtest.load.server_side import ServerAccess
    from loadtest.transfer.bench import TransferOptions
    from loadtest.transfer.report import tables, to_json
    from server.stack import fresh_folder, running_stack

    console = Console()
    settings = {
        "FRONTDESK_PHONE__HOST_ADDRESSES": f'["{_HERE}"]',
        # More places than callers: what limits is the machine.
        "FRONTDESK_SIP__MAX_CALLS": str(2 * concurrent),
        "FRONTDESK_LOAD__SPARED_CALLS": str(2 * concurrent),
    }
    folder = fresh_folder(_FOLDER)
    async with running_stack(folder, on_step=console.print, settings=settings) as stack:
        server = stack.server
        report = await _run(
            TransferOptions(
                target=server.sip,
                url=server.http,
                admin=await _admin(stack.database_url),
                server=ServerAccess(url=server.http, token=server.token, pid=server.pid),
                concurrent=concurrent,
                rounds=rounds,
                talk_s=talk_s,
                address=_HERE,
            ),
            console,
        )
    console.print(tables(report))
    for target in report.targets:
        verdict = "met" if target.met else "missed"
        console.print(f"{verdict}: {target.name}: {target.measured}, wanted {target.wanted}")
    if json_file is not None:
        await asyncio.to_thread(write_text, json_file, to_json(report) + "\n")
    return not report.missed


async def _run(options: "TransferOptions", console: "Console") -> "TransferReport":
    from loadtest.load.terminal import ms
    from loadtest.transfer.bench import run_transfers

    def show(one: "Transfer") -> None:
        found = f"screen {ms(one.request_to_screen_ms)}, both heard {ms(one.accept_to_both_ms)}"
        console.print(f"  {one.caller}: {one.failure or found}")

    calls = options.concurrent * options.rounds
    console.print(f"{calls} calls to {options.target}, {options.concurrent} at a time")
    return await run_transfers(options, on_transfer=show)


async def _admin(database_url: str) -> "Login":
    """Somebody who may make the agents' accounts."""
    from loadtest.transfer.staff import Login
    from server.accounts.accounts import Accounts
    from server.accounts.rights import Role
    from server.accounts.users import Actor, UserFacts
    from server.config import AccountsConfig, SipConfig

    login = Login(login=f"bench-{secrets.token_hex(3)}", password=secrets.token_urlsafe(18))
    accounts = await Accounts.open(database_url, AccountsConfig(), sip_realm=SipConfig().realm)
    try:
        await accounts.administration.add(
            login.login,
            UserFacts(name="bench", role=Role.ADMIN),
            password=login.password,
            by=Actor(key="command_line", name="bench", address="local"),
        )
    finally:
        await accounts.close()
    return login
