"""Logs and metrics: one place that says what is counted and how it is written.

Log lines are JSON: a static message, the data beside it. The context gives `request_id` and
`session_id`, so that every line of a call or a request carries them without being told. What a
caller said or keyed stands only under keys that begin with `pii_`, and is left out unless allowed.
"""

import asyncio
import json
import logging
import os
import sys
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from server.cpu_parts import RECOGNITION, CpuParts, OnePart
from server.log_writer import LogWriter

session_id: ContextVar[str | None] = ContextVar("session_id", default=None)
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
}


LATE_MS: Final = (5.0, 20.0, 60.0)
"""A quarter of a packet; a whole one; what a telephone keeps back: more than that is heard."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, *, personal: bool, process: int | str | None = None) -> None:
        super().__init__()
        self._personal = personal
        self._process = {} if process is None else {"process": process}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._process,
        }
        for name, variable in (("session_id", session_id), ("request_id", request_id)):
            if (value := variable.get()) is not None:
                line[name] = value
        line |= {key: value for key, value in record.__dict__.items() if self._wanted(key)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)

    def _wanted(self, key: str) -> bool:
        return key not in _STANDARD and (self._personal or not key.startswith("pii_"))


def configure_logging(level: str, *, personal: bool, process: int | str | None = None) -> None:
    """Write the process's log to standard error, as JSON lines.

    Args:
        process: its number or name, where several share standard error.
    """
    handler = LogWriter(sys.stderr)
    handler.setFormatter(JsonFormatter(personal=personal, process=process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.access", "faster_whisper"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def request_context(given: str | None = None) -> Generator[str, None, None]:
    """A request id for whatever runs inside: the peer's own if it sent one."""
    chosen = given or uuid.uuid4().hex
    token = request_id.set(chosen)
    try:
        yield chosen
    finally:
        request_id.reset(token)


class TickLateness(Protocol):
    """How punctual the media clock says it is."""

    @property
    def p99_ms(self) -> float: ...

    def recent_ms(self, fraction: float) -> float: ...

    ticks: int
    skipped: int

    def late(self, over_ms: float) -> int:
        """Ticks that were later than that."""
        ...


class Ticks(Protocol):
    """What the media clock says of itself."""

    @property
    def lateness(self) -> TickLateness: ...

    cpu_s: float


class Recognition(Protocol):
    """What the line before the recogniser says of itself."""

    @property
    def waiting(self) -> int: ...

    @property
    def batch_sizes(self) -> Mapping[int, int]: ...


class SipResources(Protocol):
    """What calls over SIP hold."""

    @property
    def open_dialogs(self) -> int: ...

    @property
    def ports_in_use(self) -> int: ...


