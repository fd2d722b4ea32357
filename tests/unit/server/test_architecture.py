"""The documents say what the code does."""

from pathlib import Path

from server.architecture import DOCUMENT, updated

ROOT = Path(__file__).resolve().parents[3]


def test_state_tables_in_the_document_are_those_of_the_code():
    text = DOCUMENT.read_text()
    assert "VoiceStarted → `hear`" in text
    assert text == updated(text), "run python -m server.architecture"


def test_every_file_that_the_document_names_exists():
    text = DOCUMENT.read_text()
    rooms = text.partition("```")[2].partition("```")[0]
    room = ""
    missing: list[str] = []
    for line in rooms.splitlines():
        words = [word for word in line.split() if word.endswith((".py", "/", ".toml"))]
        if not line.startswith(" ") and words:
            room = words[0] if words[0].endswith("/") else ""
        missing += [word for word in words if not exists(room, word)]
    assert not missing


def exists(room: str, name: str) -> bool:
    return (ROOT / room / name).exists() or (ROOT / name).exists()
