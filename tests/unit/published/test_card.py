"""The dataset card lists the data, and nothing but the data, for loaders; and says the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from phrasemill.engine.card import described_action, render_card
from phrasemill.engine.manifest import Manifest, read_manifest
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.policy import Policy


def front_matter(card: str) -> dict[str, Any]:
    _, front, _ = card.split("---\n", 2)
    loaded: dict[str, Any] = yaml.safe_load(front)
    return loaded


def test_the_front_matter_lists_the_files_of_the_manifest(out: Path) -> None:
    sft, preference = front_matter((out / "README.md").read_text())["configs"]
    paths = ["data/sft/part-aa.parquet", "data/sft/part-bb.parquet"]
    assert sft == {"config_name": "sft", "data_files": [{"split": "train", "path": paths}], "default": True}
    assert preference["config_name"] == "preference"
    assert preference["data_files"][0]["path"] == [path.replace("sft", "preference") for path in paths]
    assert all((out / path).is_file() for path in paths)


def test_a_folder_without_data_lists_none(empty_out: Path, config: RunConfig) -> None:
    scan = Manifest(command="scan", plan="p", config="c")
    for card in ((empty_out / "README.md").read_text(), render_card(scan, config)):
        front = front_matter(card)
        assert "configs" not in front
        assert front["viewer"] is False
    assert "nothing was changed or published" in render_card(scan, config)


def test_the_card_counts_and_says_how_and_under_which_licence(out: Path) -> None:
    card = (out / "README.md").read_text()
    for line in (
        "Of 8 conversations, 6 are published as SFT data, with 5 preference pairs.",
        "| repaired | 4 | 50.00% |",
        "| opener | 4 | 50.00% | 4 | 1 | strip, else regenerate | 0 |",
        "| identity_leak | 2 | 25.00% | 2 | 0 | regenerate | 0 |",
        "| withheld: length | 1 |",
        "rule packs: core-en; filters: regex",
        "The licence of the input applies",
        "plan `plan-1`",
    ):
        assert line in card


def test_the_card_is_the_same_in_every_folder(out: Path, config: RunConfig) -> None:
    card = (out / "README.md").read_text()
    assert render_card(read_manifest(out), config) == card
    assert str(out) not in card


def test_a_sample_is_called_a_sample(config: RunConfig) -> None:
    limited = Manifest(command="clean", plan="p", config="c", limit=2000, seed=7)
    assert "a sample of 2,000 rows, drawn with seed 7" in render_card(limited, config)
    head = Manifest(command="clean", plan="p", config="c", head=50)
    assert "the first 50 rows" in render_card(head, config)


def test_actions_are_described_with_their_second_choice() -> None:
    policy = Policy.model_validate({"actions": {"slop": {"do": "strip", "otherwise": "tag"}, "hedge": "drop"}})
    assert described_action(policy, "slop") == "strip, else tag"
    assert described_action(policy, "hedge") == "drop"
    assert described_action(policy, "from_a_pack") == "tag"
