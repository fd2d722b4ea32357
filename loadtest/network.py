"""A network in words: `loss=2%,burst=1%x8,delay=40ms,jitter=10ms,reorder=1%,duplicate=1%,
bandwidth=100k,stall=500ms/10s`."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from loadtest.errors import LoadtestError
from loadtest.impair import Impairment


class BadNetworkError(LoadtestError):
    """A network that cannot be read, or cannot be; the message says what to write."""


_FACTORS: Final = {"": 1.0, "k": 1e3, "m": 1e6}


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([\d.]+)(ms|s)", text)
    if found is None:
        raise ValueError(f"{text!r} is no time; write 40ms or 2s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _bandwidth(text: str) -> dict[str, float]:
    found = re.fullmatch(r"([\d.]+)([km]?)(?:bit|bps)?", text.lower())
    if found is None:
        raise ValueError(f"{text!r} is no bandwidth; write 100k, in bits per second")
    return {"bandwidth_bps": float(found[1]) * _FACTORS[found[2]]}


def _burst(text: str) -> dict[str, float]:
    loss, _, packets = text.partition("x")
    return {"burst_loss": _share(loss), **({"burst_packets": float(packets)} if packets else {})}


def _stall(text: str) -> dict[str, float]:
    long, _, every = text.partition("/")
    if not every:
        raise ValueError("a stall is written 500ms/10s: how long, and how often")
    return {"stall_s": _seconds(long), "stall_every_s": _seconds(every)}


_READ: Final[Mapping[str, Callable[[str], dict[str, float]]]] = {
    "loss": lambda text: {"loss": _share(text)},
    "burst": _burst,
    "delay": lambda text: {"delay_s": _seconds(text)},
    "jitter": lambda text: {"jitter_s": _seconds(text)},
    "reorder": lambda text: {"reorder": _share(text)},
    "duplicate": lambda text: {"duplicate": _share(text)},
    "bandwidth": _bandwidth,
    "stall": _stall,
}


def parse_network(text: str) -> Impairment:
    """Read `name=value` pairs, separated by commas.

    Raises:
        BadNetworkError: an unknown name, or a value that cannot be.
    """
    fields: dict[str, Any] = {}
    try:
        for pair in text.split(","):
            name, _, value = pair.strip().partition("=")
            if name not in _READ:
                known = ", ".join(_READ)
                raise BadNetworkError(f"{name!r} is nothing a network has; known are {known}")
            fields |= _READ[name](value.strip())
        return Impairment(**fields)
    except ValueError as error:
        raise BadNetworkError(f"{text!r}: {error}") from error
