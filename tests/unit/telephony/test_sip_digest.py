"""Digest authentication: the RFCs' own examples, and our side against challenges."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.digest import (
    Credentials,
    DigestClient,
    digest_response,
    hash_password,
    parse_digest,
)
from telephony.sip.errors import MalformedValueError
from telephony.sip.grammar import quote
from telephony.sip.headers import Headers
from telephony.sip.message import Request, Response
from telephony.sip.uri import parse_uri

MUFASA = Credentials(user="Mufasa", password="Circle of Life")
REQUEST = Request(method="REGISTER", uri=parse_uri("sip:example.com"), headers=Headers())


def challenge(*values: str, status: int = 401) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    fields = [(name, value) for value in values]
    return Response(status=status, reason="", headers=Headers(fields))


def client(credentials: Credentials | None = MUFASA) -> DigestClient:
    numbers = itertools.count(1)
    return DigestClient(credentials, lambda: f"cnonce{next(numbers)}")


def answer(digest: DigestClient, field: str = "Authorization") -> dict[str, str]:
    return dict(parse_digest(digest.sign(REQUEST).headers.get(field) or ""))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_response_is_that_of_the_rfcs_example(algorithm: str, response: str):
    """RFC 7616 §3.9.1."""
    parameters = {
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }
    ha1 = hash_password(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert digest_response(parameters, ha1, "GET") == response


def test_response_without_qop_is_that_of_rfc_2617():
    parameters = {"nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "uri": "/dir/index.html"}
    ha1 = hash_password("MD5", "Mufasa", "testrealm@host.com", "Circle Of Life")
    assert digest_response(parameters, ha1, "GET") == "670fd8c2df070c60b045671b8b24ff02"


def test_challenge_is_answered_and_the_count_rises_with_each_request():
    digest = client()
    assert digest.challenged(challenge('Digest realm="r", nonce="n", qop="auth", opaque="o"'), 0)
    first, second = answer(digest), answer(digest)
    assert (first["nc"], second["nc"], first["opaque"]) == ("00000001", "00000002", "o")
    assert first["cnonce"] != second["cnonce"]
    ha1 = hash_password("MD5", "Mufasa", "r", "Circle of Life")
    assert first["response"] == digest_response(first, ha1, "REGISTER")


def test_first_challenge_that_can_be_met_is_answered():
    digest = client()
    unknown = 'Digest realm="r", nonce="1", algorithm=SHA-512-256, qop="auth"'
    good = 'Digest realm="r", nonce="2", algorithm=SHA-256, qop="auth-int,auth"'
    weak = 'Digest realm="r", nonce="3", algorithm=MD5, qop="auth"'
    assert digest.challenged(challenge('Basic realm="r"', unknown, good, weak), 0)
    assert (answer(digest)["algorithm"], answer(digest)["nonce"]) == ("SHA-256", "2")


def test_proxy_and_server_are_both_answered():
    digest = client()
    assert digest.challenged(challenge('Digest realm="p", nonce="1", qop="auth"', status=407), 0)
    assert digest.challenged(challenge('Digest realm="s", nonce="2", qop="auth"'), 1)
    assert answer(digest, "Proxy-Authorization")["realm"] == "p"
    assert answer(digest)["realm"] == "s"


def test_credentials_that_were_not_believed_are_not_sent_again_unless_the_nonce_was_stale():
    digest = client()
    assert digest.challenged(challenge('Digest realm="r", nonce="1", qop="auth"'), 0)
    assert not digest.challenged(challenge('Digest realm="r", nonce="2", qop="auth"'), 1)
    assert digest.challenged(challenge('Digest realm="r", nonce="3", qop="auth", stale=TRUE'), 1)
    assert answer(digest)["nonce"] == "3"
    assert not digest.challenged(challenge('Digest realm="r", nonce="4", stale=true'), 2)


@pytest.mark.parametrize(
    ("credentials", "response"),
    [
        (None, challenge('Digest realm="r", nonce="1", qop="auth"')),
        (MUFASA, challenge('Digest realm="r", nonce="1", qop="auth-int"')),
        (MUFASA, challenge('Digest realm="r"')),
        (MUFASA, challenge()),
        (MUFASA, challenge('Digest realm="r", nonce="1"', status=403)),
    ],
)
def test_challenge_that_cannot_be_met_is_final(credentials: Credentials | None, response: Response):
    assert not client(credentials).challenged(response, 0)


def test_password_is_not_shown():
    assert "Circle" not in repr(MUFASA)


@given(st.dictionaries(st.sampled_from("abcdef"), st.text(max_size=8), min_size=1))
def test_parameters_are_read_as_they_were_written(parameters: dict[str, str]):
    text = ",".join(f" {name} = {quote(value)}" for name, value in parameters.items())
    assert parse_digest(f"Digest{text}") == parameters


@pytest.mark.parametrize("text", ["Basic x", "Digest", "Digest a", 'Digest a="', "Digest a=b c=d"])
def test_what_is_no_digest_is_refused(text: str):
    if text == "Digest":
        assert parse_digest(text) == {}
    else:
        with pytest.raises(MalformedValueError):
            parse_digest(text)
