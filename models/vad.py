"""Voice activity: Silero, one inference for all calls of a process.

Silero at 8 kHz looks at 256 new samples (32 ms) with the 32 before them, and carries an LSTM state
from window to window. Calls tick every 160 samples, so on a tick some calls have a full window and
some have not: `push` collects each call's samples, `run` takes every full window at once. A batch
of n costs far less than n single runs and gives the same numbers.

Two things besides the network:

- Most of a call is silence, which needs no network to be recognised. A window far below any speech
  level counts as 0 once some in a row were, and the state starts afresh.
- Long noise wears the LSTM down until it misses the speech that follows, at 8 kHz more than at 16.
  The state starts afresh every two seconds, in a stretch that is clearly not speech.
"""

import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.errors import EngineError, MissingModelError

RATE_HZ: Final = 8_000
WINDOW: Final = 256
"""New samples per inference at 8 kHz, 32 ms; the network was trained on no other length."""

_CONTEXT: Final = 32  # samples before the window that the network sees again
_STATE: Final = 128  # width of the LSTM

GATE_DBFS: Final = -57.0
"""RMS below which a window cannot be speech: a soft talker on a bad line is still 10 dB above."""

_GATE_WINDOWS: Final = 8  # 256 ms of quiet before the gate closes: gaps inside words stay open
_RESET_WINDOWS: Final = 62  # 2 s between fresh starts
_RESET_LOW_WINDOWS: Final = 5  # 160 ms of non-speech: one low window may be a dip inside a word
_RESET_PROBABILITY: Final = 0.1  # far below any speech threshold: borderline windows never count

_INT16: Final = np.dtype(np.int16)  # to look it up at each push takes as long as the rest of it
_FRAME: Final = 160  # samples that a call brings per tick

MAX_BACKLOG: Final = 16 * WINDOW
"""Samples a stream keeps, half a second; the oldest go when `run` is not called in time."""

_GROWTH: Final = 32  # slots added at a time
_MOST_ARRIVED: Final = 32  # pieces of audio per slot that may wait to be put into their rows


