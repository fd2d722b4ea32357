"""The models frontdesk knows: what they are, where they are, whether they are whole.

The entries are in catalog.toml. A model is bundled with the code, built into an installed package,
or pulled into the cache folder by models/pull.py, which leaves a manifest beside the files with the
hashes the hub stated. A path to a folder is a model too: one of the operator's own.

This module imports in a few milliseconds: the command line lists models without loading any.
"""

import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from models.confidence import Confidence
from models.errors import DamagedModelError, MissingModelError, UnknownModelError

_HERE: Final = Path(__file__).parent
_BUNDLED: Final = _HERE / "bundled"

MANIFEST: Final = "frontdesk-model.json"
"""Beside a pulled model's files: {"repo", "revision", "files": {name: {"size", "sha256"}}}."""


STATED: Final = "frontdesk.json"
"""Beside the files of a model of the operator's own: {"context": a context rule as in the
catalogue}, for those that were trained for short inputs."""

MAX_CONTEXT_S: Final = 30.0
"""Whisper's positional embeddings end here."""


class Kind(StrEnum):
    STT = "stt"  # speech to text
    TTS = "tts"  # text to speech
    VAD = "vad"  # voice activity


class Source(StrEnum):
    BUNDLED = "bundled"  # comes with frontdesk
    BUILTIN = "builtin"  # comes with an installed package
    HUGGINGFACE = "huggingface"  # is pulled


class Rule(StrEnum):
    EXACT = "exact"  # the utterance and a margin
    FLOOR = "floor"  # the same, and at least floor_s
    FULL = "full"  # always 30 s, as Whisper was trained


