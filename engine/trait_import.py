"""Traits of other projects' files written as files of our own, with a report of what did not come over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from blake3 import blake3

from phrasemill.engine.manifest import write_atomic
from phrasemill.generators.importers.base import Imported, Remark
from phrasemill.generators.importers.formats import import_file
from phrasemill.generators.traits import load_trait, trait_hash
from phrasemill.schemas.errors import InputError, TraitError
from phrasemill.schemas.trait import Trait

REPORT_NAME: Final = "import.json"

_PREFIX: Final = re.compile(r"(?:[a-z0-9][a-z0-9_-]*)?")
"""What an id may begin with; ids are names of files too."""

_UNSEEN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that only double quotes keep; YAML takes some of them for line ends."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a file gave. ``traits``: id to line; ``written`` are the ids whose files are new or changed."""

    format: str
    blake3: str
    counts: Mapping[str, int]
    traits: Mapping[str, int]
    written: tuple[str, ...]
    changed: tuple[Remark, ...]
    left: tuple[Remark, ...]


def import_traits(
    files: Sequence[Path],
    out: Path,
    kind: str = "auto",
    prefix: str = "",
    *,
    harmful: bool = False,
    force: bool = False,
) -> dict[str, FileReport]:
    """Write ``out/<id>.yaml`` for every trait of the files and ``out/import.json``; return the reports by file.

    Nothing is written before every file is read and every trait known to be fit. A trait file that says something else
    than the import is only replaced with ``force``. The report keeps what earlier imports into the folder said of other
    files.

    Raises:
        InputError, TraitError: a prefix that no id can have, a file that is not of its format, one id for two different
            traits, or a trait file that would be overwritten.
    """
    if not _PREFIX.fullmatch(prefix):
        raise InputError(
            f"--id-prefix: got {prefix!r}, expected small letters, digits, hyphens and underscores, and no hyphen or "
            "underscore first"
        )
    found = {f"{path}": import_file(path, kind, prefix, harmful=harmful) for path in dict.fromkeys(files)}
    traits = _by_id({name: imported for name, (_, imported) in found.items()})
    texts = {trait_id: _checked(trait, out) for trait_id, trait in traits.items()}
    written = _to_write(traits, out, force=force)
    earlier = _earlier(out)
    for trait_id in written:
        write_atomic(out / f"{trait_id}.yaml", texts[trait_id].encode())
    reports = {
        name: FileReport(
            format=form,
            blake3=blake3(Path(name).read_bytes()).hexdigest(),
            counts=dict(imported.counts),
            traits={taken.trait.id: taken.line for taken in imported.traits},
            written=tuple(taken.trait.id for taken in imported.traits if taken.trait.id in written),
            changed=imported.changed,
            left=imported.left,
        )
        for name, (form, imported) in found.items()
    }
    report = {"files": earlier | {name: _plain(one) for name, one in reports.items()}}
    write_atomic(out / REPORT_NAME, orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    return reports


def trait_yaml(trait: Trait) -> str:
    """The trait as a trait file, without the keys at their default."""
    content = trait.model_dump(mode="json", exclude_defaults=True)
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _by_id(found: Mapping[str, Imported]) -> dict[str, Trait]:
    """The traits by id. Two files that differ in the probe prompts of a trait alone are one trait with all of them."""
    traits: dict[str, Trait] = {}
    origin: dict[str, str] = {}
    for name, imported in found.items():
        for taken in imported.traits:
            trait = taken.trait
            known = traits.get(trait.id)
            if known is None:
                traits[trait.id], origin[trait.id] = trait, name
                continue
            prompts = tuple(dict.fromkeys((*known.probe_prompts, *trait.probe_prompts)))
            same = {"probe_prompts": prompts, "source": known.source, "harmful": known.harmful or trait.harmful}
            traits[trait.id] = known.model_copy(update=same)
            if traits[trait.id] != trait.model_copy(update=same):
                raise TraitError(
                    f"{name}:{taken.line}: got the id {trait.id!r} for a trait, which another one in "
                    f"{origin[trait.id]} has too; import them into different folders or with another --id-prefix"
                )
    return traits


def _checked(trait: Trait, out: Path) -> str:
    """The trait's file, which reads back as the same trait."""
    text = trait_yaml(trait)
    if load_trait(out / f"{trait.id}.yaml", text) != trait:
        raise TraitError(
            f"{trait.id}: got text that a trait file cannot hold, expected printable text; look at its source"
        )
    return text


def _to_write(traits: Mapping[str, Trait], out: Path, *, force: bool) -> set[str]:
    """The ids whose files are not there, or say something else and may be replaced."""
    new, other = set(), []
    for trait_id, trait in traits.items():
        path = out / f"{trait_id}.yaml"
        if not path.exists():
            new.add(trait_id)
        elif not _same(path, trait):
            other.append(trait_id)
    if other and not force:
        names = ", ".join(f"{name}.yaml" for name in other[:5]) + (f" and {len(other) - 5} more" if other[5:] else "")
        raise TraitError(
            f"{out}: {names}: got a file that says something else than the import, expected none; it may have been "
            "edited by hand: choose another folder or --id-prefix, or replace it with --force"
        )
    return new | set(other)


def _same(path: Path, trait: Trait) -> bool:
    try:
        return trait_hash(load_trait(path)) == trait_hash(trait)
    except TraitError:
        return False


def _earlier(out: Path) -> dict[str, Any]:
    path = out / REPORT_NAME
    if not path.is_file():
        return {}
    try:
        files = orjson.loads(path.read_bytes())["files"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: got a file that is no report of an import, expected one; move it away") from error
    if not isinstance(files, dict):
        raise InputError(f"{path}: got a file that is no report of an import, expected one; move it away")
    return files


def _plain(report: FileReport) -> dict[str, Any]:
    return asdict(report)


class _Dumper(yaml.SafeDumper):
    """Writes text so that our reader takes it for text: blocks for lines, quotes where a word looks like a value."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if text[:1].isalpha() else '"'
    if _UNSEEN.search(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
