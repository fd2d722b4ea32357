"""What the test of a server of several processes sees of them."""

import json
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.system import System


def shown(system: System, name: str) -> dict[str, float]:
    """A metric that each process has once, by process; "" where it is the parent's."""
    text = httpx.get(f"{system.server.ready['http']}/metrics").text
    return {
        sample.labels.get("process", ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def active(system: System) -> dict[str, float]:
    """Calls that are up, by process."""
    return shown(system, "frontdesk_calls_active")


def pids(system: System, kind: str = "worker") -> list[int]:
    """Process ids of the latest lives, by their numbers."""
    found: dict[int, int] = {}
    for line in system.server.log.read_text().splitlines():
        told: dict[str, int] = json.loads(line) if '"process is ready"' in line else {}
        if kind in told:
            found[told[kind]] = told["pid"]
    return [found[number] for number in sorted(found)]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
