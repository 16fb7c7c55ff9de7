"""Rule packs by name or path: read, checked, compiled. A pack is data, and is refused with file and line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import blake3
import orjson

from phrasemill.filters.cache import cached
from phrasemill.filters.compiled import CompiledRule, compile_pack
from phrasemill.filters.factor import Need
from phrasemill.schemas.complaints import shown
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import PackError
from phrasemill.schemas.rule import Rule, RulePack

PACKS: Final = Path(__file__).parent / "packs"
"""Where the packs that ship with phrasemill are: a file ``NAME.yaml`` or a folder ``NAME`` of them."""


def shipped_packs() -> list[str]:
    """Names of the packs that ship, sorted."""
    return sorted({path.stem for path in PACKS.iterdir() if path.is_dir() or path.suffix == ".yaml"})


def pack_files(name: str) -> list[Path]:
    """The files of a pack, sorted: a shipped name, a YAML file or a folder of YAML files."""
    shipped = shipped_packs()
    candidates = (PACKS / name, PACKS / f"{name}.yaml") if name in shipped else (Path(name),) if name.strip() else ()
    for candidate in candidates:
        if os.path.isdir(candidate):
            if files := sorted(candidate.glob("*.yaml")):
                return files
        elif os.path.isfile(candidate):
            return [candidate]
    raise PackError(
        f"no pack {shown(name)}: neither a shipped pack ({', '.join(shipped)}) nor a YAML file or a folder of them"
    )


def read_pack_file(path: Path) -> RulePack:
    """One file of a pack, checked against the schema; PackError names file and line."""
    return parse_model(RulePack, read_document(path), PackError)


def load_rules(names: Sequence[str]) -> tuple[CompiledRule, ...]:
    """All rules of the named packs, in order and with their examples; rule ids are unique over all of them."""
    rules: list[CompiledRule] = []
    seen: dict[str, Path] = {}
    for name in names:
        for path in pack_files(name):
            for rule in compile_pack(read_pack_file(path), str(path)):
                if rule.rule.id in seen:
                    raise PackError(f"{path}: rule {rule.rule.id!r} is already in {seen[rule.rule.id]}; rename one")
                seen[rule.rule.id] = path
                rules.append(rule)
    if not rules:
        raise PackError(f"the packs {', '.join(names)} hold no rule")
    return tuple(rules)


def ready_rules(names: Sequence[str]) -> tuple[CompiledRule, ...]:
    """The same rules without their examples, from the cache where the packs were loaded before."""
    contents = [path.read_bytes() for name in names for path in pack_files(name)]
    known = cached("rules", contents, lambda: _pack(load_rules(names)))
    return tuple(
        CompiledRule(
            rule=Rule.model_validate(plain["rule"]),
            pack=plain["pack"],
            language=plain["language"],
            pattern=plain["pattern"],
            probe=plain["probe"],
            needs=Need.from_plain(plain["needs"]),
            span_group=plain["span_group"],
            cut_group=plain["cut_group"],
            unless=tuple(plain["unless"]),
        )
        for plain in orjson.loads(known)
    )


def _pack(rules: Sequence[CompiledRule]) -> bytes:
    plain = [
        {
            "rule": rule.rule.model_dump(mode="json", exclude={"examples", "note"}),
            "pack": rule.pack,
            "language": rule.language,
            "pattern": rule.pattern,
            "probe": rule.probe,
            "needs": rule.needs.plain(),
            "span_group": rule.span_group,
            "cut_group": rule.cut_group,
            "unless": rule.unless,
        }
        for rule in rules
    ]
    return orjson.dumps(plain)


def packs_fingerprint(names: Sequence[str]) -> str:
    """A hash of the content of the packs' files, in order: what their findings depend on."""
    digest = blake3.blake3()
    for name in names:
        for path in pack_files(name):
            digest.update(path.read_bytes())
            digest.update(b"\0")
    return digest.hexdigest()[:32]
