"""A published folder loads as it is in ``datasets`` and passes through TRL's own data utilities, without torch.

TRL 1.x looks at the keys of a row in the order of a set, so what it makes of an ambiguous row depends on the hash seed.
Each check is a process of its own, under several seeds, with the two generations of TRL that trainers pin.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

SEEDS = range(4)
TRL24 = Path(sys.prefix) / "trl24"
QUESTIONS = ("How do tides work?", "What is a dovetail joint?", "Why is the sky blue?", "How does yeast raise bread?")
ANSWERS = (
    "The moon pulls on the near side of the earth more than on the far side, and the sea bulges on both.",
    "Two boards lock through wedge-shaped pins and tails, which glue alone then holds for a very long time.",
    "Air scatters short wavelengths far more than long ones, so blue light reaches you from all directions.",
    "It eats sugar and gives off carbon dioxide, which the gluten traps in small bubbles as the dough rests.",
)
OPENERS = ("Certainly! ", "", "Sure, I'd be happy to help! ", "")

LOAD = """
import json, sys
from datasets import load_dataset

out, names = sys.argv[1], sys.argv[2:]
answer = {}
for name in names:
    whole = load_dataset(out, name, split="train")
    stream = load_dataset(out, name, split="train", streaming=True)
    answer[name] = {"columns": whole.column_names, "whole": whole.to_list(), "stream": list(stream)}
print(json.dumps(answer))
"""

TRL = """
import json, sys
from datasets import Dataset, load_dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl.data_utils import (
    apply_chat_template, extract_prompt, is_conversational, maybe_extract_prompt, unpair_preference_dataset,
)

core = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
core.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]", eos_token="[UNK]", pad_token="[UNK]")
tokenizer.chat_template = (
    "{% for m in messages %}<{{m['role']}}>{{m['content']}}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
sft = load_dataset(sys.argv[1], "sft", split="train")
pairs = load_dataset(sys.argv[1], "preference", split="train")
sides = [{side: row["prompt"] + row[side] for side in ("chosen", "rejected")} for row in pairs]
unpaired = unpair_preference_dataset(pairs.select_columns(["prompt", "chosen", "rejected"]))
print(json.dumps({
    "sft_conversational": [is_conversational(row) for row in sft],
    "sft_text": [apply_chat_template(row, tokenizer)["text"] for row in sft],
    "pair_conversational": [is_conversational(row) for row in pairs],
    "pair_prompt_kept": [maybe_extract_prompt(row)["prompt"] == row["prompt"] for row in pairs],
    "pair_prompt_found": [extract_prompt(both)["prompt"] == row["prompt"] for both, row in zip(sides, pairs)],
    "pair_text": [apply_chat_template(row, tokenizer) for row in pairs],
    "unpaired": [len(unpaired), sum(unpaired["label"])],
    "torch": "torch" in sys.modules,
}))
"""


def environment(cache: Path, **more: str) -> dict[str, str]:
    """Return this process's environment, offline, with caches of its own."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    return {**os.environ, **offline, "TRANSFORMERS_VERBOSITY": "error", **more}


def conversation(number: int) -> dict[str, object]:
    """Return a row of two turns each; every second one has a system message, every other answer an opener."""
    messages = [{"role": "system", "content": "You are a patient teacher."}] if number % 2 else []
    for turn in (number, number + 1):
        which = turn % len(QUESTIONS)
        messages.append({"role": "user", "content": QUESTIONS[which]})
        messages.append({"role": "assistant", "content": OPENERS[which] + ANSWERS[which]})
    return {"id": f"row-{number}", "messages": messages}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean two files, of which only the second has a further column; return the output folder."""
    folder = tmp_path_factory.mktemp("trainers")
    for name, numbers, extra in (("a", range(12), {}), ("b", range(12, 24), {"source": "handmade"})):
        lines = (json.dumps({**conversation(number), **extra}) + "\n" for number in numbers)
        (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")
    out = folder / "out"
    command = [sys.executable, "-m", "phrasemill.engine.cli", "clean", str(folder / "*.jsonl"), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which ``datasets`` keeps what it has converted."""
    return tmp_path_factory.mktemp("cache")


def configs(out: Path) -> list[str]:
    """Return the names that the dataset card offers."""
    front = (out / "README.md").read_text("utf-8").split("---\n")[1]
    return [config["config_name"] for config in yaml.safe_load(front)["configs"]]


def test_datasets_loads_every_config_whole_and_as_a_stream(published: Path, cache: Path) -> None:
    pytest.importorskip("datasets")
    names = configs(published)
    assert {"sft", "preference"} <= set(names)
    command = [sys.executable, "-c", LOAD, str(published), *names]
    done = subprocess.run(command, env=environment(cache), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    for name in names:
        assert loaded[name]["whole"] == loaded[name]["stream"]
        assert loaded[name]["whole"]
    assert {"id", "messages", "source", "pm_action"} <= set(loaded["sft"]["columns"])
    assert {row["id"] for row in loaded["sft"]["whole"]} == {f"row-{number}" for number in range(24)}
    assert {"prompt", "chosen", "rejected", "pm_reason"} <= set(loaded["preference"]["columns"])


@pytest.mark.parametrize("era", [pytest.param("trl", id="1.16"), pytest.param("trl24", id="0.24")])
def test_trl_reads_the_same_under_every_hash_seed(published: Path, cache: Path, era: str) -> None:
    for module in ("datasets", "transformers", "trl"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if era == "trl24" and not TRL24.is_dir():
        pytest.skip("TRL 0.24 is not installed beside this environment")
    path = {"PYTHONPATH": str(TRL24)} if era == "trl24" else {}

    def ask(seed: int) -> str:
        env = environment(cache, PYTHONHASHSEED=str(seed), **path)
        command = [sys.executable, "-c", TRL, str(published)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask, SEEDS))
    assert len(set(answers)) == 1
    answer = json.loads(answers[0])
    for check in ("sft_conversational", "pair_conversational", "pair_prompt_kept", "pair_prompt_found"):
        assert answer[check]
        assert all(answer[check])
    assert all(text.count("<assistant>") == 2 for text in answer["sft_text"])
    assert not any("Certainly" in text for text in answer["sft_text"])
    for texts in answer["pair_text"]:
        assert texts["prompt"].endswith("<assistant>")
        assert texts["chosen"] != texts["rejected"]
        assert texts["rejected"].endswith(texts["chosen"])
    assert answer["unpaired"] == [2 * len(answer["pair_text"]), len(answer["pair_text"])]
    assert not answer["torch"]
