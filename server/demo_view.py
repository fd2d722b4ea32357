"""How the demo looks in a terminal: both sides of the call, and what went on in between."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


class DemoView:
    """Prints what happens, as it happens."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def step(self, text: str) -> None:
        """Something is being started."""
        self._console.print(Text(f"· {text}", "dim"))

    def heading(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text, "bold"))

    def note(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def fault(self, text: str) -> None:
        self._console.print(Text(text, "bold red"))

    def server_event(self, event: Mapping[str, Any]) -> None:
        """A line for one event of the server's live feed."""
        if event["event"] != "turn_decided":
            return
        if event["kind"] != "start":
            self._understood(event)
        for action in event["actions"]:
            self._aside(f"action {action}", "yellow")
        if event["said"]:
            self._line("frontdesk", event["said"], "cyan")

    def caller_event(self, event: Mapping[str, Any]) -> None:
        """A line for one event of the simulated caller."""
        match event["event"]:
            case "call_answered":
                self._aside(f"answered after {event['setup_ms']:.0f} ms, {event['codec']}")
            case "caller_said":
                spoken = event["text"] or f"keys {event['keys']}"
                self._line("caller", spoken, "green")
            case "heard_prompt" if event["gap_ms"] is not None:
                self._aside(f"the caller waited {event['gap_ms']:.0f} ms for this")
            case "call_ended":
                self._aside(f"the {event['by']} hung up ({event['reason']})")
            case _:
                pass

    def row(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """The shop's record before and after the call."""
        table = Table("", "before", "after")
        for key, value in before.items():
            style = "bold yellow" if value != after[key] else ""
            table.add_row(key, str(value), str(after[key]), style=style)
        self._console.print(table)

    def _understood(self, event: Mapping[str, Any]) -> None:
        heard = f'heard "{event["caller_text"]}"' if event["caller_text"] else "heard nothing"
        meaning = [event["intent"], event["band"]]
        if event["intent_score"]:
            meaning.append(f"{event['intent_score']:.2f}")
        slots = [f"{name}={value}" for name, value in event["slots"].items()]
        told = " ".join(str(part) for part in (*meaning, *slots) if part)
        self._aside(f"{heard} → {told}" if told else heard)

    def _line(self, who: str, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{who:>9} ", f"bold {style}"), text), soft_wrap=True)

    def _aside(self, text: str, style: str = "dim") -> None:
        self._console.print(Text(f"          {text}", style), soft_wrap=True)
