"""What a browser sends is anybody's text: reading it gives an answer or our own error."""

import contextlib
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from telephony.webrtc_audio import AudioCodec
from telephony.webrtc_errors import BadOfferError
from telephony.webrtc_messages import HungUp, KeySent, parse
from telephony.webrtc_offer import agreed_codec

OFFER: Final = (
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0 1",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    "c=IN IP4 0.0.0.0",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=fingerprint:sha-256 " + ":".join(["AA"] * 32),
    "a=setup:actpass",
    "a=mid:0",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:0 PCMU/8000",
    "a=ssrc:1 cname:x",
    "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "a=mid:1",
    "a=sctp-port:5000",
)

words = st.sampled_from(["", "x", "-1", "99999999999999999999", ":", "a=", "é", "m=audio", "\x00"])


@st.composite
def damaged_offers(draw: st.DrawFn) -> str:
    """An offer with some of its lines cut, doubled, or with a word put into them."""
    lines = list(OFFER)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        cut = draw(st.integers(0, len(lines[at])))
        lines[at] = lines[at][:cut] + draw(words) + draw(st.sampled_from(["", lines[at][cut:]]))
        lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from([lines[at], ""])))
    return "\r\n".join(lines) + "\r\n"


def test_whole_offer_gets_the_preferred_codec():
    offer = "\r\n".join(OFFER) + "\r\n"
    assert agreed_codec(offer, AudioCodec.PCMU) is AudioCodec.PCMU
    assert agreed_codec(offer, AudioCodec.OPUS) is AudioCodec.OPUS


WITHOUT_RTPMAP: Final = "\r\n".join(line for line in OFFER if "opus" not in line) + "\r\n"


@example(WITHOUT_RTPMAP)
@given(st.text() | damaged_offers())
def test_any_text_is_an_offer_or_a_bad_one(text: str):
    with contextlib.suppress(BadOfferError):
        assert agreed_codec(text, AudioCodec.PCMU) in AudioCodec


@given(st.text() | st.binary())
def test_any_message_is_one_we_know_or_nothing(message: str | bytes):
    assert isinstance(parse(message), KeySent | HungUp | None)
