import contextlib
import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from telephony.media_streams.errors import MediaStreamError
from telephony.media_streams.line import IncomingLine
from telephony.media_streams.twilio import (
    DtmfReceived,
    MarkReached,
    MediaReceived,
    Started,
    StreamEvent,
    parse,
    serialise_clear,
    serialise_mark,
    serialise_media,
)
from tests.fakes import carrier

# fmt: off
NAMES = st.sampled_from((
    "event", "media", "start", "dtmf", "mark", "stop", "connected", "payload", "chunk", "track",
    "digit", "name", "streamSid", "callSid", "accountSid", "customParameters", "mediaFormat",
    "inbound", "outbound", "audio/x-mulaw",
))
# fmt: on
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | NAMES
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner),
    max_leaves=12,
)
EVENTS = st.sampled_from(("connected", "start", "media", "dtmf", "mark", "stop", "other"))
TEXTS = st.text(max_size=200)


@given(st.text() | st.binary())
def test_any_text_is_a_message_or_refused(text: str | bytes) -> None:
    with contextlib.suppress(MediaStreamError):
        parse(text)


@given(EVENTS, st.dictionaries(NAMES, JSON))
def test_any_object_is_a_message_or_refused(event: str, rest: dict[str, Any]) -> None:
    with contextlib.suppress(MediaStreamError):
        parse(json.dumps({**rest, "event": event}))


@given(st.sampled_from((carrier.start(), carrier.media(b"\xff" * 160, 1))), st.data())
def test_a_message_cut_short_is_refused(text: str, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    refused = False
    try:
        parse(cut)
    except MediaStreamError:
        refused = True
    assert refused


@given(TEXTS, st.binary(max_size=400))
def test_audio_we_write_is_the_audio_read(stream_sid: str, payload: bytes) -> None:
    assert parse(serialise_media(stream_sid, payload)) == MediaReceived(payload=payload)


@given(TEXTS, TEXTS)
def test_a_mark_we_write_is_the_mark_read(stream_sid: str, name: str) -> None:
    assert parse(serialise_mark(stream_sid, name)) == MarkReached(name=name)
    assert parse(serialise_clear(stream_sid)) is None


def written(event: StreamEvent) -> str:
    """As a carrier writes it."""
    match event:
        case MediaReceived(payload=payload, chunk=chunk):
            return carrier.media(payload, chunk)
        case DtmfReceived(key=key):
            return carrier.dtmf(key)
        case Started(parameters=parameters):
            return carrier.start(parameters=dict(parameters))
        case _:
            raise AssertionError(event)


@given(
    st.builds(
        MediaReceived,
        payload=st.binary(max_size=400),
        chunk=st.none() | st.integers(0, 10**15 - 1),
    )
    | st.builds(DtmfReceived, key=st.sampled_from("0123456789*#ABCD"))
    | st.builds(
        Started,
        stream_sid=st.just(carrier.STREAM_SID),
        call_sid=st.just(carrier.CALL_SID),
        account_sid=st.just("AC0123456789abcdef"),
        parameters=st.dictionaries(TEXTS, TEXTS, max_size=5),
    )
)
def test_what_a_carrier_writes_is_what_is_read(event: StreamEvent) -> None:
    assert parse(written(event)) == event


@given(st.lists(st.binary(min_size=1, max_size=700), max_size=20), st.randoms())
def test_pieces_in_any_order_within_reach_come_out_in_order(
    pieces: list[bytes], random: Random
) -> None:
    """As long as there is no more than 200 ms, nothing is lost, doubled or exchanged."""
    whole = b"".join(pieces)[:1_600]
    cuts = sorted(random.sample(range(len(whole) + 1), k=min(6, len(whole))))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    order = list(enumerate(parts, start=1))
    tail = order[1:]
    random.shuffle(tail)
    line = IncomingLine()
    for chunk, payload in [order[0], *tail]:
        line.put(payload, chunk)
    heard = b"".join(iter(line.pop, None))
    expected = whole[: len(whole) - len(whole) % 160]
    assert heard == (expected if len(expected) >= 320 else b"")


@given(st.lists(st.tuples(st.binary(max_size=2_000), st.none() | st.integers(0, 30)) | st.none()))
def test_the_line_never_holds_more_than_a_second(
    steps: list[tuple[bytes, int | None] | None],
) -> None:
    line = IncomingLine()
    for step in steps:
        if step is None:
            frame = line.pop()
            assert frame is None or len(frame) == 160
        else:
            line.put(*step)
        assert line.buffered_ms <= 1_000
