"""Audio vocabulary: what one frame is, everywhere in frontdesk.

Inside frontdesk audio is linear PCM, int16, mono, 8 kHz, in frames of 20 ms. Codecs at the network
edge and engines that want another rate convert at their own door.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000
FRAME_MS: Final = 20
FRAME_S: Final = FRAME_MS / 1000
FRAME_SAMPLES: Final = RATE_HZ * FRAME_MS // 1000  # 160

Pcm: TypeAlias = NDArray[np.int16]
"""Linear PCM, int16, mono, shape (n,), 8 kHz unless a rate is named beside it."""


def silence() -> Pcm:
    """One frame of digital silence, shape (160,)."""
    return np.zeros(FRAME_SAMPLES, dtype=np.int16)
