"""What the server under load says of itself, and what the kernel says of its processes.

Metrics are read over HTTP in Prometheus's text format, whatever is exported; CPU and memory come
from /proc when the server runs on this machine, its child processes included.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PROCESS: Final = "process"
_LEVELS: Final = ("_seconds", "_load_step", "_load_signal", "_memory_per_call_bytes")
_INHERITED_S: Final = 30.0  # between looks at what forks share
_TIMEOUT_S: Final = 1.5  # a server that is too busy to answer leaves a hole in the plot


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccess:
    """Where to look; nothing at all is allowed."""

    url: str | None = None  # of its HTTP side
    token: str | None = None
    pid: int | None = None  # on this machine

    @property
    def anywhere(self) -> bool:
        return self.url is not None or self.pid is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the server."""

    at_s: float  # monotonic, or since the run began
    cpu_s: float | None = None  # user and system, so far
    memory_mb: float | None = None  # of all its processes, without what they share
    descriptors: int | None = None
    threads: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


async def look(
    access: ServerAccess, client: httpx.AsyncClient, inherited: "Inherited | None" = None
) -> Sample:
    """A sample now; what cannot be read is left out.

    Args:
        inherited: of looks before.
    """
    inherited = inherited or Inherited()
    metrics = await _metrics(access, client)
    processes = list(_tree(access.pid)) if access.pid is not None else []
    cpu_s = sum(_cpu_s(pid) for pid in processes) if processes else None
    if cpu_s is None:
        cpu_s = metrics.get("process_cpu_seconds_total")
    return Sample(
        at_s=time.monotonic(),
        cpu_s=cpu_s,
        memory_mb=sum(_memory_mb(pid) - inherited.mb(pid) for pid in processes)
        if processes
        else _own_memory_mb(metrics),
        descriptors=sum(map(_descriptors, processes)) if processes else None,
        threads=sum(map(_threads, processes)) if processes else None,
        metrics=metrics,
    )


def _own_memory_mb(metrics: Mapping[str, float]) -> float | None:
    octets = metrics.get("process_resident_memory_bytes")
    return None if octets is None else octets / 1e6


async def _metrics(access: ServerAccess, client: httpx.AsyncClient) -> dict[str, float]:
    if access.url is None:
        return {}
    headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    try:
        answer = await client.get(f"{access.url}/metrics", headers=headers, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return parse_metrics(answer.text)
    except (httpx.HTTPError, ValueError):
        return {}


def parse_metrics(text: str) -> dict[str, float]:
    """Every sample of an exposition but buckets and creation times, by name and labels.

    A server of several processes labels each sample with its process: they are put together here,
    so that the figures are the server's, however many processes it has.

    Raises:
        ValueError: not Prometheus's text format.
    """
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith(("_bucket", "_created")):
                continue
            labels = ",".join(
                f"{key}={sample.labels[key]}" for key in sorted(sample.labels) if key != _PROCESS
            )
            name = f"{sample.name}{{{labels}}}" if labels else sample.name
            value = float(sample.value)
            if name in found:
                together = max if _is_a_level(family.type, sample.name) else sum
                value = together((found[name], value))
            found[name] = value
    return found


def _is_a_level(kind: str, name: str) -> bool:
    """Whether the server's figure is that of its worst process, and not of all of them together."""
    return kind == "gauge" and name.endswith(_LEVELS)


# --- /proc ----------------------------------------------------------------------------------------


def _tree(pid: int) -> Iterator[int]:
    """A process and all that descend from it; what has just ended is left out."""
    yield pid
    for task in _listing(Path(f"/proc/{pid}/task")):
        for child in _read(task / "children").split():
            yield from _tree(int(child))


def _listing(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _cpu_s(pid: int) -> float:
    """proc(5): utime and stime are fields 14 and 15; the name before them may hold spaces."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if len(fields) > 12 else 0.0


def _memory_mb(pid: int) -> float:
    """Resident, less what is mapped from files or shared: proc(5), statm. The database's buffers
    lie in every one of its processes, and would be counted as often."""
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return (int(fields[1]) - int(fields[2])) * _PAGE / 1e6 if len(fields) > 2 else 0.0


class Inherited:
    """What processes still share with those that they were forked from: each counts it whole.

    To tell it the kernel walks over all of a process's memory, 10 ms for one of 400 MB, while its
    threads cannot map any: so it is looked at once in a while.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, float]] = {}  # by process: seen at, MB

    def mb(self, pid: int) -> float:
        """What of a process's own memory others count as well."""
        now_s = time.monotonic()
        seen_at_s, shared_mb = self._known.get(pid, (-_INHERITED_S, 0.0))
        if now_s - seen_at_s >= _INHERITED_S:
            shared_mb = _inherited_mb(pid)
            self._known[pid] = now_s, shared_mb
        return shared_mb


def _inherited_mb(pid: int) -> float:
    """proc_pid_smaps(5): in Pss each page counts for its share among those who have it."""
    known = dict[str, float]()
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()[1:]:
        name, _, size = line.partition(":")
        known[name] = float(size.split()[0]) * 1024 / 1e6
    own_mb = known.get("Anonymous", 0.0)
    return own_mb - known.get("Pss_Anon", own_mb)


def _descriptors(pid: int) -> int:
    return len(_listing(Path(f"/proc/{pid}/fd")))


def _threads(pid: int) -> int:
    return len(_listing(Path(f"/proc/{pid}/task")))


async def watch(access: ServerAccess, samples: list[Sample], *, every_s: float) -> None:
    """Append a sample at once and every so often, until cancelled."""
    inherited = Inherited()
    async with httpx.AsyncClient() as client:
        while True:
            samples.append(await look(access, client, inherited))
            await asyncio.sleep(every_s)
