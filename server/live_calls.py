"""The calls that are up, for those who look on: supervisors, and whoever counts."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

import numpy as np

from server.handoff.in_hand import CallInHand
from voice.frames import Pcm
from voice.ports import Recorder

log = logging.getLogger(__name__)

Tap: TypeAlias = Callable[[Pcm, Pcm], None]
"""Told 20 ms of the caller, and of what they were sent, each of shape (160,); never blocks."""


def both_sides(caller: Pcm, ours: Pcm) -> Pcm:
    """What a tap is told, as one sound, shape (160,); what is too loud saturates."""
    both = caller.astype(np.int32) + ours
    return np.clip(both, -32_768, 32_767).astype(np.int16)


class Tappable(Protocol):
    """Where a call can be listened to."""

    def add(self, tap: Tap) -> None:
        """A tap that raises is removed."""
        ...

    def remove(self, tap: Tap) -> None:
        """Idempotent."""
        ...


class TappedRecorder:
    """A call's recorder, and Tappable."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._taps: list[Tap] = []

    def add(self, tap: Tap) -> None:
        """See Tappable."""
        self._taps.append(tap)

    def remove(self, tap: Tap) -> None:
        """See Tappable."""
        if tap in self._taps:
            self._taps.remove(tap)

    def write(self, caller: Pcm, ours: Pcm) -> None:
        """See voice.ports.Recorder."""
        self._recorder.write(caller, ours)
        for tap in tuple(self._taps):
            try:
                tap(caller, ours)
            except Exception:
                log.exception("a tap of a call failed and was removed")
                self.remove(tap)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """One call that is up; `tapped` is where it can be listened to."""

    in_hand: CallInHand
    tapped: Tappable


class LiveCalls:
    """By call id, in the order of their answering."""

    def __init__(self) -> None:
        self._calls: dict[UUID, LiveCall] = {}

    def add(self, call: LiveCall) -> None:
        self._calls[call.in_hand.call_id] = call

    def remove(self, call_id: UUID) -> None:
        """Idempotent."""
        self._calls.pop(call_id, None)

    def get(self, call_id: UUID) -> LiveCall | None:
        return self._calls.get(call_id)

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(tuple(self._calls.values()))
