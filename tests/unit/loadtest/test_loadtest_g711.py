"""Our own G.711 tables against the standard's values and an independent implementation."""

import numpy as np
import pytest

from loadtest.g711 import decode, encode

ALL_CODES = bytes(range(256))
ALL_VALUES = np.arange(-32_768, 32_768).astype(np.int16)


@pytest.mark.parametrize(
    ("codec", "code", "value"),
    [
        ("PCMU", 0xFF, 0),
        ("PCMU", 0x80, 32_124),
        ("PCMU", 0x00, -32_124),
        ("PCMU", 0xFE, 8),
        ("PCMA", 0xD5, 8),
        ("PCMA", 0x55, -8),
        ("PCMA", 0xAA, 32_256),
        ("PCMA", 0x2A, -32_256),
    ],
)
def test_codes_of_the_standard_decode_to_their_values(codec: str, code: int, value: int) -> None:
    assert decode(bytes([code]), codec)[0] == value


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_every_code_survives_decoding_and_encoding(codec: str) -> None:
    again = encode(decode(ALL_CODES, codec), codec)
    changed = {code for code, back in zip(ALL_CODES, again, strict=True) if code != back}
    assert changed <= ({0x7F} if codec == "PCMU" else set())  # µ-law has a negative zero


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_coding_error_stays_within_half_a_step_of_its_segment(codec: str) -> None:
    values = ALL_VALUES.astype(np.int64)
    error = np.abs(decode(encode(ALL_VALUES, codec), codec).astype(np.int64) - values)
    assert (error <= np.maximum(np.abs(values) / 20, 20))[np.abs(values) < 32_000].all()


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_louder_samples_never_decode_to_quieter_ones(codec: str) -> None:
    assert (np.diff(decode(encode(ALL_VALUES, codec), codec).astype(np.int64)) >= 0).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tables_agree_with_pythons_own_codec() -> None:
    audioop = pytest.importorskip("audioop")  # gone from Python 3.13 on
    values = ALL_VALUES.astype("<i2").tobytes()
    assert encode(ALL_VALUES, "PCMU") == audioop.lin2ulaw(values, 2)
    assert encode(ALL_VALUES, "PCMA") == audioop.lin2alaw(values, 2)
    assert decode(ALL_CODES, "PCMU").tobytes() == audioop.ulaw2lin(ALL_CODES, 2)
    assert decode(ALL_CODES, "PCMA").tobytes() == audioop.alaw2lin(ALL_CODES, 2)
