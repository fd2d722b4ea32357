"""Where this process's CPU goes, by part: what a call costs, and what of it.

Each part has threads of its own, so the kernel's accounting tells them apart; only the tick of the
media clock shares a thread, with everything that is awaited, and measures itself. Threads that
Python knows nothing of belong to the engines: CTranslate2 decodes in its own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_TASKS: Final = Path("/proc/self/task")
RECOGNITION: Final[str] = "recognition"
_PARTS: Final[tuple[tuple[str, str], ...]] = (
    ("stt-", RECOGNITION),
    ("tts", "synthesis"),
    ("dialogs", "dialogs"),
    ("recordings", "recordings"),
    ("hand-off recordings", "recordings"),
)
_MAIN: Final[str] = "conversations"
_OTHER: Final[str] = "other"
MEDIA: Final[str] = "media"
PARTS: Final[tuple[str, ...]] = (
    MEDIA,
    _MAIN,
    "dialogs",
    RECOGNITION,
    "synthesis",
    "recordings",
    _OTHER,
)


class CpuParts(Collector):
    """A metric of CPU seconds by part.

    Args:
        media_s: the ticks' CPU so far, which is the main thread's.
    """

    def __init__(self, media_s: Callable[[], float]) -> None:
        self._media_s = media_s
        # Nanoseconds, as whole numbers: a sum of them in another order is the same, and a counter
        # that falls by a rounding error is taken for one that began anew.
        self._kept: dict[int, tuple[str, int]] = {}  # by thread
        self._ended = dict.fromkeys(PARTS, 0)  # of threads that are no more

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Known without a look at the threads."""
        yield _family()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """A look now."""
        family = _family()
        for part, spent_s in self.seconds().items():
            family.add_metric([part], spent_s)
        yield family

    def seconds(self) -> dict[str, float]:
        """CPU so far by part; {} where the kernel does not tell threads apart."""
        threads = dict(_threads())
        if not threads:
            return {}
        for thread in self._kept.keys() - threads.keys():
            part, spent_ns = self._kept.pop(thread)
            self._ended[part] += spent_ns
        self._kept.update(threads)
        spent = dict(self._ended)
        for part, spent_ns in self._kept.values():
            spent[part] += spent_ns
        found = {part: spent_ns / 1e9 for part, spent_ns in spent.items()}
        media_s = min(self._media_s(), found[_MAIN])
        found[MEDIA] += media_s
        found[_MAIN] -= media_s
        return found


class OnePart(Collector):
    """The same metric where all that a process does is one part."""

    def __init__(self, part: str) -> None:
        self._part = part

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Known without looking."""
        yield _family()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """A look now."""
        family = _family()
        family.add_metric([self._part], time.process_time())
        yield family


def _family() -> CounterMetricFamily:
    return CounterMetricFamily("frontdesk_cpu_seconds", "CPU spent, by part", labels=["part"])


def _threads() -> Iterator[tuple[int, tuple[str, int]]]:
    """Each thread with its part and its CPU nanoseconds."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    main = threading.main_thread().native_id
    try:
        tasks = list(_TASKS.iterdir())
    except OSError:
        return
    for task in tasks:
        thread = int(task.name)
        spent_ns = _spent_ns(task)
        if spent_ns is not None:
            part = _MAIN if thread == main else _part(names.get(thread))
            yield thread, (part, spent_ns)


def _part(name: str | None) -> str:
    if name is None:
        return RECOGNITION
    return next((part for prefix, part in _PARTS if name.startswith(prefix)), _OTHER)


def _spent_ns(task: Path) -> int | None:
    """sched-stats: the first number is the time on a CPU in nanoseconds."""
    try:
        return int((task / "schedstat").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None  # it has just ended, or the kernel keeps no such account
