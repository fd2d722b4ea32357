"""What the host of a virtual machine takes of it: no program inside is faster than that.

A machine that stands still for 30 ms is late by as much, whatever runs on it. Whoever reads that
packets were late, or that holes were heard, has to know whose lateness it was.
"""

import os
from pathlib import Path

_STOLEN = 8  # of the fields of the first line of /proc/stat, proc(5): its name, user, nice, …


def stolen_s(stat: Path = Path("/proc/stat")) -> float | None:
    """CPU time, over all cores, that others on the host had while this machine was to run.

    None: it is not told, as anywhere but on Linux. A host may not tell of all that it takes.
    """
    try:
        fields = stat.read_text(encoding="ascii").partition("\n")[0].split()
        return int(fields[_STOLEN]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
