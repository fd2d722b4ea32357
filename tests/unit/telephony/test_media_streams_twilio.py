import json

import pytest

from telephony.media_streams.errors import MalformedMessageError, UnsupportedFormatError
from telephony.media_streams.twilio import (
    MAX_MESSAGE_CHARS,
    Connected,
    DtmfReceived,
    MarkReached,
    MediaReceived,
    Started,
    Stopped,
    parse,
    serialise_clear,
    serialise_mark,
    serialise_media,
)
from tests.fakes import carrier


def test_messages_of_a_whole_stream_are_read() -> None:
    assert parse(carrier.connected()) == Connected()
    assert parse(carrier.start(parameters={"From": "+15550100"})) == Started(
        stream_sid=carrier.STREAM_SID,
        call_sid=carrier.CALL_SID,
        account_sid="AC0123456789abcdef",
        parameters={"From": "+15550100"},
    )
    assert parse(carrier.media(b"\xff\x7f", 3)) == MediaReceived(payload=b"\xff\x7f", chunk=3)
    assert parse(carrier.dtmf("#")) == DtmfReceived(key="#")
    assert parse(carrier.mark("here")) == MarkReached(name="here")
    assert parse(carrier.stop()) == Stopped()


def test_barest_start_is_enough() -> None:
    bare = parse('{"event": "start", "streamSid": "MZ1", "start": {}}')
    assert bare == Started(stream_sid="MZ1", parameters={})


def test_chunk_may_be_a_number_and_may_be_missing() -> None:
    assert parse('{"event": "media", "media": {"payload": "", "chunk": 7}}') == MediaReceived(
        payload=b"", chunk=7
    )
    assert parse('{"event": "media", "media": {"payload": ""}}') == MediaReceived(payload=b"")


def test_unknown_events_and_our_own_audio_are_ignored() -> None:
    assert parse('{"event": "sparkle"}') is None
    assert parse(carrier.media(b"\xff", 1, track="outbound")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        '{"event": 1}',
        '{"event": "media"}',
        '{"event": "media", "media": []}',
        '{"event": "media", "media": {}}',
        '{"event": "media", "media": {"payload": 5}}',
        '{"event": "media", "media": {"payload": "not base64!"}}',
        '{"event": "media", "media": {"payload": "ÿÿÿÿ"}}',
        '{"event": "media", "media": {"payload": "", "chunk": "-1"}}',
        '{"event": "media", "media": {"payload": "", "chunk": -1}}',
        '{"event": "media", "media": {"payload": "", "chunk": true}}',
        '{"event": "media", "media": {"payload": "", "chunk": "٣"}}',
        '{"event": "media", "media": {"payload": "", "chunk": ' + "9" * 5000 + "}}",
        '{"event": "dtmf", "dtmf": {"digit": "12"}}',
        '{"event": "dtmf", "dtmf": {"digit": ""}}',
        '{"event": "dtmf", "dtmf": {"digit": "x"}}',
        '{"event": "mark", "mark": {}}',
        '{"event": "start", "start": {}}',
        '{"event": "start", "streamSid": "M", "start": {"customParameters": {"a": 1}}}',
        '{"event": "start", "streamSid": "M", "start": {"callSid": 1}}',
        "[" * 60_000,
    ],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse(text)


def test_binary_messages_are_refused() -> None:
    with pytest.raises(MalformedMessageError):
        parse(carrier.connected().encode())


def test_sizes_are_bounded() -> None:
    largest = carrier.connected().ljust(MAX_MESSAGE_CHARS)
    assert parse(largest) == Connected()
    with pytest.raises(MalformedMessageError):
        parse(largest + " ")
    with pytest.raises(MalformedMessageError):
        parse(carrier.mark("x" * 1_025))
    with pytest.raises(MalformedMessageError):
        parse(carrier.start(parameters={str(number): "" for number in range(65)}))
    with pytest.raises(MalformedMessageError):
        parse(carrier.start(parameters={"x" * 1_025: ""}))


def test_audio_of_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedFormatError):
        parse(carrier.start(encoding="audio/l16"))


def test_commands_are_written_as_the_carrier_reads_them() -> None:
    assert json.loads(serialise_media("MZ1", b"\xff\x00")) == {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"payload": "/wA="},
    }
    assert json.loads(serialise_mark("MZ1", "end")) == {
        "event": "mark",
        "streamSid": "MZ1",
        "mark": {"name": "end"},
    }
    assert json.loads(serialise_clear("MZ1")) == {"event": "clear", "streamSid": "MZ1"}
