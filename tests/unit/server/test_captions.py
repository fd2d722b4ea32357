"""What a caller who sees a page is shown."""

import asyncio
import uuid
from typing import Any

from server.captions import Caption, captions, show_captions
from server.feed import Feed

CALL = uuid.uuid4()


def turn(event: str, **about: Any) -> dict[str, Any]:
    usual = {"kind": "speech", "caller_text": "", "said": "", "heard": "", "interrupted": False}
    return {"event": event, "call_id": str(CALL), **usual, **about}


def test_what_was_understood_and_what_is_begun_to_be_said_are_shown_at_once():
    shown = captions(turn("turn_decided", caller_text="where is it", said="On its way."))
    assert list(shown) == [
        Caption(who="caller", text="where is it"),
        Caption(who="frontdesk", text="On its way.", final=False),
    ]


def test_reply_that_was_spoken_over_is_cut_to_what_was_heard():
    over = turn("turn", said="On its way. Anything else?", heard="On its", interrupted=True)
    assert list(captions(over)) == [Caption(who="frontdesk", text="On its")]
    unheard = turn("turn", said="On its way.", heard="", interrupted=True)
    assert list(captions(unheard)) == [Caption(who="frontdesk", text="")]


def test_reply_that_was_heard_out_stays_as_it_was_said():
    assert list(captions(turn("turn", said="Goodbye.", heard="Goodbye."))) == [
        Caption(who="frontdesk", text="Goodbye.")
    ]


def test_silence_is_no_caption_of_the_callers():
    asked_again = turn("turn_decided", kind="silence", caller_text="", said="Are you there?")
    assert [caption.who for caption in captions(asked_again)] == ["frontdesk"]


def test_line_between_caller_and_agent_is_shown():
    line = {"event": "line", "call_id": str(CALL), "who": "agent", "text": "Hello, it's Kim."}
    assert list(captions(line)) == [Caption(who="agent", text="Hello, it's Kim.")]


class Screen:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def send_caption(self, who: str, text: str, *, final: bool = True) -> None:
        self.shown.append(f"{who}: {text}")


async def test_only_this_calls_lines_are_shown_until_it_ends():
    feed, screen = Feed(), Screen()
    showing = asyncio.create_task(show_captions(feed, CALL, screen))
    await asyncio.sleep(0)
    feed.publish({**turn("turn_decided", said="Not for you."), "call_id": str(uuid.uuid4())})
    feed.publish(turn("turn_decided", said="Welcome."))
    feed.publish({"event": "call_ended", "call_id": str(CALL), "reason": "completed"})
    await asyncio.wait_for(showing, 1)
    assert screen.shown == ["frontdesk: Welcome."]


async def test_servers_end_ends_the_captions():
    feed = Feed()
    showing = asyncio.create_task(show_captions(feed, CALL, Screen()))
    await asyncio.sleep(0)
    feed.close()
    await asyncio.wait_for(showing, 1)
