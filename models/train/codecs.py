"""Speech through the codecs of mobile and internet calls: GSM 06.10 full rate and Opus.

Unlike G.711 they are no curve to compute: each is the real coder and decoder. Opus comes with
PyAV, which faster-whisper brings; GSM needs the library libgsm (Debian: libgsm1).
"""

import ctypes
import ctypes.util
from functools import cache
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 8_000
_GSM_SAMPLES: Final = 160  # of a 20 ms frame; GSM 06.10 §1.5
_GSM_BYTES: Final = 33
_OPUS_SAMPLES: Final = 160

Audio = NDArray[np.float32]


@cache
def _gsm_library() -> Any:
    name = ctypes.util.find_library("gsm")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.gsm_create.restype = ctypes.c_void_p
    for function in ("gsm_encode", "gsm_decode"):
        getattr(library, function).argtypes = (ctypes.c_void_p,) * 3
    library.gsm_destroy.argtypes = (ctypes.c_void_p,)
    return library


def has_gsm() -> bool:
    """Whether libgsm is installed."""
    return _gsm_library() is not None


def gsm(audio: Audio) -> Audio:
    """Through GSM full rate and back, 8 kHz, the same length.

    Raises:
        OSError: libgsm is not installed.
    """
    library = _gsm_library()
    if library is None:
        raise OSError("libgsm is not installed (Debian: apt-get install libgsm1)")
    pcm = _whole(audio, _GSM_SAMPLES)
    heard = np.zeros_like(pcm)
    coder, decoder = library.gsm_create(), library.gsm_create()
    frame = ctypes.create_string_buffer(_GSM_BYTES)
    at = ctypes.addressof(frame)
    try:
        for begin in range(0, len(pcm), _GSM_SAMPLES):
            library.gsm_encode(coder, pcm[begin:].ctypes.data, at)
            library.gsm_decode(decoder, at, heard[begin:].ctypes.data)
    finally:
        library.gsm_destroy(coder)
        library.gsm_destroy(decoder)
    return _floats(heard, len(audio))


def opus(audio: Audio, bits_per_s: int) -> Audio:
    """Through Opus as a voice codec at that rate and back, 8 kHz, the same length.

    The coder's delay is taken out, so that what sounded at a time still does.
    """
    pcm = _whole(audio, _OPUS_SAMPLES)
    coder: Any = av.CodecContext.create("libopus", "w")
    coder.sample_rate, coder.format, coder.layout = RATE_HZ, "s16", "mono"
    coder.bit_rate = bits_per_s
    coder.options = {"application": "voip", "compression_level": "0"}
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = RATE_HZ, "mono"
    packets: list[Any] = []
    coder.open()
    for begin in range(0, len(pcm), _OPUS_SAMPLES):
        frame = av.AudioFrame.from_ndarray(pcm[None, begin : begin + _OPUS_SAMPLES], "s16", "mono")
        frame.sample_rate, frame.pts = RATE_HZ, begin
        packets += coder.encode(frame)
    packets += coder.encode(None)
    decoder.extradata = coder.extradata
    parts = [frame for packet in packets for frame in decoder.decode(packet)]
    heard = np.concatenate([frame.to_ndarray().reshape(-1) for frame in parts])
    hz = parts[0].sample_rate
    heard = _narrow(heard.astype(np.float32) * (1.0 if heard.dtype.kind == "f" else 1 / 32768), hz)
    found = np.zeros(len(audio), dtype=np.float32)
    found[: len(heard)] = heard[: len(audio)]
    return found


def _narrow(audio: Audio, hz: int) -> Audio:
    import soxr

    return audio if hz == RATE_HZ else soxr.resample(audio, hz, RATE_HZ)


def _whole(audio: Audio, frame: int) -> NDArray[np.int16]:
    pcm = np.zeros(-(-len(audio) // frame) * frame, dtype=np.int16)
    pcm[: len(audio)] = np.rint(np.clip(audio, -1.0, 1.0) * 32767)
    return pcm


def _floats(pcm: NDArray[np.int16], count: int) -> Audio:
    return pcm[:count].astype(np.float32) * np.float32(1 / 32768)
