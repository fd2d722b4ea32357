"""The carrier's side of a media stream: its messages, as Twilio documents them."""

import base64
import json
from typing import Any

import numpy as np

from voice.codec import Codec, encode
from voice.frames import Pcm

STREAM_SID = "MZ0123456789abcdef"
CALL_SID = "CA0123456789abcdef"
SILENCE: Pcm = np.zeros(160, dtype=np.int16)
TONE: Pcm = (8000 * np.sin(np.arange(160) * 2 * np.pi / 20)).astype(np.int16)


def connected() -> str:
    return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def start(*, parameters: dict[str, str] | None = None, encoding: str = "audio/x-mulaw") -> str:
    return json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                "accountSid": "AC0123456789abcdef",
                "streamSid": STREAM_SID,
                "callSid": CALL_SID,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": encoding, "sampleRate": 8000, "channels": 1},
                "customParameters": parameters or {},
            },
            "streamSid": STREAM_SID,
        }
    )


def media(payload: bytes, chunk: int | None = None, *, track: str = "inbound") -> str:
    part: dict[str, Any] = {"track": track, "payload": base64.b64encode(payload).decode()}
    if chunk is not None:
        part |= {"chunk": str(chunk), "timestamp": str(20 * chunk)}
    return json.dumps({"event": "media", "streamSid": STREAM_SID, "media": part})


def audio(pcm: Pcm, chunk: int | None = None) -> str:
    return media(encode(Codec.PCMU, pcm), chunk)


def dtmf(digit: str) -> str:
    part = {"track": "inbound_track", "digit": digit}
    return json.dumps({"event": "dtmf", "streamSid": STREAM_SID, "dtmf": part})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "streamSid": STREAM_SID, "mark": {"name": name}})


def stop() -> str:
    part = {"accountSid": "AC0123456789abcdef", "callSid": CALL_SID}
    return json.dumps({"event": "stop", "streamSid": STREAM_SID, "stop": part})
