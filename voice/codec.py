"""G.711: the two companding laws of the telephone network, as table look-ups.

An octet decodes to one of 256 levels and a 16-bit sample encodes to one of 256 octets, so both
directions are a table each, built once on import from the laws themselves. The rounding of negative
samples is that of the ITU-T reference software (G.191): decision values belong to the interval
nearer to zero, which some widespread implementations get wrong for µ-law.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice.frames import FRAME_SAMPLES, Pcm


class Codec(StrEnum):
    """The members carry their RTP encoding names, RFC 3551 §6."""

    PCMU = "PCMU"  # µ-law: North America, Japan
    PCMA = "PCMA"  # A-law: everywhere else


# As objects: what numpy is given by type or name it looks up, which takes as long as the rest.
_INT16: Final = np.dtype(np.int16)
_UINT8: Final = np.dtype(np.uint8)
_UINT16: Final = np.dtype(np.uint16)

_ULAW_BIAS: Final = (
    33  # added to the 14-bit magnitude so that every segment starts at a power of two
)
_ULAW_CLIP: Final = 0x1FFF  # largest 14-bit magnitude after the bias


def _ulaw_levels() -> Pcm:
    """The 256 µ-law output levels, int16 on the 16-bit scale, G.711 table 2."""
    octets = np.arange(256, dtype=np.int32) ^ 0xFF  # transmitted inverted
    segment, step = (octets >> 4) & 7, octets & 15
    magnitude = ((2 * step + _ULAW_BIAS) << segment) - _ULAW_BIAS
    return (np.where(octets & 0x80, -magnitude, magnitude) * 4).astype(np.int16)


def _alaw_levels() -> Pcm:
    """The 256 A-law output levels, int16 on the 16-bit scale, G.711 table 1."""
    octets = np.arange(256, dtype=np.int32) ^ 0x55  # even bits transmitted inverted
    segment, step = (octets >> 4) & 7, octets & 15
    magnitude = np.where(segment == 0, 2 * step + 1, (2 * step + 33) << np.maximum(segment - 1, 0))
    return (np.where(octets & 0x80, magnitude, -magnitude) * 8).astype(np.int16)


def _samples_by_bits() -> NDArray[np.int32]:
    """Every 16-bit sample, at the index that its bits make as an unsigned number."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _segments(magnitude: NDArray[np.int32], first: int) -> NDArray[np.int32]:
    """The segment, 0 to 7, of each magnitude; the lowest ends at `first`, the next at twice."""
    ends = first << np.arange(7)
    return np.searchsorted(ends, magnitude, side="right").astype(np.int32)


def _ulaw_octets() -> NDArray[np.uint8]:
    samples = _samples_by_bits()
    negative = samples < 0
    magnitude = np.minimum((np.where(negative, ~samples, samples) >> 2) + _ULAW_BIAS, _ULAW_CLIP)
    segment = _segments(magnitude, 64)
    octets = (segment << 4) | ((magnitude >> (segment + 1)) & 15)
    return ((octets | np.where(negative, 0x80, 0)) ^ 0xFF).astype(np.uint8)


def _alaw_octets() -> NDArray[np.uint8]:
    samples = _samples_by_bits()
    negative = samples < 0
    magnitude = np.where(negative, ~samples, samples) >> 3
    segment = _segments(magnitude, 32)
    octets = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 15)
    return ((octets | np.where(negative, 0, 0x80)) ^ 0x55).astype(np.uint8)


_LEVELS: Final[dict[Codec, Pcm]] = {Codec.PCMU: _ulaw_levels(), Codec.PCMA: _alaw_levels()}
_OCTETS: Final[dict[Codec, NDArray[np.uint8]]] = {
    Codec.PCMU: _ulaw_octets(),
    Codec.PCMA: _alaw_octets(),
}
_QUIET_PEAK: Final = 256  # of 32768, -42 dB: a frame with no more can go or come unnoticed
_QUIET_OCTETS: Final = {
    codec: bytes(np.flatnonzero(np.abs(levels.astype(np.int32)) <= _QUIET_PEAK).astype(np.uint8))
    for codec, levels in _LEVELS.items()
}


def encode(codec: Codec, pcm: Pcm) -> bytes:
    """Compress int16 samples, shape (n,), to n octets.

    Raises:
        ValueError: `pcm` is not int16; a silent conversion would hide a wrong scale.
    """
    if pcm.dtype != _INT16:
        raise ValueError(f"G.711 encodes int16, not {pcm.dtype}")
    return _OCTETS[codec].take(pcm.view(_UINT16)).tobytes()


def decode(codec: Codec, payload: bytes) -> Pcm:
    """Expand n octets to int16 samples, a new array of shape (n,)."""
    return _LEVELS[codec].take(np.frombuffer(payload, _UINT8))


def is_quiet(codec: Codec, payload: bytes) -> bool:
    """Whether this audio may be left out without anyone missing it: no sample over -42 dB."""
    return not payload.translate(None, _QUIET_OCTETS[codec])


def encode_frames(codec: Codec, frames: Sequence[Pcm]) -> list[bytes]:
    """`encode` for many frames at once, each int16 of shape (160,): a quarter of the time."""
    octets = _OCTETS[codec].take(np.concatenate(frames).view(_UINT16)).tobytes()
    return [octets[at : at + FRAME_SAMPLES] for at in range(0, len(octets), FRAME_SAMPLES)]


def decode_frames(codec: Codec, payloads: Sequence[bytes]) -> list[Pcm]:
    """`decode` for many payloads at once, each of 160 octets; the frames share their memory."""
    octets = np.frombuffer(b"".join(payloads), _UINT8)
    return list(_LEVELS[codec].take(octets).reshape(-1, FRAME_SAMPLES))
