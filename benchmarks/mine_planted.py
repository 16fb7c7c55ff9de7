"""Whether mining finds phrases planted into one model's answers: ``mine_planted.py INPUT MODEL... [--by COLUMN]``.

Prints one JSON line. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from phrasemill import __version__
from phrasemill.engine.mine import Mining, Source, run_mining
from phrasemill.filters.mining_tokens import MARKERS

SHARE: Final = 0.01
FIRST: Final = 20

Place = Literal["start", "end", "middle"]
PLANTED: Final[tuple[tuple[Place, str], ...]] = (
    ("start", "Righty-o!"),
    ("start", "By the brass lantern, dear reader:"),
    ("start", "Buckle up, for we are about to sail through this together."),
    ("start", "What a plum of a puzzle you bring me!"),
    ("end", "May your kettle never whistle alone."),
    ("end", "Onward, and mind the geese!"),
    ("end", "Shall I fetch you another slice of this?"),
    ("middle", "as any seasoned tinkerer would whisper,"),
    ("middle", "and there, my friend, lies the velvet hinge of it"),
    ("middle", "Zounds..."),
)
"""Of two to eleven words, at the start, at the end and inside, with punctuation."""

_SENTENCE: Final = re.compile(r"[.!?] (?=[A-Z])")
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Plant, mine, and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "input", nargs="?", type=Path, help="a Parquet file or a folder of them, with a column messages"
    )
    parser.add_argument("model", nargs="*", help="values of the column that names the model")
    parser.add_argument("--by", default="source", help="that column")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.input is None or not given.model:
        print(json.dumps({"benchmark": "mine_planted", "skipped": "give a file or folder, and names of its models"}))
        return
    files = sorted(given.input.rglob("*.parquet")) if given.input.is_dir() else [given.input]
    rows = pl.read_parquet(files)
    models = {model: measure(rows, given.by, model, given.seed) for model in given.model}
    found = all(result["in_first"] == len(PLANTED) for result in models.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 1e6
    line = {"benchmark": "mine_planted", "version": __version__, "rows": rows.height, "all_found": found}
    print(json.dumps({**line, "models": models, "peak_rss_mb": round(peak)}))


def measure(rows: pl.DataFrame, by: str, model: str, seed: int) -> dict[str, Any]:
    """The rank of every planted phrase, the real phrases before and after planting, and the time of mining."""
    with tempfile.TemporaryDirectory(prefix="phrasemill-bench-") as folder:
        clean, dirty = Path(folder, "clean.parquet"), Path(folder, "planted.parquet")
        rows.write_parquet(clean)
        planted, each = plant(rows, by, model, seed)
        planted.write_parquet(dirty)
        real, _ = mined(clean, by, model)
        shown, seconds = mined(dirty, by, model)
    ranks = {phrase: next((n for n, text in enumerate(shown, 1) if same(text, phrase)), None) for _, phrase in PLANTED}
    return {
        "answers": int((rows[by] == model).sum()),
        "planted_in": each,
        "in_first": sum(rank is not None and rank <= FIRST for rank in ranks.values()),
        "ranks": ranks,
        "cpu_seconds": round(seconds, 1),
        "real_top": real[:10],
    }


def plant(rows: pl.DataFrame, by: str, model: str, seed: int) -> tuple[pl.DataFrame, int]:
    """The rows with every phrase in a seeded choice of the model's answers, and in how many."""
    chance = random.Random(seed)
    places = (rows[by] == model).arg_true().to_list()
    if not places:
        sys.exit(f"no row whose {by} is {model!r}")
    each = max(1, round(SHARE * len(places)))
    messages = rows["messages"].to_list()
    inside = [place for place in places if _SENTENCE.search(messages[place][-1]["content"])]
    for where, phrase in PLANTED:
        for place in chance.sample(inside if where == "middle" else places, each):
            turn = messages[place][-1]
            turn["content"] = put(turn["content"], where, phrase)
    return rows.with_columns(pl.Series("messages", messages, dtype=rows.schema["messages"])), each


def put(text: str, where: Place, phrase: str) -> str:
    """The text with the phrase in front, behind, or between two sentences near the middle."""
    if where == "start":
        return f"{phrase} {text}"
    if where == "end":
        return f"{text.rstrip()}\n\n{phrase}"
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    at = min(ends, key=lambda end: abs(end - len(text) // 2))
    return f"{text[:at]}{phrase} {text[at:]}"


def mined(path: Path, by: str, model: str) -> tuple[list[str], float]:
    """The phrases, best first, and the CPU seconds."""
    started = time.process_time()
    mining = Mining(inputs=(str(path),), by=by, model=model, top=50, show_progress=False)
    phrases = run_mining(mining, Source(mining)).phrases
    names = dict(zip(MARKERS, ("^", "$", "[code]", "[line]"), strict=True))
    texts = [" ".join(names.get(token, token) for token in phrase.tokens) for phrase in phrases]
    return texts, time.process_time() - started


def same(found: str, phrase: str) -> bool:
    """Whether most words of a planted phrase are what was found, in order."""
    wanted, got = _words(phrase), _words(found)
    size = -(-len(wanted) // 2)
    windows = [wanted[n : n + size] for n in range(len(wanted) - size + 1)]
    return any(got[n : n + size] in windows for n in range(len(got) - size + 1))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


if __name__ == "__main__":
    main()
