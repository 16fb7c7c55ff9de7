"""The files of an output folder that belong to no shard, and the order in which a run that ends writes them.

The manifest is the last: it names the others with their checksums, so it never speaks of a file that is not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from phrasemill.engine.card import CARD_NAME, write_card
from phrasemill.engine.catalog import CATALOG_NAME, write_catalog
from phrasemill.engine.manifest import Manifest, is_whole, plain_record, read_manifest, write_manifest
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.generate import GenerateConfig

CONFIG_NAME: Final = "config.yaml"
STATISTICS: Final = "_statistics"

ALWAYS: Final = (CARD_NAME, CATALOG_NAME, CONFIG_NAME)
"""Files that every finished folder has."""

_SOMETIMES: Final = ("_schema.arrow", "generation.json")


def compile_folder(out: Path, manifest: Manifest, config: RunConfig | GenerateConfig) -> Manifest:
    """Write catalog, card and, last, ``manifest.json``; returns the manifest as written, with all files beside it."""
    write_catalog(out, manifest)
    write_card(out, manifest, config)
    compiled = manifest.model_copy(update={"beside": tuple(plain_record(out, path) for path in _present(out))})
    write_manifest(out, compiled)
    return compiled


def manifest_and_changed(out: Path) -> tuple[Manifest | None, frozenset[str]]:
    """The manifest, and the paths of the files beside the shards that are not as it says.

    None and no path where there is no manifest, or none that can be read: then nothing is known of these files.
    """
    try:
        manifest = read_manifest(out)
    except (ConfigError, IntegrityError):
        return None, frozenset()
    return manifest, frozenset(file.path for file in manifest.beside if not is_whole(out / file.path, file))


def _present(out: Path) -> list[str]:
    named = [out / name for name in (*ALWAYS, *_SOMETIMES)]
    paths = (*named, *(out / STATISTICS).glob("*.parquet"))
    return sorted(path.relative_to(out).as_posix() for path in paths if path.is_file())
