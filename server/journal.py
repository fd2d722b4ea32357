"""One call's journal: every turn goes to the records, the metrics, the log and the live feed."""

import logging
import uuid
from dataclasses import asdict
from typing import Any, Protocol

from server.feed import Feed
from server.observability import Metrics
from voice.events import TurnRecord

log = logging.getLogger(__name__)


class TurnStore(Protocol):
    """Where turns are kept; writing never blocks."""

    def turn(self, call_id: uuid.UUID, record: TurnRecord) -> None: ...


class CallJournal:
    """voice.ports.Journal of one call."""

    def __init__(
        self, call_id: uuid.UUID, *, store: TurnStore, metrics: Metrics, feed: Feed
    ) -> None:
        self._call_id = call_id
        self._store, self._metrics, self._feed = store, metrics, feed

    def decided(self, record: TurnRecord) -> None:
        """Tell whoever watches, while the reply is only beginning to sound."""
        self._feed.publish({"event": "turn_decided", **self._about(record)})

    def turn(self, record: TurnRecord) -> None:
        """Keep the finished turn."""
        self._store.turn(self._call_id, record)
        self._measure(record)
        self._log(record)
        self._feed.publish({"event": "turn", **self._about(record)})

    def _about(self, record: TurnRecord) -> dict[str, Any]:
        understood = record.understanding
        return {
            "call_id": str(self._call_id),
            "index": record.index,
            "kind": record.caller_kind,
            "caller_text": record.caller_text,
            "intent": understood.intent if understood else None,
            "intent_score": round(understood.score, 3) if understood else None,
            "band": understood.band if understood else None,
            "slots": dict(understood.slots or {}) if understood else {},
            "actions": list(record.actions),
            "said": record.said,
            "heard": record.heard,
            "interrupted": record.interrupted,
        }

    def _measure(self, record: TurnRecord) -> None:
        band = record.understanding.band if record.understanding else ""
        self._metrics.turns.labels(record.caller_kind, band).inc()
        if record.interrupted:
            self._metrics.interruptions.inc()
        if record.caller_kind == "speech":
            self._metrics.gap.observe(record.times.gap_s)
            for part, seconds in asdict(record.times).items():
                self._metrics.gap_parts.labels(part.removesuffix("_s")).observe(seconds)

    def _log(self, record: TurnRecord) -> None:
        understood = record.understanding
        log.info(
            "turn",
            extra={
                "turn": record.index,
                "kind": record.caller_kind,
                "intent": understood.intent if understood else None,
                "intent_score": round(understood.score, 3) if understood else None,
                "band": understood.band if understood else None,
                "actions": record.actions,
                "interrupted": record.interrupted,
                "gap_ms": round(record.times.gap_s * 1000),
                "times": {part: round(s, 3) for part, s in asdict(record.times).items()},
                "pii_caller": record.caller_text,
                "pii_said": record.said,
            },
        )
