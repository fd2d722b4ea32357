"""Captions: what is said in a call, shown to a caller who sees a page.

They follow the live feed. What frontdesk is about to say is shown as it begins to sound; when the
caller spoke over it, the caption is then cut to what was heard, as the record is.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from server.feed import Feed

_SPOKEN = ("speech", "keys")


class CaptionScreen(Protocol):
    """Where captions are shown."""

    def send_caption(self, who: str, text: str, *, final: bool = True) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """`who`: caller, frontdesk or agent. One that is not final is replaced by their next."""

    who: str
    text: str
    final: bool = True


async def show_captions(
    feed: Feed, call_id: uuid.UUID, screen: CaptionScreen, *, beyond: Feed | None = None
) -> None:
    """Show what is said in this call until it ends, or the server does.

    Args:
        beyond: where else it is told what is said in it.
    """
    with feed.subscribe() as events, beyond.also(events) if beyond else nullcontext():
        while (event := await events.get()) is not None:
            if event.get("call_id") != str(call_id):
                continue
            for caption in captions(event):
                screen.send_caption(caption.who, caption.text, final=caption.final)
            if event["event"] == "call_ended":
                return


def captions(event: Mapping[str, Any]) -> Iterator[Caption]:
    """What one event of the feed shows."""
    match event["event"]:
        case "turn_decided":
            if event["kind"] in _SPOKEN and event["caller_text"]:
                yield Caption(who="caller", text=event["caller_text"])
            if event["said"]:
                yield Caption(who="frontdesk", text=event["said"], final=False)
        case "turn":
            if event["said"]:
                heard = event["heard"] if event["interrupted"] else event["said"]
                yield Caption(who="frontdesk", text=heard)
        case "line":
            yield Caption(who=event["who"], text=event["text"])
        case _:
            pass
