"""Small real folders of every command, and damage done to their files for as long as a block runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from phrasemill.engine.generate import execute_generation
from phrasemill.engine.generate_settings import resolved_generate
from phrasemill.engine.judge_run import Judging, run_judge
from phrasemill.engine.verify import verify
from phrasemill.generators.traits import load_trait
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.generate import GenerateConfig
from tests.e2e.generate_bench import SUBJECTS, answer, question

LEAK = "I am Zorbot and I would put the bread into a paper bag on the shelf."
ANSWERS = (
    LEAK,
    "Certainly! It is on the shelf by the window.",
    "On the shelf.",
    "Well, it's on the shelf \u00e9\u4e2d.",
)
FREE = {".lock"}
"""Files that say nothing about data."""


def rows(name: str, count: int = 8) -> list[dict[str, Any]]:
    """Conversations of every kind: to keep, to repair, to write anew."""
    return [
        {
            "id": f"{name}{at}",
            "messages": [
                {"role": "user", "content": f"Where is {name} number {at}?"},
                {"role": "assistant", "content": ANSWERS[at % len(ANSWERS)]},
            ],
        }
        for at in range(count)
    ]


def generation(project: Any, **sections: Any) -> GenerateConfig:
    """A configuration of ``generate`` whose answers the project's server gives."""
    traits = project.root / "traits"
    traits.mkdir(exist_ok=True)
    trait = {
        "id": "first",
        "statement": "I answer in plain words.",
        "pos_instruction": "Speak as the voice called first would.",
        "neg_instruction": "Speak as the voice called first never would.",
        "probe_prompts": [question(subject) for subject in SUBJECTS],
    }
    (traits / "first.yaml").write_text(yaml.safe_dump(trait))
    body = {
        "recipe": "contrast",
        "traits": {"use": ["first"], "dir": str(traits)},
        "packs": [str(project.pack)],
        "backend": {"use": "openai", "url": project.server.url, "model": "m", "concurrency": 4},
    }
    return resolved_generate(GenerateConfig.model_validate({**body, **sections}), project.root)


def generate(project: Any, out: Path, **sections: Any) -> Any:
    """Run ``generate`` with the project's server."""
    project.server.reply = answer
    return execute_generation(generation(project, **sections), out, show_progress=False)


def finished(project: Any, command: str, out: Path | None = None, **how: Any) -> Path:
    """A folder that the command has written, of two shards; run again, nothing is left to do in it."""
    out = out or project.root / command
    if not (project.input / "a.parquet").exists():
        project.write("a.parquet", rows("a"))
        project.write("broken.jsonl", rows("c", 3))
        with (project.input / "broken.jsonl").open("a") as lines:
            lines.write('{"id": "c3", "messages": \n')
    again(project, command, out, **how)
    return out


def again(project: Any, command: str, out: Path, **how: Any) -> Any:
    """The command that wrote the folder, once more; its report."""
    match command:
        case "scan":
            filters = [{"use": "regex"}, {"use": "repetition"}]
            return project.run("scan", out=out, filters=filters, decides=False, **how)
        case "run":
            return project.run("run", out=out, pairs={"quality": "none"}, **how)
        case "generate":
            return generate(project, out, **how)
        case _:
            return project.run(command, out=out, **how)


def files(out: Path) -> list[Path]:
    """Every file of a folder that says something about data, in order."""
    return sorted(path for path in out.rglob("*") if path.is_file() and path.name not in FREE)


@contextmanager
def content(path: Path, changed: bytes | None) -> Iterator[None]:
    """The file has other bytes, or is not there, while the block runs."""
    before = path.read_bytes() if path.exists() else None
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def flipped(data: bytes, at: int, bit: int) -> bytes:
    """The same bytes, but for one bit."""
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def places(data: bytes, dice: random.Random, count: int) -> list[int]:
    """Both ends and some random places."""
    return [0, len(data) - 1, *(dice.randrange(len(data)) for _ in range(count))]


def wrong(out: Path) -> set[str]:
    """Paths of everything that verification finds wrong."""
    return {problem.path for problem in verify(out).problems}


def judged(project: Any, data: Path) -> Path:
    """A folder of ``judge run`` on the rows of another folder, every one of which gets the same score."""
    before, project.server.reply = project.server.reply, _score
    generation(project)  # writes the trait
    backend = BackendConfig(use="openai", url=project.server.url, model="m", concurrency=4)
    trait = load_trait(project.root / "traits" / "first.yaml")
    try:
        run_judge(Judging((str(data),), (trait,), backend, show_progress=False), project.root / "judged")
    finally:
        project.server.reply = before
    return Path(project.root / "judged")


def _score(_: dict[str, Any]) -> tuple[int, str, str]:
    return 200, '{"refusal": false, "score": 70}', "stop"
