"""What verification found damaged, kept in the folder, and how the next run mends it: just that is done anew."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from phrasemill.engine.beside import CONFIG_NAME, STATISTICS, manifest_and_changed
from phrasemill.engine.durable import sync_file, sync_folder
from phrasemill.engine.folder import REQUESTS, locked, unpublish
from phrasemill.engine.manifest import (
    COMMITS_NAME,
    Manifest,
    ShardCommit,
    is_whole,
    sound_commits,
    write_atomic,
    write_commit,
)
from phrasemill.engine.progress import progress
from phrasemill.engine.verify import VerifyReport
from phrasemill.engine.verify_folder import has_sft, log_lines, read_known
from phrasemill.engine.verify_shard import shard_problems
from phrasemill.schemas.errors import ConfigError, IntegrityError, LockedError
from phrasemill.schemas.seals import BrokenSeal, seal, unseal

DAMAGED_NAME: Final = "_damaged.json"


class Damage(BaseModel):
    """What is damaged: shards by key, with what is wrong with each, and whether lines of the request log are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shards: dict[str, tuple[str, ...]] = {}
    requests: bool = False


def record_damage(out: Path, report: VerifyReport) -> str:
    """Keep what ``report`` found in ``_damaged.json``, for the next run; where nothing is damaged the file goes.

    Returns why that could not be done, in one sentence, or an empty text. Nothing else is touched.
    """
    damage = Damage(shards=report.damaged, requests=any(each.path == REQUESTS for each in report.problems))
    path = out / DAMAGED_NAME
    if damage == Damage() and not path.exists():
        return ""
    try:
        with locked(out):
            _write(path, damage)
    except LockedError:
        return "a run holds the folder: what is damaged was not recorded; verify again when it has ended"
    except (OSError, ConfigError) as error:
        why = error.__cause__ or error
        return f"the folder cannot be written, so what is damaged was not recorded: {why}"
    return ""


def mend_folder(out: Path, config: str, text: str, redoable: Collection[str] | None) -> None:
    """Put right what belongs to no shard, before anything is compared with it. The folder must be locked.

    ``config`` is the fingerprint of the configuration, as in the manifest, ``text`` its ``config.yaml``. ``redoable``:
    keys of the shards that can be done anew, None where all can. A damaged commit record is restored from the manifest
    where its files are whole; else it goes, and its shard is done anew. Damaged lines of the log are taken out.

    Raises:
        IntegrityError: a commit record is damaged, and its shard cannot be done anew.

    """
    manifest, changed = manifest_and_changed(out)
    if CONFIG_NAME in changed and manifest is not None and manifest.config == config:
        write_atomic(out / CONFIG_NAME, text.encode())
    _mend_records(out, manifest, redoable)
    mend_requests(out)


def drop_statistics(out: Path) -> list[str]:
    """Remove frozen statistics that are not as the manifest has them, so that they are counted again; their names."""
    _, changed = manifest_and_changed(out)
    names = sorted(name for name in changed if name.startswith(f"{STATISTICS}/"))
    for name in names:
        (out / name).unlink(missing_ok=True)
    return names


def mend_requests(out: Path) -> None:
    """Take damaged lines, where some are recorded, out of the request log. The folder must be locked."""
    damage = _read(out)
    if damage is not None and not damage.requests:
        return
    _mend_log(out / REQUESTS)
    if damage is not None:
        _write(out / DAMAGED_NAME, damage.model_copy(update={"requests": False}))


def take_back(
    out: Path,
    commits: dict[str, ShardCommit],
    redoable: Collection[str] | None,
    *,
    recheck: bool = False,
    show_progress: bool | None = False,
) -> tuple[str, ...]:
    """Unpublish the damaged shards, so that they are done anew, and take their records out of ``commits``.

    Only shards that ``_damaged.json`` names are looked at, with ``recheck`` all; one that is whole by now stays. So
    does one that cannot be done anew: it stays damaged, and recorded. Returns the keys of those that were taken back.
    The folder must be locked.
    """
    damage = _read(out)
    every = recheck or damage is None
    named = commits if every or damage is None else damage.shards
    if not named:
        _write(out / DAMAGED_NAME, Damage())
        return ()
    known = read_known(out)
    sft, sampled = has_sft(out, known), known.manifest is None or known.manifest.limit is not None
    found: dict[str, tuple[str, ...]] = {}
    looked = [commits[key] for key in sorted(named) if key in commits]
    size = sum(file.bytes for commit in looked for file in commit.files)
    with progress("checking", size, "bytes", enabled=show_progress) as advance:
        for commit in looked:
            if problems := shard_problems(out, commit, sft, sampled):
                found[commit.key] = tuple(f"{problem.path}: {problem.message}" for problem in problems)
            advance(sum(file.bytes for file in commit.files))
    taken = [key for key in found if redoable is None or key in redoable]
    for key in taken:
        unpublish(out, commits.pop(key))
    _write(out / DAMAGED_NAME, Damage(shards={key: why for key, why in found.items() if key not in taken}))
    return tuple(taken)


def _mend_records(out: Path, manifest: Manifest | None, redoable: Collection[str] | None) -> None:
    listed = {} if manifest is None else {commit.key: commit for commit in manifest.shards}
    for key, why in sound_commits(out)[1].items():
        path = out / COMMITS_NAME / f"{key}.json"
        known = listed.get(key)
        if known is not None and all(is_whole(out / file.path, file) for file in known.files):
            write_commit(out, known)
        elif redoable is None or key in redoable:
            path.unlink()
            sync_folder(path.parent)
        else:
            raise IntegrityError(
                f"{path}: {why}. Its shard cannot be done anew, since its input is gone: bring back the input or the "
                "record; or delete the record, which gives its rows up"
            )


def _mend_log(path: Path) -> None:
    """Write the log anew without the lines that are damaged; their requests are sent again where they are needed."""
    if all(whole for _, _, whole in log_lines(path)):
        return
    mended = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with mended.open("xb") as log:
        log.writelines(line for _, line, whole in log_lines(path) if whole)
        log.flush()
    sync_file(mended)
    mended.replace(path)
    sync_folder(path.parent)


def _read(out: Path) -> Damage | None:
    """What is recorded; None where the record itself is damaged, so that anything may be."""
    try:
        return Damage.model_validate(unseal((out / DAMAGED_NAME).read_bytes())[0])
    except FileNotFoundError:
        return Damage()
    except (BrokenSeal, ValidationError):
        return None


def _write(path: Path, damage: Damage) -> None:
    if damage != Damage():
        write_atomic(path, seal(damage.model_dump(mode="json")))
    elif path.exists():
        path.unlink()
        sync_folder(path.parent)
