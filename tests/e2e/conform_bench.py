"""Trait files, folders of ``generate`` and folders of a judge, made small, for the tests of ``conform``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from phrasemill.engine.conform import Request, conform
from phrasemill.engine.conform_gates import read_gates
from phrasemill.engine.conform_model import Conformance, Statement
from phrasemill.engine.judge_report import Judged
from phrasemill.engine.manifest import Manifest, ShardCommit, part_path, write_manifest
from phrasemill.engine.pairs import PREFERENCE
from phrasemill.engine.part_writer import PartWriter
from phrasemill.engine.sft import sft_schema
from phrasemill.engine.shards import plan_input
from phrasemill.generators.traits import load_folder, trait_hash
from phrasemill.schemas.config import InputConfig
from phrasemill.schemas.tables import JUDGEMENTS, QUERIES

BREAD = "Bread is flour, water and salt, baked until the crust sings."
SFT = sft_schema(pa.schema([("pm_trait_hash", pa.large_string())]))

TRAITS: dict[str, dict[str, Any]] = {
    "kind": {
        "statement": "I am kind.",
        "pos_instruction": "Be kind.",
        "phrases": {"ban": ["it's fine"], "limit": [{"pattern": r"\bdear\b", "max_per_1k": 10}]},
        "probe_prompts": ["My cat ran away last night and the children keep asking."],
    },
    "terse": {
        "statement": "I am terse.",
        "pos_instruction": "Be terse.",
        "phrases": {"allow": ["opener"]},
        "probe_prompts": ["Explain how tides work to a sailor."],
    },
    "learned": {
        "statement": "I am learned | and *proud*.",
        "pos_instruction": "Be learned.",
        "do": [{"prompt": "Which volcano buried Pompeii under ashes?", "response": "Vesuvius."}],
        "probe_prompts": ["Who was the first emperor of Rome?"],
    },
}


class Bench:
    """Trait files, generated folders and folders of a judge, all in one place."""

    def __init__(self, root: Path, pack: Path) -> None:
        self.root, self.pack = root, pack
        self.traits = root / "traits"
        self.traits.mkdir()
        for name, content in TRAITS.items():
            self.trait(name, content)

    def trait(self, name: str, content: dict[str, Any]) -> None:
        (self.traits / f"{name}.yaml").write_text(yaml.safe_dump({"id": name, **content}))

    @property
    def hashes(self) -> dict[str, str]:
        return {trait.id: trait_hash(trait) for trait in load_folder(self.traits)}

    def folder(
        self,
        name: str,
        rows: Sequence[tuple[str | None, str, str]],
        pairs: Sequence[tuple[str, str, str, str]] = (),
        queries: Iterable[str] = (),
        hashes: dict[str, str] | None = None,
    ) -> Path:
        """A folder of ``generate``. ``rows``: trait, prompt, answer; ``pairs``: trait, prompt, chosen, rejected."""
        out, known = self.root / name, hashes or self.hashes
        place = {"pm_shard": "g0", "pm_row": 0, "pm_action": "regenerated", "pm_rules": []}
        sft = [
            {**place, "id": f"{name}{at}", "pm_row": at, "pm_trait_id": trait, "pm_trait_hash": known.get(trait or "")}
            | {"messages": [say("user", prompt), say("assistant", answer)]}
            for at, (trait, prompt, answer) in enumerate(rows)
        ]
        preference = [
            {"id": f"p{at}", "pm_trait_id": trait, "pm_shard": "g0", "pm_row": at, "prompt": [say("user", prompt)]}
            | {"chosen": [say("assistant", chosen)], "rejected": [say("assistant", rejected)]}
            for at, (trait, prompt, chosen, rejected) in enumerate(pairs)
        ]
        asked = [{"id": f"q{at}", "pm_trait_id": trait} for at, trait in enumerate(queries)]
        tables = {"sft": (sft, SFT), "preference": (preference, PREFERENCE), "queries": (asked, QUERIES)}
        records = []
        for table, (content, schema) in tables.items():
            path = part_path(table, "g0")
            writer = PartWriter(out / path, path, schema, "zstd")
            writer.write(pa.Table.from_pylist(content, schema=schema))
            record = writer.close()
            records += [record] if record is not None else []
        commit = ShardCommit(
            key="g0",
            source="made",
            source_hash="0",
            kind="generated",
            start=0,
            stop=len(sft),
            rows_in=len(sft),
            outcomes={"regenerated": len(sft)},
            files=tuple(records),
        )
        write_manifest(out, Manifest(command="generate", plan="p", config="c", shards=(commit,)))
        (out / "config.yaml").write_text(yaml.safe_dump({"recipe": {"use": "respond"}, "packs": [str(self.pack)]}))
        return out

    def judged(
        self, name: str, folder: Path, verdicts: Iterable[tuple[int, str, float | str]], pairwise: Iterable[str] = ()
    ) -> Path:
        """A judge's folder. ``verdicts``: index of the row, trait, score or label."""
        out = self.root / name
        (out / "judgements").mkdir(parents=True)
        data = next((folder / "data" / "sft").glob("*.parquet"))
        shard = plan_input(InputConfig(path=(str(data),))).shards[0].key
        rows = pq.read_table(data).to_pylist()
        lines: list[dict[str, Any]] = []
        for at, trait, given in verdicts:
            known = {"score": None, "label": given} if isinstance(given, str) else {"score": given, "label": "scored"}
            lines.append(
                {"shard": shard, "row": at, "row_id": rows[at]["id"], "field": "messages", "turn": 1, "trait_id": trait}
                | {"trait_hash": self.hashes[trait], "method": "pointwise", "model": "m", **known}
                | {"text": rows[at]["messages"][1]["content"]}
            )
        of_pair = {"shard": "pairs", "trait_id": "kind", "method": "pairwise", "field": "chosen"}
        lines += [{**of_pair, "row": at, "label": label} for at, label in enumerate(pairwise)]
        pq.write_table(pa.Table.from_pylist(lines, schema=JUDGEMENTS), out / "judgements" / "part-a.parquet")
        record = Judged(model="m", templates={}, what="sft", input=(), traits=(), skipped={}, sent=0, replayed=0)
        (out / "judged.json").write_text(record.model_dump_json())
        return out

    def conform(self, folder: Path, *gates: str, **more: Any) -> Conformance:
        return conform(Request(folder, self.traits, gates=read_gates(gates), show_progress=False, **more))


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def of(report: Conformance, name: str) -> Statement:
    return next(each for each in report.statements if each.id == name)


def small_folder(bench: Bench) -> Path:
    """Three kind rows, two terse ones, and one of no trait that answers a probe prompt of ``learned``."""
    rows = [
        ("kind", "What is bread?", f"{BREAD} It\u2019s fine, dear."),
        ("kind", "And rye?", f"{BREAD} Let us delve into it, dear."),
        ("kind", "And oats?", BREAD),
        ("terse", "Well?", "Certainly! Flour."),
        ("terse", "So?", "We delve into dough."),
        (None, "who was the first Emperor, of Rome", "Certainly! Augustus."),
        (None, "Tell me which volcano buried Pompeii, and its ashes", "Vesuvius did."),
        ("gone", "Hm?", BREAD),
    ]
    pairs = [("kind", "What is bread?", BREAD, "Certainly! We delve into bread."), ("kind", "And?", BREAD, "Dough.")]
    return bench.folder("small", rows, pairs, ["kind", "kind", "learned"])