def resident_bytes() -> int:
    """This process's memory that lies in RAM, what it shares with others included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """Every metric of the server. Never a caller or a call id as a label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # CPU, memory, descriptors, start time
        GCCollector(registry=self.registry)
        # Buckets around what callers feel: 0.3 s is quick, 0.8 s the limit, 2 s is broken.
        delays_s = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 4.0)

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"frontdesk_{name}", about, labels, registry=self.registry)

        def histogram(name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"frontdesk_{name}", about, registry=self.registry, buckets=buckets)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"frontdesk_{name}", about, labels, registry=self.registry)

        self.calls_active = gauge("calls_active", "Calls that are up")
        self.calls = counter("calls", "Calls ended, by why", "end_reason")
        self.calls_ceiling = gauge("calls_ceiling", "Calls that are let in at a time, for now")
        self.calls_refused = counter("calls_refused", "Calls not taken, by why", "cause")
        self.turns = counter(
            "turns", "Turns, by what the caller did and how it went", "kind", "band"
        )
        self.interruptions = counter("interruptions", "Replies cut by the caller")
        self.actions = counter("actions", "Back-end actions, by outcome", "name", "status")
        self.gap = histogram("gap_seconds", "Caller's last sound to our first", delays_s)
        self.gap_parts = Histogram(
            "frontdesk_gap_part_seconds",
            "Where the gap went",
            ["part"],
            registry=self.registry,
            buckets=(0.005, 0.02, *delays_s),
        )
        self.tick_late = gauge("media_tick_late_p99_seconds", "Lateness of the media tick, p99")
        self.send_jitter = gauge(
            "media_send_jitter_p99_seconds", "From one sending of packets to the next, less 20 ms"
        )
        self.loop_lag = gauge("event_loop_lag_seconds", "The event loop's worst in the last second")
        self.tasks = gauge("tasks", "Tasks on the event loop")
        self.sip_dialogs = gauge("sip_dialogs", "SIP dialogs that are open, or on their way out")
        self.rtp_ports = gauge("rtp_ports", "Media ports in use")
        self.memory_per_call = gauge(
            "memory_per_call_bytes", "Memory grown since the server was ready, by the calls up"
        )
        self.load_step = gauge("load_step", "What is shed: 0 nothing, then more and more")
        self.load_steps = counter(
            "load_steps", "Steps taken up and down, by what made them", "step", "direction", "cause"
        )
        self.load_signal = gauge(
            "load_signal", "What the load is judged by, in seconds or shares of a core", "signal"
        )
        self.records_spooled = gauge("records_spooled_bytes", "Records that wait on disk")

    def exposition(self) -> str:
        """All of them now, in Prometheus's text format."""
        return generate_latest(self.registry).decode()

    def watch_clock(self, clock: Ticks) -> None:
        """Export how punctual the media clock is, and what CPU goes where."""
        lateness = clock.lateness
        self.registry.register(CpuParts(lambda: clock.cpu_s))
        self.tick_late.set_function(lambda: lateness.p99_ms / 1000)
        self.registry.register(_Ticks(lateness, "media_ticks", "late", "Media ticks"))
        self.loop_lag.set_function(lambda: lateness.recent_ms(1.0) / 1000)

    def watch_sending(self, jitter: TickLateness) -> None:
        """Export how evenly packets leave."""
        self.send_jitter.set_function(lambda: jitter.p99_ms / 1000)
        self.registry.register(_Ticks(jitter, "media_sends", "uneven", "Sendings of packets"))

    def watch_recognition(self, recognition: Recognition) -> None:
        """Export how many utterances wait, and how many are decoded together."""
        _watch_recognition(self.registry, recognition)

    def watch_resources(self, *, calls: Callable[[], int], sip: SipResources) -> None:
        """Export what must not grow from call to call; call it when the server is ready."""
        loop, base = asyncio.get_running_loop(), resident_bytes()

        def per_call() -> float:
            return max(resident_bytes() - base, 0) / calls() if calls() else 0.0

        self.memory_per_call.set_function(per_call)
        self.tasks.set_function(lambda: len(asyncio.all_tasks(loop)))
        self.sip_dialogs.set_function(lambda: sip.open_dialogs)
        self.rtp_ports.set_function(lambda: sip.ports_in_use)


class RecogniserMetrics:
    """What a process shows that does nothing but recognise for others."""

    def __init__(self, recognition: Recognition) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(OnePart(RECOGNITION))
        _watch_recognition(self._registry, recognition)

    def exposition(self) -> str:
        """All of them now, in Prometheus's text format."""
        return generate_latest(self._registry).decode()


def _watch_recognition(registry: CollectorRegistry, recognition: Recognition) -> None:
    waiting = Gauge(
        "frontdesk_recognition_waiting", "Utterances in line to be heard", registry=registry
    )
    waiting.set_function(lambda: recognition.waiting)
    registry.register(_Batches(recognition))


class _Ticks(Collector):
    """What happens on ticks, counted since the start, and how often it was how late, or uneven."""

    def __init__(self, lateness: TickLateness, name: str, late: str, what: str) -> None:
        self._lateness, self._what = lateness, what
        self._name, self._late = f"frontdesk_{name}", f"frontdesk_{name}_{late}"

    def collect(self) -> Iterator[CounterMetricFamily]:
        """A look now."""
        yield CounterMetricFamily(self._name, self._what, value=self._lateness.ticks)
        yield CounterMetricFamily(
            f"{self._name}_left_out",
            f"{self._what}, left out after stalls",
            value=self._lateness.skipped,
        )
        late = CounterMetricFamily(
            self._late, f"{self._what}, off by more than that", labels=["over_ms"]
        )
        for over_ms in LATE_MS:
            late.add_metric([f"{over_ms:g}"], self._lateness.late(over_ms))
        yield late


class _Batches(Collector):
    """How many beam searches served so many utterances."""

    def __init__(self, recognition: Recognition) -> None:
        self._recognition = recognition

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Known without looking."""
        yield self._family()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """A look now."""
        family = self._family()
        for size, searches in sorted(self._recognition.batch_sizes.items()):
            family.add_metric([str(size)], searches)
        yield family

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(
            "frontdesk_recognition_batches", "Beam searches, by utterances in them", labels=["size"]
        )
