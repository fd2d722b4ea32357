"""What agents choose from is the operator's to say, and is checked when the server starts."""

from pathlib import Path
from typing import Any

import pytest

from server.config import ConfigError, load_config
from server.desk.options import DeskOptions
from server.desk.protocol import Choice


def test_lists_are_the_usual_ones_where_nothing_is_set():
    desk, usual = load_config().desk, DeskOptions()
    assert (desk.dispositions, desk.away_reasons) == (usual.dispositions, usual.away_reasons)


def test_text_is_a_label_whose_code_the_records_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "frontdesk.toml"
    file.write_text(
        """[desk]
dispositions = ["Sold!", { code = "rma", label = "Goods come back" }]
away_reasons = []
"""
    )
    monkeypatch.setenv("FRONTDESK_CONFIG", str(file))
    desk = load_config().desk
    assert desk.dispositions == (
        Choice(code="sold", label="Sold!"),
        Choice(code="rma", label="Goods come back"),
    )
    assert desk.away_reasons == ()


@pytest.mark.parametrize(
    ("section", "fix"),
    [
        ({"dispositions": []}, "desk.dispositions = .*at least 1"),
        ({"dispositions": ["Sold", "Sold"]}, "the code 'sold' is there twice"),
        ({"dispositions": ["Sold", "sold!"]}, "the code 'sold' is there twice"),
        (
            {"dispositions": [{"code": "a", "label": "Sold"}, {"code": "b", "label": "Sold"}]},
            "the label 'Sold' is there twice",
        ),
        ({"dispositions": ["\u5b8c\u4e86"]}, "desk.dispositions.0 = .*give code and label"),
        ({"dispositions": [{"code": "A b", "label": "x"}]}, "small letters"),
        ({"dispositions": [{"code": "a"}]}, "desk.dispositions.0.label"),
        ({"dispositions": [7]}, "desk.dispositions.0"),
        ({"away_reasons": ["x" * 41]}, "at most 40 characters"),
        ({"away_reasons": ["two\nlines"]}, "one line"),
        ({"away_reasons": [{"code": "a", "label": " "}]}, "one line"),
        ({"away_reasons": ["Not answering"]}, "what frontdesk says itself"),
        ({"away_reasons": [f"r{n}" for n in range(25)]}, "at most 24"),
        ({"reasons": ["Lunch"]}, "desk.reasons: there is no such key"),
    ],
)
def test_list_that_could_not_be_used_is_refused_with_the_fix(section: dict[str, Any], fix: str):
    with pytest.raises(ConfigError, match=fix):
        load_config(desk=section)


def test_label_in_another_script_is_kept_with_a_code_of_the_operators():
    given = {"code": "done", "label": "\u5b8c\u4e86"}
    assert load_config(desk={"dispositions": [given]}).desk.dispositions == (Choice(**given),)
