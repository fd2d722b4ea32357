"""How often one address may ask for a call: in a burst at first, then steadily (pure)."""

from collections import OrderedDict
from typing import Final

_MAX_ADDRESSES: Final = 4096  # the longest unseen are forgotten: they may burst again


class OfferRate:
    """A token bucket for each address."""

    def __init__(self, *, burst: int = 5, per_minute: float = 10.0) -> None:
        self._burst, self._per_s = float(burst), per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, as of

    def take(self, address: str, now_s: float) -> float:
        """Count one request at `now_s`, monotonic seconds.

        Returns 0 when it is welcome, else the seconds after which one would be; it is not counted
        then.
        """
        tokens, at_s = self._buckets.pop(address, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - at_s) * self._per_s)
        welcome = tokens >= 1.0
        self._buckets[address] = (tokens - welcome, now_s)
        if len(self._buckets) > _MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if welcome else (1.0 - tokens) / self._per_s
