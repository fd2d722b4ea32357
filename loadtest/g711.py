"""G.711 from our own tables (ITU-T G.711): PCMU and PCMA, int16 8 kHz to bytes and back.

The tables are computed from the standard's formulas, not shared with the server, so that a wrong
table on either side is heard as noise.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.pcm import Pcm

_MU_BIAS: Final = 33  # added before the segment is found, in 14-bit units
_MU_CLIP: Final = 8_158  # the largest 14-bit magnitude µ-law can code


def _ulaw_expand() -> Pcm:
    """PCM of each of the 256 µ-law codes, shape (256,)."""
    code = ~np.arange(256) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((2 * step + _MU_BIAS) << segment) - _MU_BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_expand() -> Pcm:
    """PCM of each of the 256 A-law codes, shape (256,)."""
    code = np.arange(256) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    base = 2 * step + 1
    magnitude = np.where(segment == 0, base, (base + 32) << np.maximum(segment - 1, 0)) << 3
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_compress() -> NDArray[np.uint8]:
    """µ-law code of each int16 value, indexed by value + 32768, shape (65536,)."""
    value = np.arange(-32_768, 32_768) >> 2
    magnitude = np.minimum(np.abs(value), _MU_CLIP) + _MU_BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int64) - 5
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 15)
    return (~(np.where(value < 0, 0x80, 0) | code) & 0xFF).astype(np.uint8)


def _alaw_compress() -> NDArray[np.uint8]:
    """A-law code of each int16 value, indexed by value + 32768, shape (65536,)."""
    value = np.arange(-32_768, 32_768) >> 3
    positive = value >= 0
    magnitude = np.where(positive, value, -value - 1)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int64) - 4, 0)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 15)
    return ((np.where(positive, 0x80, 0) | code) ^ 0x55).astype(np.uint8)


_EXPAND: Final = {"PCMU": _ulaw_expand(), "PCMA": _alaw_expand()}
_COMPRESS: Final = {"PCMU": _ulaw_compress(), "PCMA": _alaw_compress()}

PAYLOAD_TYPES: Final = {"PCMU": 0, "PCMA": 8}  # RFC 3551 §6


def encode(pcm: Pcm, codec: str) -> bytes:
    """Compress int16 samples to one byte each; `codec` is PCMU or PCMA."""
    return _COMPRESS[codec][pcm.astype(np.int32) + 32_768].tobytes()


def decode(payload: bytes, codec: str) -> Pcm:
    """Expand one byte per sample to int16; `codec` is PCMU or PCMA."""
    return _EXPAND[codec][np.frombuffer(payload, dtype=np.uint8)]
