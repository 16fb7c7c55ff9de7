"""The files of an output folder that people and other programs open by name, as they read in an object store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from blake3 import blake3

from phrasemill.engine.beside import CONFIG_NAME
from phrasemill.engine.card import CARD_NAME
from phrasemill.engine.catalog import CATALOG_NAME
from phrasemill.engine.manifest import MANIFEST_NAME, TABLES, PlainFile, ShardCommit, read_manifest
from phrasemill.engine.object_store_manifest import folder_name
from phrasemill.schemas.seals import seal

_PART: Final = re.compile(rf"(?:{'|'.join(map(re.escape, TABLES.values()))})/part-[A-Za-z0-9_-]+\.parquet")


def copies(url: str, work: Path, shards: Sequence[ShardCommit]) -> list[tuple[PlainFile, bytes]]:
    """Manifest, catalog, card and configuration under their own names, with the names that files have in the store.

    The catalog names them with their whole address. None where the run did not come far enough to write them.
    """
    names = (MANIFEST_NAME, CATALOG_NAME, CARD_NAME, CONFIG_NAME)
    if not all((work / name).is_file() for name in names):
        return []
    places = {folder_name(file): file.path for shard in shards for file in shard.files}
    whole = {name: f"{url}/{place}" for name, place in places.items()}
    manifest = read_manifest(work).model_copy(update={"shards": tuple(shards), "beside": ()})
    contents = {
        MANIFEST_NAME: seal(manifest.model_dump(mode="json")),
        CATALOG_NAME: _renamed(work / CATALOG_NAME, whole),
        CARD_NAME: _renamed(work / CARD_NAME, places),
        CONFIG_NAME: (work / CONFIG_NAME).read_bytes(),
    }
    return [
        (PlainFile(path=name, bytes=len(data), blake3=blake3(data).hexdigest()), data)
        for name, data in contents.items()
    ]


def _renamed(path: Path, places: dict[str, str]) -> bytes:
    """A text with every part file named as in ``places``."""
    return _PART.sub(lambda found: places.get(found[0], found[0]), path.read_text(encoding="utf-8")).encode()
