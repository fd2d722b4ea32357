"""The metrics of all workers as one exposition, each sample labelled by its process; pure.

Prometheus's text format 0.0.4: a family's HELP and TYPE lines, then its samples. Families of the
same name are put together, as the format demands.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

LABEL: Final = "process"

_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?(.*)", re.DOTALL)


def merged(expositions: Mapping[str, str]) -> str:
    """All of them as one.

    Args:
        expositions: of each process by its number or name.
    """
    heads: dict[str, dict[str, str]] = {}  # by family: its HELP and its TYPE line
    samples: dict[str, list[str]] = {}
    for process, text in expositions.items():
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                _, kind, family, *_ = line.split(" ", 3)
                heads.setdefault(family, {}).setdefault(kind, line)
            elif line:
                samples.setdefault(family, []).append(_labelled(line, process))
    return _text(
        line
        for family, head in heads.items()
        for line in (*head.values(), *samples.get(family, ()))
    )


def gauge(name: str, about: str, values: Mapping[str, float], label: str = "") -> str:
    """A gauge of ours; `values` by the label's value, or under "" without one."""
    return _family(name, about, "gauge", values, label)


def counter(name: str, about: str, value: float) -> str:
    """A counter of ours; `name` without its _total."""
    return _family(f"{name}_total", about, "counter", {"": value}, "")


def _family(name: str, about: str, kind: str, values: Mapping[str, float], label: str) -> str:
    samples = (
        f'{name}{{{label}="{key}"}} {value:g}' if label else f"{name} {value:g}"
        for key, value in values.items()
    )
    return _text((f"# HELP {name} {about}", f"# TYPE {name} {kind}", *samples))


def _labelled(sample: str, process: str) -> str:
    match = _SAMPLE.fullmatch(sample)
    if match is None:
        return sample
    name, brace, rest = match.groups()
    if brace:
        comma = "" if rest.startswith("}") else ","
        return f'{name}{{{LABEL}="{process}"{comma}{rest}'
    return f'{name}{{{LABEL}="{process}"}}{rest}'


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
