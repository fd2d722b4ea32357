"""What the process that workers are forked from has imported: they share its memory.

Python's modules are three quarters of what a worker would have of its own. Nothing here may start a
thread or load a model: CTranslate2's and onnxruntime's threads do not survive a fork. What is
imported is frozen, so that collecting garbage does not touch, and thereby copy, every page of it.

It ends when its parent and all workers have. A service manager that asks every process to stop asks
it too, while workers still have calls: it does not listen.
"""

import gc
import importlib
import signal
from typing import Final

_LATE: Final = (
    # Imported where they are needed first, by whoever needs them.
    *("faster_whisper", "ctranslate2", "onnxruntime", "sklearn.linear_model", "espeakng_loader"),
    *("uvicorn.protocols.http.auto", "uvicorn.loops.auto", "uvicorn.lifespan.off"),
    *("asyncpg", "httpx", "server.processes.worker", "server.recognition.serving"),
)

signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _name in _LATE:
    importlib.import_module(_name)
gc.collect()
gc.freeze()
