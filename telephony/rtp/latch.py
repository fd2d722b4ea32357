"""Symmetric RTP: which address the media comes from, and so where ours goes.

Behind NAT a caller's real address is not the one its session description names, so the first valid
packet tells it. From then on only that address is heard: a third party who guesses the port can
neither inject audio nor draw ours away. The stream moves to another address only after the old one
has been silent for a while, or back to the agreed address at any time, which nobody but the caller
and the network in between can send from.
"""

from typing import Final, TypeAlias

Address: TypeAlias = tuple[str, int]

RELATCH_AFTER_S: Final = 2.0
"""Longer than a network's hiccup, shorter than a caller's patience when their address changed."""


class SourceLatch:
    """Decides for every packet whether its sender is the one we listen to."""

    def __init__(self, *, relatch_after_s: float = RELATCH_AFTER_S) -> None:
        self._relatch_after_s = relatch_after_s
        self.destination: Address | None = None
        """Where to send to: the latched source, else the agreed address, if one was given."""
        self._agreed: Address | None = None
        self._source: Address | None = None
        self._heard_at_s = 0.0

    def agree(self, address: Address | None) -> None:
        """Take the address of a new agreement; a changed one opens the latch."""
        if address != self._agreed:
            self._agreed = self.destination = address
            self._source = None

    def is_source(self, sender: Address) -> bool:
        return sender == self._source

    def admit(self, sender: Address, now_s: float) -> bool:
        """Whether a valid packet from `sender` is to be heard; latches on to it when it may."""
        if sender != self._source:
            silent = now_s - self._heard_at_s >= self._relatch_after_s
            if not (self._source is None or sender == self._agreed or silent):
                return False
            self._source = self.destination = sender
        self._heard_at_s = now_s
        return True