class State(StrEnum):
    BUNDLED = "bundled"
    READY = "ready"
    NOT_PULLED = "not pulled"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRule:
    """How much audio a Whisper encoder is given for an utterance.

    step_s: lengths are rounded up to its multiples, so that utterances of several calls have the
    same one and can be decoded together; 0: they are not rounded.
    """

    rule: Rule = Rule.FULL
    margin_s: float = 0.0
    floor_s: float = 0.0
    longest_s: float = MAX_CONTEXT_S  # longer utterances are cut: the model saw none in training
    step_s: float = 0.0

    @property
    def shares_lengths(self) -> bool:
        """Whether many utterances are given the same length."""
        return self.rule is not Rule.EXACT or self.step_s > 0

    def seconds(self, speech_s: float) -> float:
        """Length of the encoder's input for `speech_s` of audio, at most 30 s."""
        match self.rule:
            case Rule.EXACT:
                wanted_s = speech_s + self.margin_s
            case Rule.FLOOR:
                wanted_s = max(self.floor_s, speech_s + self.margin_s)
            case Rule.FULL:
                wanted_s = MAX_CONTEXT_S
        if self.step_s > 0:
            wanted_s = math.ceil(round(wanted_s / self.step_s, 6)) * self.step_s
        return min(MAX_CONTEXT_S, wanted_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file of a model; size and hash are None where only the hub knows them."""

    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model of the catalogue."""

    name: str
    kind: Kind
    version: str
    language: str
    licence: str
    source: Source
    size: int  # bytes to download or on disk, rounded
    commercial: bool = True  # the weights' licence allows commercial use
    folder: str = ""
    repo: str = ""
    revision: str = ""
    package: str = ""
    context: ContextRule | None = None
    confidence: Confidence | None = None  # fitted on this model; None: on the bundled one
    prompts: bool = False  # understands words to expect as a prompt
    files: Mapping[str, ModelFile] = field(default_factory=dict[str, ModelFile])


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of `./frontdesk models list`."""

    name: str
    kind: Kind
    language: str
    licence: str
    size: int
    state: State


@cache
def entries() -> Mapping[str, Entry]:
    """All entries by name, in the order of catalog.toml."""
    with (_HERE / "catalog.toml").open("rb") as file:
        tables = cast(dict[str, dict[str, Any]], tomllib.load(file))
    return {name: _entry(name, table) for name, table in tables.items()}


def entry(name: str) -> Entry:
    """The entry of that name.

    Raises:
        UnknownModelError: there is none; the message names the nearest.
    """
    found = entries().get(name)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(name, entries(), n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see ./frontdesk models list"
        raise UnknownModelError(f"no model {name!r}{hint}")
    return found


def cache_dir() -> Path:
    """Where pulled models live: $FRONTDESK_MODELS, else frontdesk/ in the user's cache folder."""
    if chosen := os.environ.get("FRONTDESK_MODELS"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "frontdesk" / "models"


def locate(name: str) -> Path:
    """The folder of a model; a Piper voice given as an `.onnx` file is returned as it is.

    Files are checked for presence and size only; `verify` reads them.

    Raises:
        UnknownModelError: neither in the catalogue nor a path that exists.
        MissingModelError: not pulled, or its package is not installed.
        DamagedModelError: a file is missing or has another size.
    """
    if name not in entries() and (path := Path(name).expanduser()).exists():
        return path
    found = entry(name)
    folder = _folder(found)
    for file, expected in _expected(found, folder).items():
        path = folder / file
        if not path.is_file():
            raise DamagedModelError(f"model file {path} is missing; {_remedy(found)}")
        size = path.stat().st_size
        if expected.size is not None and size != expected.size:
            raise DamagedModelError(
                f"model file {path} is damaged ({size} bytes, not {expected.size});"
                f" {_remedy(found)}"
            )
    return folder


def verify(name: str) -> Path:
    """`locate`, with every file's hash computed where one is known.

    Raises:
        DamagedModelError: also when a file's content is not what it should be.
    """
    folder = locate(name)
    found = entries().get(name)
    if found is None:
        return folder
    for file, expected in _expected(found, folder).items():
        if expected.sha256 is None:
            continue
        actual = sha256_of(folder / file)
        if actual != expected.sha256:
            raise DamagedModelError(
                f"model file {folder / file} is damaged (sha256 {actual}); {_remedy(found)}"
            )
    return folder


def listing(*, check: bool = False) -> tuple[Row, ...]:
    """A row for each model of the catalogue; with `check`, their hashes are computed."""
    return tuple(
        Row(
            name=found.name,
            kind=found.kind,
            language=found.language,
            licence=found.licence,
            size=found.size,
            state=_state(found, check=check),
        )
        for found in entries().values()
    )


def stated_context(folder: Path) -> ContextRule | None:
    """The context rule that a folder outside the catalogue states; None where it states none.

    Raises:
        DamagedModelError: it states something that is no rule.
    """
    path = folder / STATED
    if not path.is_file():
        return None
    try:
        return _context(json.loads(path.read_text())["context"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedModelError(f"model file {path} states no context rule ({error})") from error


def state_context(folder: Path, rule: ContextRule) -> None:
    """Write a folder's context rule into it.

    Raises:
        OSError: it cannot be written.
    """
    folder.joinpath(STATED).write_text(json.dumps({"context": asdict(rule)}, indent=1) + "\n")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pulled_folder(found: Entry) -> Path:
    """Where a pulled model is or will be; its version is part of the path."""
    return cache_dir() / found.kind / f"{found.name}@{found.revision}"


def _state(found: Entry, *, check: bool) -> State:
    try:
        (verify if check else locate)(found.name)
    except MissingModelError:
        return State.NOT_PULLED
    except DamagedModelError:
        return State.DAMAGED
    return State.READY if found.source is Source.HUGGINGFACE else State.BUNDLED


def _folder(found: Entry) -> Path:
    match found.source:
        case Source.BUNDLED:
            return _BUNDLED / found.folder
        case Source.BUILTIN:
            spec = find_spec(found.package)
            if spec is None or not spec.submodule_search_locations:
                raise MissingModelError(f"{found.name} needs the package {found.package}")
            return Path(next(iter(spec.submodule_search_locations)))
        case Source.HUGGINGFACE:
            folder = pulled_folder(found)
            if not folder.is_dir():
                raise MissingModelError(
                    f"model {found.name} is not on this machine; {_remedy(found)}"
                )
            return folder


def _expected(found: Entry, folder: Path) -> Mapping[str, ModelFile]:
    """The files that must be there, with what the manifest adds to the catalogue."""
    if found.source is not Source.HUGGINGFACE:
        return found.files
    try:
        stated = json.loads((folder / MANIFEST).read_text())["files"]
        known = {
            name: ModelFile(size=int(of["size"]), sha256=str(of["sha256"]))
            for name, of in stated.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedModelError(
            f"model file {folder / MANIFEST} is damaged ({type(error).__name__}); {_remedy(found)}"
        ) from error
    return {name: known.get(name, ModelFile()) for name in [*found.files, *known]}


def _remedy(found: Entry) -> str:
    if found.source is Source.HUGGINGFACE:
        return f"run ./frontdesk models pull {found.name}"
    return "install frontdesk again"


def _entry(name: str, table: Mapping[str, Any]) -> Entry:
    values = dict(table)
    context: dict[str, Any] | None = values.pop("context", None)
    confidence: dict[str, float] | None = values.pop("confidence", None)
    files: dict[str, dict[str, Any]] = values.pop("files", {})
    return Entry(
        name=name,
        kind=Kind(values.pop("kind")),
        source=Source(values.pop("source")),
        context=None if context is None else _context(context),
        confidence=None if confidence is None else Confidence(**confidence),
        files={file: ModelFile(**known) for file, known in files.items()},
        **values,
    )


def _context(table: Mapping[str, Any]) -> ContextRule:
    return ContextRule(
        rule=Rule(table["rule"]),
        margin_s=float(table.get("margin_s", 0.0)),
        floor_s=float(table.get("floor_s", 0.0)),
        longest_s=float(table.get("longest_s", MAX_CONTEXT_S)),
        step_s=float(table.get("step_s", 0.0)),
    )
