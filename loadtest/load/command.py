"""`./frontdesk loadtest run` as a piece of work: live progress, reports, exit status."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from loadtest.call_line import is_page, is_stream
from loadtest.errors import BadTargetError, LoadtestError
from loadtest.load.files import to_json, write_text
from loadtest.load.page import page
from loadtest.load.run import Progress, RunData, RunOptions, run_load
from loadtest.load.summary import Summary, summarise
from loadtest.load.terminal import failed_calls, live, spiked, tables
from loadtest.shapes import Shape
from loadtest.sip_uri import SipUri

EXIT_BROKEN: Final = 1  # an SLO did not hold, or nobody answered
EXIT_BOTTLENECK: Final = 3  # the callers were late themselves: the run says nothing
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)")
_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0}
_REASONS: Final = 8  # of failures, in the terminal


class BadOptionError(LoadtestError):
    """An option that cannot be read; the message says what to write."""


def parse_duration(text: str) -> float:
    """`90`, `90s`, `10m` or `1h` in seconds.

    Raises:
        BadOptionError: something else.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise BadOptionError(f"{text!r} is no duration; write 90s, 10m or 1h")
    return float(found[1]) * _SECONDS[found[2]]


def check_target(target: str, transport: str | None) -> str:
    """`target`, if it can be called that way.

    Raises:
        BadTargetError: it cannot be called at all, or not over `transport`.
    """
    if is_stream(target):
        if transport == "sip":
            raise BadTargetError(f"{target} is a media stream, not SIP; leave out --transport")
    elif transport == "stream":
        raise BadTargetError(f"{target} is not a WebSocket: write ws://host:port/path")
    elif is_page(target):
        if transport == "sip":
            raise BadTargetError(f"{target} is a page, not SIP; leave out --transport")
    else:
        SipUri.parse(target)
    return target


async def run_and_report(
    options: RunOptions, console: Console, *, json_file: Path | None, html_file: Path | None
) -> int:
    """Run, show, write the files; the exit status.

    Returns:
        0, EXIT_BROKEN or EXIT_BOTTLENECK.

    Raises:
        LoadtestError: the run could not be made, or a file not written.
    """
    console.print(f"starting {options.processes} generator processes for {options.target}")
    data = await _run_live(options, console)
    summary = await asyncio.to_thread(summarise, data)
    console.print(tables(summary))
    reasons = list(failed_calls((call.fate, call.detail) for call in data.calls))
    for reason in reasons[:_REASONS]:
        console.print(reason, markup=False)
    await asyncio.to_thread(_write, summary, data, json_file, html_file)
    return status(summary, console)


async def _run_live(options: RunOptions, console: Console) -> RunData:
    if not console.is_terminal:
        return await run_load(options)
    with Live(console=console, refresh_per_second=4, transient=True) as display:

        def show(progress: Progress) -> None:
            display.update(live(progress))

        return await run_load(options, on_progress=show)


def _write(summary: Summary, data: RunData, json_file: Path | None, html_file: Path | None) -> None:
    if json_file is not None:
        write_text(json_file, to_json(summary, data))
    if html_file is not None:
        write_text(html_file, page(summary))


def status(summary: Summary, console: Console) -> int:
    """What the run proves, as an exit status and a last line."""
    bottleneck = summary.generator.bottleneck
    if bottleneck is not None:
        console.print(
            f"[bold red]The generator was the bottleneck[/]: {bottleneck}. "
            "The figures above say nothing about the server."
        )
        return EXIT_BOTTLENECK
    if not summary.outcomes.answered:
        console.print("no call was answered: nothing was measured")
        return EXIT_BROKEN
    for verdict in _broken(summary):
        console.print(f"broken: {verdict}")
    spike = summary.spike
    if spike is not None and not spike.held:
        console.print(f"broken: callers who were in noticed the spike: {spiked(spike)}")
    overload = summary.overload.faults if summary.overload is not None else ()
    for fault in overload:
        console.print(f"broken: under overload {fault}")
    grown = _grown(summary)
    if grown:
        console.print(f"broken: the server grew from call to call: {', '.join(grown)}")
    held = spike is None or spike.held
    return 0 if summary.kept and held and not overload and not grown else EXIT_BROKEN


def _grown(summary: Summary) -> Sequence[str]:
    """What a soak found to grow; shorter runs are still filling caches, ramps are meant to grow."""
    if summary.shape != Shape.SOAK:
        return []
    return [each.name for each in summary.server.held if each.grew]


def _broken(summary: Summary) -> Sequence[str]:
    return [
        f"{verdict.name}: {verdict.found}, wanted {verdict.wanted}"
        for verdict in summary.verdicts
        if verdict.kept is False
    ]
