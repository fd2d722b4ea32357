import base64
import hmac

import pytest

from telephony.media_streams.signature import CarrierGate, Origin, sign

# The example of Twilio's own libraries.
TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def origin(
    signature: str | None = None, *, host: str = "203.0.113.9", proxied: bool = False
) -> Origin:
    return Origin(host=host, proxied=proxied, signature=signature)


def signed(url: str) -> str:
    """By the rule as Twilio states it, written again."""
    return base64.b64encode(hmac.digest(TOKEN.encode(), url.encode(), "sha1")).decode()


def test_signature_is_that_of_the_carriers_own_example() -> None:
    assert sign(TOKEN, URL, FORM) == SIGNATURE


def test_request_with_its_signature_is_admitted_from_anywhere() -> None:
    assert CarrierGate(token=TOKEN).admits(origin(SIGNATURE, proxied=True), URL, FORM)


def test_order_of_the_fields_does_not_matter() -> None:
    assert CarrierGate(token=TOKEN).admits(origin(SIGNATURE), URL, FORM[::-1])


@pytest.mark.parametrize("signature", [None, "", "x", SIGNATURE[:-2] + "9=", "é", "\udcff"])
def test_wrong_or_missing_signature_is_refused_even_from_this_machine(
    signature: str | None,
) -> None:
    asker = origin(signature, host="127.0.0.1")
    assert not CarrierGate(token=TOKEN).admits(asker, URL, FORM)


def test_signature_of_another_form_url_or_token_is_refused() -> None:
    gate = CarrierGate(token=TOKEN)
    assert not gate.admits(origin(SIGNATURE), URL, [*FORM, ("Extra", "1")])
    assert not gate.admits(origin(SIGNATURE), URL + "3", FORM)
    assert not CarrierGate(token="54321").admits(origin(SIGNATURE), URL, FORM)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("wss://a.example/s", "wss://a.example/s"),
        ("wss://a.example:8443/s", "wss://a.example:8443/s"),
        ("wss://a.example:8443/s", "wss://a.example/s"),
        ("wss://a.example/s", "wss://a.example:443/s"),
        ("http://a.example/s", "http://a.example:80/s"),
        ("wss://[2001:db8::1]:8443/s", "wss://[2001:db8::1]/s"),
    ],
)
def test_port_may_be_in_the_signed_url_or_not(ours: str, theirs: str) -> None:
    assert CarrierGate(token=TOKEN).admits(origin(signed(theirs)), ours)


def test_another_port_is_another_url() -> None:
    gate = CarrierGate(token=TOKEN)
    assert not gate.admits(origin(signed("wss://a.example:81/s")), "wss://a.example:8443/s")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_is_admitted(host: str) -> None:
    assert CarrierGate(token=None).admits(origin(host=host), URL)


@pytest.mark.parametrize("host", ["203.0.113.9", "192.168.1.2", "0.0.0.0", "::", "", "localhost"])
def test_without_a_token_nobody_else_is_admitted(host: str) -> None:
    assert not CarrierGate(token=None).admits(origin(SIGNATURE, host=host), URL, FORM)


def test_without_a_token_a_proxy_on_this_machine_lets_nobody_in() -> None:
    assert not CarrierGate(token=None).admits(origin(host="127.0.0.1", proxied=True), URL)


def test_token_is_not_shown() -> None:
    assert TOKEN not in repr(CarrierGate(token=TOKEN))
