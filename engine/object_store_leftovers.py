"""Objects that no reader is ever led to: what a killed run uploaded, what a later one replaced, earlier manifests.

``python -m phrasemill.engine.object_store_leftovers s3://bucket/folder`` lists them; with ``--delete`` they go.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Final

from phrasemill.engine.beside import STATISTICS
from phrasemill.engine.manifest import TABLES
from phrasemill.engine.object_store_manifest import MANIFESTS, manifest_name
from phrasemill.engine.object_store_requests import PIECES
from phrasemill.engine.object_store_url import open_store
from phrasemill.engine.object_store_verify import newest_or_refuse
from phrasemill.schemas.errors import LockedError, PhrasemillError

_BINDING: Final = re.compile(r"(?:config|_schema)\.[0-9a-f]{16}\.(?:yaml|arrow)")
_FOLDERS: Final = sorted({home.partition("/")[0] for home in TABLES.values()} | {MANIFESTS, PIECES, STATISTICS})


def leftovers(url: str) -> dict[str, int]:
    """Objects in our folders that the newest manifest does not name, with their sizes, in order of their names."""
    store = open_store(url)
    newest = newest_or_refuse(store)
    named = {*newest.objects(), manifest_name(newest.number)}
    found = store.names("")
    ours = (name for name in sorted(found) if name.partition("/")[0] in _FOLDERS or _BINDING.fullmatch(name))
    return {name: found[name] for name in ours if name not in named}


def delete_leftovers(url: str) -> dict[str, int]:
    """Delete them and return what was deleted. No run may be writing there.

    Raises:
        LockedError: the last run did not come to its end, and may be at work; finish it first.

    """
    store = open_store(url)
    if not newest_or_refuse(store).complete:
        raise LockedError(f"{url}: the last run did not end, or is at work; run it to its end, then delete")
    found = leftovers(url)
    store.delete(list(found))
    return found


def main(arguments: list[str] | None = None) -> int:
    """List or delete; returns the exit code."""
    parser = argparse.ArgumentParser(prog="object_store_leftovers", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--delete", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        found = delete_leftovers(asked.url) if asked.delete else leftovers(asked.url)
    except PhrasemillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write("".join(f"{size:>14,}  {name}\n" for name, size in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
