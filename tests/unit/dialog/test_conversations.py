"""Every conversation in tests/conversations goes as it is written, with the real intent engine."""

from pathlib import Path

import pytest

from dialog.flow import Flow, load_flow
from dialog.testing import Player, load_conversation
from models.intent import IntentEngine, train_intents

_ROOT = Path(__file__).parents[3]
_CONVERSATIONS = sorted((_ROOT / "tests" / "conversations").glob("*.yaml"))


@pytest.fixture(scope="module")
def flow() -> Flow:
    return load_flow(_ROOT / "dialog" / "flows" / "orders.yaml")


@pytest.fixture(scope="module")
def engine(flow: Flow) -> IntentEngine:
    return train_intents(flow.examples)


@pytest.mark.parametrize("path", _CONVERSATIONS, ids=lambda path: path.stem)
def test_conversation_goes_as_written(path: Path, flow: Flow, engine: IntentEngine) -> None:
    Player(load_conversation(path), flow, engine).play()


def test_there_are_conversations() -> None:
    assert len(_CONVERSATIONS) >= 20
