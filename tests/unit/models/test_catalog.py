"""The catalogue: every entry is complete, and a model is found, checked and listed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models import catalog
from models.catalog import MANIFEST, ContextRule, Kind, Rule, Source, State
from models.errors import DamagedModelError, MissingModelError, UnknownModelError

PULLED = "whisper-base.en"


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONTDESK_MODELS", str(tmp_path))
    return tmp_path


def install(name: str, contents: dict[str, bytes]) -> Path:
    """What pulling leaves behind."""
    folder = catalog.pulled_folder(catalog.entry(name))
    folder.mkdir(parents=True)
    files: dict[str, dict[str, object]] = {}
    for file, content in contents.items():
        (folder / file).write_bytes(content)
        files[file] = {"size": len(content), "sha256": catalog.sha256_of(folder / file)}
    (folder / MANIFEST).write_text(json.dumps({"repo": "r", "revision": "c", "files": files}))
    return folder


def all_files(name: str) -> dict[str, bytes]:
    return {file: file.encode() for file in catalog.entry(name).files}


def test_bundled_model_is_whole():
    assert (catalog.verify("frontdesk-small") / "model.bin").stat().st_size < 12_000_000


@pytest.mark.parametrize("name", list(catalog.entries()))
def test_every_entry_is_complete(name: str):
    entry = catalog.entry(name)
    assert entry.licence
    assert entry.language
    assert (entry.context is not None) == (entry.kind is Kind.STT)
    match entry.source:
        case Source.HUGGINGFACE:
            assert "/" in entry.repo
            assert entry.revision
            assert entry.size > 10_000_000
            assert entry.files
        case Source.BUNDLED:
            assert all(file.sha256 and file.size for file in entry.files.values())
        case Source.BUILTIN:
            assert entry.package


def test_stock_whisper_never_gets_short_contexts():
    for entry in catalog.entries().values():
        if entry.kind is Kind.STT and entry.source is Source.HUGGINGFACE:
            assert entry.context is not None
            assert entry.context.seconds(0.5) >= 10.0


def test_voices_whose_data_forbid_it_are_marked_not_for_commercial_use():
    assert not catalog.entry("en_US-lessac-medium").commercial
    assert catalog.entry("en_GB-alba-medium").commercial


@pytest.mark.parametrize(
    ("rule", "speech_s", "context_s"),
    [
        (ContextRule(rule=Rule.EXACT, margin_s=0.5), 2.0, 2.5),
        (ContextRule(rule=Rule.EXACT, margin_s=0.5), 29.9, 30.0),
        (ContextRule(rule=Rule.FLOOR, floor_s=10.0, margin_s=2.0), 2.0, 10.0),
        (ContextRule(rule=Rule.FLOOR, floor_s=10.0, margin_s=2.0), 9.0, 11.0),
        (ContextRule(rule=Rule.FULL), 2.0, 30.0),
        (ContextRule(rule=Rule.EXACT, step_s=0.5), 2.01, 2.5),
        (ContextRule(rule=Rule.EXACT, step_s=0.5), 2.5, 2.5),
        (ContextRule(rule=Rule.EXACT, step_s=0.5), 29.9, 30.0),
    ],
)
def test_context_rules(rule: ContextRule, speech_s: float, context_s: float):
    assert rule.seconds(speech_s) == context_s


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        (ContextRule(rule=Rule.EXACT), False),
        (ContextRule(rule=Rule.EXACT, step_s=0.5), True),
        (ContextRule(rule=Rule.FLOOR, floor_s=10.0), True),
        (ContextRule(rule=Rule.FULL), True),
    ],
)
def test_rules_that_give_many_utterances_one_length(rule: ContextRule, shares: bool):
    assert rule.shares_lengths is shares


def test_folders_are_models_too(tmp_path: Path):
    assert catalog.locate(str(tmp_path)) == tmp_path
    assert catalog.verify(str(tmp_path)) == tmp_path


def test_a_folder_states_how_much_its_encoder_hears(tmp_path: Path):
    assert catalog.stated_context(tmp_path) is None
    rule = ContextRule(rule=Rule.EXACT, margin_s=0.5, longest_s=9.0, step_s=0.5)
    catalog.state_context(tmp_path, rule)
    assert catalog.stated_context(tmp_path) == rule


@pytest.mark.parametrize("stated", ["", "{}", "[]", '{"context": {}}', '{"context": {"rule": 3}}'])
def test_a_folder_that_states_nonsense_is_damaged(tmp_path: Path, stated: str):
    (tmp_path / catalog.STATED).write_text(stated)
    with pytest.raises(DamagedModelError, match="states no context rule"):
        catalog.stated_context(tmp_path)


def test_unknown_names_get_a_suggestion():
    with pytest.raises(UnknownModelError, match="did you mean whisper-small"):
        catalog.locate("whisper-smal")
    with pytest.raises(UnknownModelError, match="models list"):
        catalog.locate("/nowhere/at/all")


def test_a_model_that_was_not_pulled_says_how():
    with pytest.raises(MissingModelError, match=f"run ./frontdesk models pull {PULLED}$"):
        catalog.locate(PULLED)


def test_a_pulled_model_is_located():
    folder = install(PULLED, all_files(PULLED))
    assert catalog.verify(PULLED) == folder


def test_a_file_of_another_size_is_found_without_reading_it():
    folder = install(PULLED, all_files(PULLED))
    (folder / "model.bin").write_bytes(b"short")
    with pytest.raises(DamagedModelError, match=r"model\.bin is damaged \(5 bytes, not 9\)"):
        catalog.locate(PULLED)


def test_a_missing_file_is_damage():
    folder = install(PULLED, all_files(PULLED))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DamagedModelError, match=r"tokenizer\.json is missing"):
        catalog.locate(PULLED)


@pytest.mark.parametrize("manifest", ["", "[]", '{"files": {"model.bin": {}}}', "{}"])
def test_a_broken_manifest_is_damage_not_a_crash(manifest: str):
    folder = install(PULLED, all_files(PULLED))
    (folder / MANIFEST).write_text(manifest)
    with pytest.raises(DamagedModelError, match="is damaged") as raised:
        catalog.locate(PULLED)
    assert "\n" not in str(raised.value)


def test_a_damaged_bundled_file_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(catalog.locate("frontdesk-small"), tmp_path / "bundled" / "stt")
    monkeypatch.setattr(catalog, "_BUNDLED", tmp_path / "bundled")
    weights = tmp_path / "bundled" / "stt" / "model.bin"
    content = bytearray(weights.read_bytes())
    content[1000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DamagedModelError, match=r"model\.bin is damaged \(sha256 [0-9a-f]{64}\)"):
        catalog.verify("frontdesk-small")


def test_listing_shows_each_state():
    install("whisper-tiny", all_files("whisper-tiny"))
    folder = install("whisper-base", all_files("whisper-base"))
    (folder / "config.json").unlink()
    states = {row.name: row.state for row in catalog.listing()}
    assert states["frontdesk-small"] is State.BUNDLED
    assert states["espeak"] is State.BUNDLED
    assert states["whisper-tiny"] is State.READY
    assert states["whisper-base"] is State.DAMAGED
    assert states["whisper-small"] is State.NOT_PULLED


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FRONTDESK_MODELS", str(tmp_path / "mine"))
    assert catalog.cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("FRONTDESK_MODELS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert catalog.cache_dir() == tmp_path / "frontdesk" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.cache_dir() == tmp_path / ".cache" / "frontdesk" / "models"


def test_listing_models_loads_no_engine():
    program = (
        "import sys; from models import catalog; catalog.listing();"
        "print([m for m in ('numpy', 'onnxruntime', 'ctranslate2', 'faster_whisper', 'piper',"
        " 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
