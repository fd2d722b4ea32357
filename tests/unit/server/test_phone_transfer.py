"""What a telephone dials in transferring on goes the way our own calls go."""

import pytest

from server.handoff.phone_transfer import as_dialled


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:202@pbx.example.com", "202"),
        ("sip:+15550100@192.0.2.1;user=phone", "+15550100"),
        ("sip:%2B15550100@192.0.2.1", "+15550100"),
        ("sip:kim@pbx.example.com", "sip:kim@pbx.example.com"),
        ("sip:pbx.example.com", "sip:pbx.example.com"),
        ("nonsense", "nonsense"),
    ],
)
def test_number_is_taken_out_of_its_uri(uri: str, target: str):
    assert as_dialled(uri) == target
