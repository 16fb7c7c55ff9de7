"""An earlier output in an object store as a base: its records, spans and answers, brought into a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from blake3 import blake3
from pydantic import ValidationError

from phrasemill.engine.folder import REQUESTS, locked
from phrasemill.engine.manifest import (
    MANIFEST_NAME,
    Manifest,
    PlainFile,
    is_whole,
    read_manifest,
    write_atomic,
    write_manifest,
)
from phrasemill.engine.object_store_manifest import StoreManifest, folder_name, in_folder
from phrasemill.engine.object_store_url import checked_url, is_store_url, open_store
from phrasemill.schemas.errors import ConfigError, IntegrityError
from phrasemill.schemas.seals import BrokenSeal, unseal

if TYPE_CHECKING:
    from phrasemill.engine.object_store import ObjectStore

_WANTED: Final = ("spans", "generations")
"""Tables from which a run takes what is unchanged."""


def base_folder(base: str) -> Path:
    """The folder of an earlier output; what a run takes from an address is fetched into the user's cache folder.

    Raises:
        ConfigError: there is no output, or its run did not come to its end. IntegrityError: an object is not as it was.

    """
    if not is_store_url(base):
        read_manifest(Path(base))
        return Path(base)
    url = checked_url(base)
    store = open_store(url)
    from phrasemill.engine.object_store_requests import bring_log
    from phrasemill.engine.object_store_verify import newest_or_refuse
    from phrasemill.engine.object_store_work import default_work

    newest = newest_or_refuse(store)
    folder = default_work(url).with_suffix(".base")
    with locked(folder):
        shards = [in_folder(shard) for shard in newest.shards]
        manifest = _manifest(store, newest).model_copy(update={"shards": tuple(shards)})
        for file in (file for shard in newest.shards for file in shard.files if file.table in _WANTED):
            _fetch(store, file, folder)
        if newest.requests:
            bring_log(store, newest.requests, folder / REQUESTS)
        write_manifest(folder, manifest)
    return folder


def _manifest(store: ObjectStore, newest: StoreManifest) -> Manifest:
    record = newest.objects().get(MANIFEST_NAME)
    if record is None:
        raise ConfigError(f"{store.url}: its run did not come to its end; finish it, then take it as a base")
    try:
        return Manifest.model_validate(unseal(_read(store, record))[0])
    except (BrokenSeal, ValidationError) as error:
        raise IntegrityError(f"{store.url}/{MANIFEST_NAME}: is damaged; run the command that wrote it again") from error


def _fetch(store: ObjectStore, file: PlainFile, folder: Path) -> None:
    path = folder / folder_name(file)
    if not is_whole(path, file):
        write_atomic(path, _read(store, file))


def _read(store: ObjectStore, file: PlainFile) -> bytes:
    data = store.read(file.path)
    if data is None or blake3(data).hexdigest() != file.blake3:
        what = "is missing" if data is None else "is damaged"
        raise IntegrityError(f"{store.url}/{file.path}: {what}; see phrasemill verify {store.url}")
    return data
