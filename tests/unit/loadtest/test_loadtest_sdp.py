"""The caller's offers and answers, and what it makes of the far end's."""

import pytest

from loadtest.errors import PeerError
from loadtest.sdp import RemoteMedia, read_media, write_answer, write_offer

ANSWER = b"""v=0\r
o=- 1 1 IN IP4 10.0.0.1\r
s=-\r
c=IN IP4 10.0.0.2\r
t=0 0\r
m=audio 40000 RTP/AVP 8 0 96\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:96 telephone-event/8000\r
a=sendonly\r
"""


def test_offer_names_both_laws_and_telephone_events() -> None:
    media = read_media(write_offer("127.0.0.1", 4000, session=7))
    assert (media.host, media.port, media.codec, media.event_type) == (
        "127.0.0.1",
        4000,
        "PCMU",
        101,
    )


def test_answers_first_codec_that_we_speak_is_taken() -> None:
    assert read_media(ANSWER) == RemoteMedia(
        host="10.0.0.2",
        port=40_000,
        codec="PCMA",
        payload_type=8,
        event_type=96,
        direction="sendonly",
    )


def test_address_of_the_stream_wins_over_that_of_the_session() -> None:
    body = ANSWER + b"c=IN IP4 10.0.0.3\r\n"
    assert read_media(body).host == "10.0.0.3"


def test_static_payload_types_need_no_rtpmap() -> None:
    body = b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 4 RTP/AVP 18 0\r\n"
    assert read_media(body).codec == "PCMU"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=video 4 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 0 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 4 RTP/SAVP 0\r\n",
        b"v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 4 RTP/AVP 18\r\n",
        b"v=0\r\nm=audio 4 RTP/AVP 0\r\n",
    ],
)
def test_answer_without_usable_audio_is_the_peers_error(body: bytes) -> None:
    with pytest.raises(PeerError):
        read_media(body)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_our_answer_mirrors_the_direction(theirs: str, ours: str) -> None:
    offer = RemoteMedia(
        host="1.2.3.4", port=4, codec="PCMA", payload_type=8, event_type=None, direction=theirs
    )
    answer = read_media(write_answer("127.0.0.1", 6, session=1, offer=offer))
    assert (answer.codec, answer.direction, answer.event_type) == ("PCMA", ours, None)
