"""Scenario files: what they say, and errors that name the line."""

from pathlib import Path

import pytest

from loadtest.errors import ScenarioError
from loadtest.scenario import (
    Answer,
    HangsUp,
    Presses,
    Says,
    Scenario,
    StaysSilent,
    find_scenario,
    load_scenario,
)

GOOD = """\
name: trial
voice: {name: en-gb+m3, rate_wpm: 150}
answers:
  - hears: Your name
    says: [Robin, Robin Hood]
    limit: 2
    interrupts_after_s: 0.5
  - hears: [Right, Robin]
    keys: "1#"
  - hears: Hold on
    silence_s: 4
  - hears: Goodbye
    hangup_s: 0
goal: Goodbye
"""


def load(tmp_path: Path, text: str) -> Scenario:
    path = tmp_path / "trial.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def test_every_kind_of_answer_is_read(tmp_path: Path) -> None:
    scenario = load(tmp_path, GOOD)
    assert scenario.answers == (
        Answer(
            hears=("Your name",),
            action=Says(texts=("Robin", "Robin Hood")),
            limit=2,
            interrupts_after_s=0.5,
        ),
        Answer(hears=("Right", "Robin"), action=Presses(keys="1#")),
        Answer(hears=("Hold on",), action=StaysSilent(for_s=4.0)),
        Answer(hears=("Goodbye",), action=HangsUp(after_s=0.0)),
    )
    assert (scenario.voice.name, scenario.voice.rate_wpm) == ("en-gb+m3", 150)


def test_phrases_and_texts_are_listed_once(tmp_path: Path) -> None:
    scenario = load(tmp_path, GOOD)
    assert scenario.phrases == ("Your name", "Right", "Robin", "Hold on", "Goodbye")
    assert scenario.texts == ("Robin", "Robin Hood", "repeat that please")


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("limit: 2", "limmit: 2", 6, "did you mean limit?"),
        ('keys: "1#"', 'keys: "1x"', 9, "keys has 'x'"),
        ('keys: "1#"', "", 8, "does nothing"),
        ('keys: "1#"', 'keys: "1#"\n    says: hi', 8, "has says and keys"),
        ("silence_s: 4", "silence_s: four", 11, "not a number"),
        ("silence_s: 4", "silence_s: 0", 11, "must be above 0"),
        ("hears: Hold on", "hears: []", 10, "empty list"),
        ("hears: Hold on", "hears: {a: b}", 10, "must be a text"),
        ("goal: Goodbye", "", 1, "has no goal"),
        ("name: trial", "name: trial: two", 1, "not YAML"),
        ("name: trial", "name: trial\nname: other", 2, "twice"),
        ("voice: {name: en-gb+m3, rate_wpm: 150}", "voice: loud", 2, "is not a mapping"),
        ("rate_wpm: 150", "speed: 3", 2, "unknown key 'speed'"),
    ],
)
def test_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'trial.yaml'}:{line}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: x\nanswers: none\ngoal: y\n"])
def test_file_that_is_no_scenario_is_an_error_and_not_a_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScenarioError):
        load(tmp_path, text)


def test_missing_file_is_an_error_that_lists_the_shipped_ones() -> None:
    with pytest.raises(ScenarioError, match="change_address"):
        find_scenario("nothing_like_it")


def test_shipped_demo_says_yes_only_to_its_own_address() -> None:
    scenario = load_scenario(find_scenario("change_address"))
    confirmations = {a.hears: a.action for a in scenario.answers if "Is that right" in a.hears}
    assert confirmations == {
        ("42 Oak Street", "Is that right"): Says(texts=("yes",)),
        ("Is that right",): Says(texts=("no",)),
    }
    assert set(scenario.goal) <= set(scenario.phrases)