class VadStream:
    """One call's stream; made by `SileroVad.open_stream`."""

    __slots__ = ("_slots", "index")

    def __init__(self, slots: "_Slots", index: int) -> None:
        self._slots = slots
        self.index = index

    @property
    def probability(self) -> float:
        """That the latest full window is speech, in [0, 1]; 0 before the first, and once closed."""
        return self._slots.probability_of(self)

    def push(self, pcm: NDArray[np.int16]) -> None:
        """Add audio, int16, shape (n,), 8 kHz; ignored once the stream is closed.

        It must not be written to before the next `SileroVad.run`.

        Raises:
            ValueError: another dtype or shape.
        """
        if pcm.dtype != _INT16 or pcm.ndim != 1:
            raise ValueError(f"audio must be int16 of shape (n,), not {pcm.dtype} {pcm.shape}")
        self._slots.push(self, pcm)

    def reset(self) -> None:
        """Forget everything heard so far, as after hold music."""
        self._slots.reset(self)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Windows taken for one inference."""

    rows: NDArray[np.intp]  # their slots
    epochs: NDArray[np.int64]  # of the slots when the windows were taken
    samples: NDArray[np.float32]  # (n, 32 + 256)
    state: NDArray[np.float32]  # (2, n, 128)


class _Slots:
    """The streams' memory as arrays with a row per stream; every method is atomic."""

    def __init__(self, gate_dbfs: float) -> None:
        self._gate = 10 ** (gate_dbfs / 10)
        self._lock = threading.Lock()
        self._owners: dict[int, VadStream] = {}
        self._free: list[int] = []
        self._arrived: list[tuple[VadStream, NDArray[np.int16]]] = []  # not yet in a row
        self._pending = np.zeros((0, MAX_BACKLOG), dtype=np.int16)
        self._fill = np.zeros(0, dtype=np.intp)
        self._context = np.zeros((0, _CONTEXT), dtype=np.float32)
        self._state = np.zeros((2, 0, _STATE), dtype=np.float32)
        self._probability = np.zeros(0, dtype=np.float32)
        self._shown: list[float] = []  # the same, cheap to read one by one
        self._quiet = np.zeros(0, dtype=np.int64)  # windows in a row below the gate
        self._age = np.zeros(0, dtype=np.int64)  # windows since the state started afresh
        self._low = np.zeros(0, dtype=np.int64)  # windows in a row that are clearly not speech
        self._epoch = np.zeros(0, dtype=np.int64)  # grows when a row is reset: results come late

    def open(self) -> VadStream:
        with self._lock:
            if not self._free:
                self._grow()
            stream = VadStream(self, self._free.pop())
            self._clear(stream.index)
            self._owners[stream.index] = stream
            return stream

    def close(self, stream: VadStream) -> None:
        with self._lock:
            if self._owners.get(stream.index) is stream:
                self._absorb()
                del self._owners[stream.index]
                self._clear(stream.index)
                self._free.append(stream.index)

    def __len__(self) -> int:
        return len(self._owners)

    def probability_of(self, stream: VadStream) -> float:
        at = stream.index
        return self._shown[at] if self._owners.get(at) is stream else 0.0

    def push(self, stream: VadStream, pcm: NDArray[np.int16]) -> None:
        with self._lock:
            self._arrived.append((stream, pcm))
            if len(self._arrived) > _MOST_ARRIVED * len(self._fill):
                self._absorb()  # nobody runs the detector

    def _absorb(self) -> None:
        """Put what has arrived into the rows: a frame of each call at once, the rest one by one."""
        arrived, self._arrived = self._arrived, []
        rows: list[int] = []
        frames: list[NDArray[np.int16]] = []
        seen: set[int] = set()
        others: list[tuple[int, NDArray[np.int16]]] = []
        for stream, pcm in arrived:
            at = stream.index
            if self._owners.get(at) is not stream:
                continue
            if at in seen or len(pcm) != _FRAME:
                others.append((at, pcm))
            else:
                rows.append(at)
                frames.append(pcm)
            seen.add(at)
        if rows:
            self._append_frames(np.array(rows), np.concatenate(frames).reshape(-1, _FRAME))
        for at, pcm in others:
            self._append(at, pcm)

    def _append_frames(self, rows: NDArray[np.intp], frames: NDArray[np.int16]) -> None:
        fill = self._fill[rows]
        full = fill + _FRAME > MAX_BACKLOG
        for at, pcm in zip(rows[full].tolist(), frames[full], strict=True):
            self._append(at, pcm)
        if full.any():
            rows, frames, fill = rows[~full], frames[~full], fill[~full]
        self._pending[rows[:, None], fill[:, None] + np.arange(_FRAME)] = frames
        self._fill[rows] = fill + _FRAME

    def _append(self, at: int, pcm: NDArray[np.int16]) -> None:
        row, fill = self._pending[at], int(self._fill[at])
        pcm = pcm[-MAX_BACKLOG:]
        drop = max(0, fill + len(pcm) - MAX_BACKLOG)
        if drop:
            row[: fill - drop] = row[drop:fill].copy()
            fill -= drop
        row[fill : fill + len(pcm)] = pcm
        self._fill[at] = fill + len(pcm)

    def reset(self, stream: VadStream) -> None:
        with self._lock:
            if self._owners.get(stream.index) is stream:
                self._absorb()
                self._clear(stream.index)

    def take(self) -> tuple[_Batch | None, bool]:
        """The next window of each stream that the gate lets through; whether more are waiting."""
        with self._lock:
            self._absorb()
            rows = np.flatnonzero(self._fill >= WINDOW)
            if len(rows) == 0:
                return None, False
            windows = self._shifted_out(rows)
            rows, windows = self._past_gate(rows, windows)
            self._shown = self._probability.tolist()
            samples = np.concatenate((self._context[rows], windows), axis=1)
            self._context[rows] = windows[:, -_CONTEXT:]
            batch = _Batch(rows, self._epoch[rows], samples, self._state[:, rows])
            return batch if len(rows) else None, bool((self._fill >= WINDOW).any())

    def settle(
        self, batch: _Batch, probability: NDArray[np.float32], state: NDArray[np.float32]
    ) -> None:
        """Keep the results of streams that were neither closed nor reset meanwhile."""
        with self._lock:
            same = self._epoch[batch.rows] == batch.epochs
            rows, values = batch.rows[same], probability[same]
            self._probability[rows] = values
            self._shown = self._probability.tolist()
            self._state[:, rows] = state[:, same]
            self._age[rows] += 1
            self._low[rows] = np.where(values < _RESET_PROBABILITY, self._low[rows] + 1, 0)
            worn = (self._age[rows] >= _RESET_WINDOWS) & (self._low[rows] >= _RESET_LOW_WINDOWS)
            self._start_afresh(rows[worn])

    def _shifted_out(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        windows = self._pending[rows, :WINDOW].astype(np.float32) / 32768.0
        top = int(self._fill[rows].max())
        self._pending[rows, : top - WINDOW] = self._pending[rows, WINDOW:top]
        self._fill[rows] -= WINDOW
        return windows

    def _past_gate(
        self, rows: NDArray[np.intp], windows: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        quiet = np.mean(windows * windows, axis=1) < self._gate
        self._quiet[rows] = np.where(quiet, self._quiet[rows] + 1, 0)
        stopped = self._quiet[rows] >= _GATE_WINDOWS
        silent = rows[stopped]
        self._context[silent] = windows[stopped, -_CONTEXT:]
        self._probability[silent] = 0.0
        self._start_afresh(silent)
        return rows[~stopped], windows[~stopped]

    def _start_afresh(self, rows: NDArray[np.intp]) -> None:
        self._state[:, rows] = 0.0
        self._age[rows] = 0
        self._low[rows] = 0

    def _clear(self, row: int) -> None:
        self._fill[row] = 0
        self._context[row] = 0.0
        self._state[:, row] = 0.0
        self._probability[row] = self._shown[row] = 0.0
        # A stream begins behind the closed gate: calls begin with silence.
        self._quiet[row] = _GATE_WINDOWS
        self._age[row] = 0
        self._low[row] = 0
        self._epoch[row] += 1

    def _grow(self) -> None:
        size = len(self._fill)
        self._free = list(range(size + _GROWTH - 1, size - 1, -1))
        self._pending = np.pad(self._pending, ((0, _GROWTH), (0, 0)))
        self._context = np.pad(self._context, ((0, _GROWTH), (0, 0)))
        self._state = np.pad(self._state, ((0, 0), (0, _GROWTH), (0, 0)))
        self._probability = np.pad(self._probability, (0, _GROWTH))
        self._shown += [0.0] * _GROWTH
        self._fill = np.pad(self._fill, (0, _GROWTH))
        self._quiet = np.pad(self._quiet, (0, _GROWTH))
        self._age = np.pad(self._age, (0, _GROWTH))
        self._low = np.pad(self._low, (0, _GROWTH))
        self._epoch = np.pad(self._epoch, (0, _GROWTH))


class SileroVad:
    """The detector for all calls of a process.

    `run` belongs to one thread at a time; all else may be called from any, also during `run`.

    Args:
        model_path: a Silero v5 or v6 ONNX file; the one in the pipecat wheel when None.
        gate_dbfs: the energy gate; -inf runs the network on every window.

    Raises:
        MissingModelError: no model file.
        EngineError: the file does not load.
    """

    def __init__(self, model_path: Path | None = None, *, gate_dbfs: float = GATE_DBFS) -> None:
        self._session = _session(model_path or silero_path())
        self._rate = np.array(RATE_HZ, dtype=np.int64)
        self._slots = _Slots(gate_dbfs)

    def open_stream(self) -> VadStream:
        return self._slots.open()

    def close_stream(self, stream: VadStream) -> None:
        """Leave the stream out from now on. Idempotent."""
        self._slots.close(stream)

    def __len__(self) -> int:
        """Open streams."""
        return len(self._slots)

    def run(self) -> int:
        """Bring every stream's probability up to date; returns the windows the network looked at.

        One inference where each stream has at most one full window, which is so when `run` follows
        every 20 ms tick; streams that fell behind cost further ones.

        Raises:
            EngineError: the network failed; probabilities stay as they were.
        """
        inferred = 0
        waiting = True
        while waiting:
            batch, waiting = self._slots.take()
            if batch is not None:
                self._slots.settle(batch, *self._infer(batch))
                inferred += len(batch.rows)
        return inferred

    def _infer(self, batch: _Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        inputs = {"input": batch.samples, "state": batch.state, "sr": self._rate}
        try:
            output, state = self._session.run(None, inputs)
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineError(f"voice activity detection failed: {_one_line(error)}") from error
        return output[:, 0], state


def silero_path() -> Path:
    """The Silero model that ships in the pipecat wheel, found without importing pipecat.

    Raises:
        MissingModelError: pipecat is not installed, or came without the model.
    """
    spec = find_spec("pipecat")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "audio" / "vad" / "data" / "silero_vad.onnx"
        if path.is_file():
            return path
    raise MissingModelError("silero_vad.onnx is not installed: reinstall pipecat-ai")


def _session(path: Path) -> Any:
    import onnxruntime  # 100 ms to import: only for those who listen

    ort: Any = onnxruntime
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineError(f"{path} does not load: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
