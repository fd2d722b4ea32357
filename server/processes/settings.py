"""The `[serve]` section: how many processes take calls on one SIP port."""

import math
import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_PROCESSES: Final = 64  # of one server: as many bits as a datagram's frame has for them

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


class ServeConfig(BaseModel):
    """More than one: a parent owns the SIP port and passes each call's datagrams to its process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    processes: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_PROCESSES)] = 1
    """auto: one for each core that we may use."""

    @property
    def count(self) -> int:
        """Processes that take calls."""
        if self.processes == "auto":
            return min(usable_cores(), MOST_PROCESSES)
        return self.processes


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may use at a time: its affinity, and what a container allows.

    Args:
        quota: cgroup v2's cpu.max: microseconds of CPU in so many microseconds, or "max".
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        spent, period = quota.read_text().split()
        return max(1, min(cores or 1, math.ceil(int(spent) / int(period))))
    except (OSError, ValueError):
        return cores or 1
