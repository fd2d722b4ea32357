import warnings
from typing import Protocol

import numpy as np
import pytest

from voice.codec import Codec, decode, encode, is_quiet
from voice.frames import Pcm, silence

ALL_OCTETS = bytes(range(256))
ALL_SAMPLES: Pcm = np.arange(-32768, 32768).astype(np.int16)


class Reference(Protocol):
    """The standard library's own G.711, absent from Python 3.13."""

    def ulaw2lin(self, fragment: bytes, width: int, /) -> bytes: ...
    def alaw2lin(self, fragment: bytes, width: int, /) -> bytes: ...
    def lin2ulaw(self, fragment: bytes, width: int, /) -> bytes: ...
    def lin2alaw(self, fragment: bytes, width: int, /) -> bytes: ...


@pytest.fixture
def reference() -> Reference:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pytest.importorskip("audioop")


def test_every_octet_expands_as_in_the_reference(reference: Reference) -> None:
    assert decode(Codec.PCMU, ALL_OCTETS).tobytes() == reference.ulaw2lin(ALL_OCTETS, 2)
    assert decode(Codec.PCMA, ALL_OCTETS).tobytes() == reference.alaw2lin(ALL_OCTETS, 2)


def test_alaw_compresses_every_sample_as_in_the_reference(reference: Reference) -> None:
    assert encode(Codec.PCMA, ALL_SAMPLES) == reference.lin2alaw(ALL_SAMPLES.tobytes(), 2)


def test_ulaw_compresses_every_positive_sample_as_in_the_reference(reference: Reference) -> None:
    positive = ALL_SAMPLES[ALL_SAMPLES >= 0]
    assert encode(Codec.PCMU, positive) == reference.lin2ulaw(positive.tobytes(), 2)


@pytest.mark.parametrize("codec", Codec)
def test_negative_samples_mirror_positive_ones(codec: Codec) -> None:
    positive = ALL_SAMPLES[ALL_SAMPLES >= 0]
    octets = np.frombuffer(encode(codec, positive), dtype=np.uint8)
    mirrored = np.frombuffer(encode(codec, ~positive), dtype=np.uint8)
    assert np.array_equal(octets ^ 0x80, mirrored)


@pytest.mark.parametrize(
    ("codec", "sample", "octet"),
    [
        (Codec.PCMU, 0, 0xFF),
        (Codec.PCMU, -1, 0x7F),
        (Codec.PCMU, 4, 0xFE),
        (Codec.PCMU, 32767, 0x80),
        (Codec.PCMU, -32768, 0x00),
        (Codec.PCMA, 0, 0xD5),
        (Codec.PCMA, -1, 0x55),
        (Codec.PCMA, 32767, 0xAA),
        (Codec.PCMA, -32768, 0x2A),
    ],
)
def test_known_samples_have_their_octets(codec: Codec, sample: int, octet: int) -> None:
    assert encode(codec, np.array([sample], dtype=np.int16)) == bytes([octet])


@pytest.mark.parametrize("codec", Codec)
def test_levels_survive_a_round_trip(codec: Codec) -> None:
    levels = decode(codec, ALL_OCTETS)
    assert np.array_equal(decode(codec, encode(codec, levels)), levels)


@pytest.mark.parametrize("codec", Codec)
def test_strided_frames_are_compressed_like_contiguous_ones(codec: Codec) -> None:
    assert encode(codec, ALL_SAMPLES[::7]) == encode(codec, ALL_SAMPLES[::7].copy())


def test_float_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="int16"):
        encode(Codec.PCMU, np.zeros(160))  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", list(Codec))
def test_quiet_is_told_from_speech(codec: Codec) -> None:
    room = encode(codec, np.full(160, -200, dtype=np.int16))
    word = encode(codec, np.full(1, 3_000, dtype=np.int16))
    assert is_quiet(codec, room)
    assert is_quiet(codec, encode(codec, silence()))
    assert not is_quiet(codec, room[:-1] + word)
