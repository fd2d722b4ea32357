# ruff: noqa: SIM905 (a hundred words read better as a paragraph than as a list)
"""The sounds that the frame targets of training name.

espeak-ng speaks in IPA-like mnemonics of its own, flite and Festival in the phone set of the CMU
dictionary. The two are kept apart: they cut words differently (espeak has one sound in "oar", CMU
two), and a target costs one row of a matrix that is thrown away after training.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_S: Final = 50  # the encoder's output rate

IGNORED: Final = -100
"""The target of a frame nothing is known about; the loss leaves it out."""

CMU: Final = (
    "aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw "
    "v w y z zh"
).split()

ESPEAK: Final = (
    "@ @2 @5 @L 0 0# 02 3 3: A A: A@ A# D E E2 E# I I# I2 N O O: O@ O2 Q R S T U U@ V Z a a# aI aU "
    "aI@ aI3 aU@ b d dZ e e: e@ eI f g h i i: i@ i3 j k l l# m n n- oI oU o@ p r r- s t t2 t# tS u "
    "u: v w x z z# ? * ** ; : @r"
).split()

SILENCE: Final = 0
OTHER: Final = 1
_CMU_AT: Final = {name: number for number, name in enumerate(CMU, start=2)}
_ESPEAK_AT: Final = {name: number for number, name in enumerate(ESPEAK, start=2 + len(CMU))}
TARGETS: Final = 2 + len(CMU) + len(ESPEAK)
_PAUSES: Final = frozenset({"pau", "sil", "#", "_", "_:", "_!", "", "brth", "h#"})


def cmu(name: str) -> int:
    """The target for a phone of flite or Festival."""
    return SILENCE if name in _PAUSES else _CMU_AT.get(name, OTHER)


def espeak(name: str) -> int:
    """The target for a phoneme mnemonic of espeak-ng, stress marks left out."""
    bare = name.strip("',%=|~_!^")
    return SILENCE if name in _PAUSES or not bare else _ESPEAK_AT.get(bare, OTHER)


def frames(spans: Iterable[tuple[int, float, float]], seconds: float) -> NDArray[np.int16]:
    """Targets per encoder frame, int16, shape (n,), from (target, start, end in seconds)."""
    found = np.zeros(max(1, round(seconds * FRAMES_PER_S)), dtype=np.int16)
    for target, start_s, end_s in spans:
        found[round(start_s * FRAMES_PER_S) : round(end_s * FRAMES_PER_S)] = target
    return found
