"""What a person decided about rows, in a file of verdicts: read strictly, known by its content, looked up by place."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, get_args

import blake3
import numpy as np
import numpy.typing as npt
import orjson

from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.tables import FIELDS

Verdict = Literal["keep", "drop", "edit", "false positive"]
"""``keep``: the original stands as it came. ``drop``: the row goes. ``edit``: the person's text stands in its place.
``false positive``: the named hits are none, and the policy decides without them."""

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

COLUMNS: Final = (
    *("shard", "row", "field", "turn", "row_id", "kind", "rule_ids", "trait_id", "answer"),
    *("hits", "before", "after", "verdict", "edit", "note"),
)
"""Columns of a file of verdicts, in the order in which they are written. ``rule_ids``: joined by commas. ``hits``:
``category start:stop rule`` joined by ``; ``, code points of ``before``; empty where ``before`` is not the original.
``answer``: the hash of the generated answer that is judged, empty elsewhere."""

_NEEDED: Final = ("shard", "row", "field", "turn", "row_id", "rule_ids", "verdict", "edit")
_FORMULAS: Final = "=+-@\uff1d\uff0b\uff0d\uff20"
_CONTROLS: Final = "\t\r\n"
_NUMBER: Final = re.compile(r"[0-9]{12,}|[0-9]+[eE][0-9]+")
"""What a spreadsheet takes for a number and writes back otherwise, as the key of one shard in a thousand is."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Override:
    """A verdict on one turn. ``rule_ids``: the hits meant by a false positive, none for all; ``edit``: the new text.

    ``answer``: the hash of the generated answer that it is about; empty where it is about whatever stands there.
    """

    shard: str
    row: int
    field: str
    turn: int
    row_id: str
    verdict: Verdict
    rule_ids: tuple[str, ...] = ()
    edit: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Overrides:
    """Verdicts, at most one a turn, in the order of their file."""

    entries: tuple[Override, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def fingerprint(self) -> str:
        """Hash of what was decided, 32 hexadecimal digits; the same in any order. Empty where nothing was."""
        if not self.entries:
            return ""
        plain = sorted(
            (
                each.shard,
                each.row,
                each.field,
                each.turn,
                each.row_id,
                each.verdict,
                each.rule_ids,
                each.edit,
                each.answer,
            )
            for each in self.entries
        )
        return blake3.blake3(orjson.dumps(plain)).hexdigest()[:32]

    def in_shard(self, shard: str) -> Overrides:
        """The verdicts on rows of one shard."""
        return Overrides(tuple(self._by_shard.get(shard, ())))

    def of(self, shard: str, row: int) -> tuple[Override, ...]:
        """The verdicts on a row, by turn."""
        found = (each for each in self._by_shard.get(shard, ()) if each.row == row)
        return tuple(sorted(found, key=lambda each: (each.field, each.turn)))

    def of_row(self, row_id: str) -> Override | None:
        """The verdict on a row that is known by its id alone, as generated ones are."""
        return self._by_id.get(row_id)

    def places(self, field: str, row: Places, turn: npt.NDArray[np.int32]) -> dict[int, Override]:
        """Verdicts on the turns of one field of one shard, by index into ``row`` and ``turn``, in order."""
        wanted = self._by_turn.get(field)
        if wanted is None:
            return {}
        near = np.flatnonzero(np.isin(row, [place[0] for place in wanted])).tolist()
        return {at: wanted[key] for at in near if (key := (int(row[at]), int(turn[at]))) in wanted}

    @cached_property
    def _by_shard(self) -> dict[str, list[Override]]:
        found: dict[str, list[Override]] = {}
        for each in self.entries:
            found.setdefault(each.shard, []).append(each)
        return found

    @cached_property
    def _by_id(self) -> dict[str, Override]:
        return {each.row_id: each for each in reversed(self.entries)}

    @cached_property
    def _by_turn(self) -> dict[str, dict[tuple[int, int], Override]]:
        found: dict[str, dict[tuple[int, int], Override]] = {}
        for each in self.entries:
            found.setdefault(each.field, {})[each.row, each.turn] = each
        return found


NO_OVERRIDES: Final = Overrides()


def answer_hash(text: str) -> str:
    """Hash of an answer's text, 16 hexadecimal digits: what a verdict on a generated row is bound to."""
    return blake3.blake3(text.encode()).hexdigest()[:16]


def load_overrides(path: Path | str | None) -> Overrides:
    """The verdicts in a file; rows without one are passed over. None: there are none.

    Raises:
        ConfigError: with ``file:line``: an unknown column or verdict, a place that is none, an edit without a text, a
            text without an edit, or two verdicts on one turn.
    """
    if path is None:
        return NO_OVERRIDES
    path = Path(path)
    known: dict[tuple[str, int, str, int], int] = {}
    entries: list[Override] = []
    for line, row in read_verdicts(path):
        entry = _entry(path, line, row)
        if entry is None:
            continue
        place = (entry.shard, entry.row, entry.field, entry.turn)
        if place in known:
            raise ConfigError(
                f"{path}:{line}: row {entry.row_id!r}, {entry.field} turn {entry.turn}, has a verdict in line "
                f"{known[place]} too; leave one of them"
            )
        known[place] = line
        entries.append(entry)
    return Overrides(tuple(entries))


def read_verdicts(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Every row of a file of verdicts as written, judged or not, with the line in which it begins.

    Raises:
        ConfigError: the file cannot be read, or its columns are not those of ``COLUMNS``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            names = next(lines, [])
            _check_columns(path, names)
            begin = lines.line_num + 1
            for cells in lines:
                if cells and len(cells) != len(names):
                    raise ConfigError(f"{path}:{begin}: got {len(cells)} cells, expected {len(names)}, one a column")
                if any(cells):
                    yield begin, dict(zip(names, map(unguarded, cells), strict=True))
                begin = lines.line_num + 1
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeError) as error:
        raise ConfigError(f"{path}: is not a table of comma-separated values in UTF-8: {error}") from error


def guarded(cell: str) -> str:
    """The cell with an apostrophe in front where a spreadsheet would make a formula or another number of it.

    ``unguarded`` undoes it.
    """
    return f"'{cell}" if _would_change(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was before ``guarded``."""
    return cell[1:] if cell.startswith("'") and _would_change(cell[1:]) else cell


def _would_change(cell: str) -> bool:
    core = cell.lstrip("'")
    formula = core.startswith(tuple(_CONTROLS)) or core.lstrip().startswith(tuple(_FORMULAS))
    return formula or _NUMBER.fullmatch(core) is not None


def _check_columns(path: Path, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in _NEEDED if name not in names]
    if unknown or missing:
        wrong = f"the unknown column {unknown[0]!r}" if unknown else f"no column {missing[0]!r}"
        hint = "; save the file with commas between the cells" if any(";" in name for name in names) else ""
        raise ConfigError(f"{path}:1: got {wrong}, expected {', '.join(COLUMNS)}{hint}")
    if len(set(names)) != len(names):
        raise ConfigError(f"{path}:1: got a column twice, expected each of {', '.join(COLUMNS)} once")


def _entry(path: Path, line: int, row: dict[str, str]) -> Override | None:
    verdict = row["verdict"].strip().lower()
    edit = row["edit"]
    if not verdict:
        if edit.strip():
            raise ConfigError(f"{path}:{line}: edit: got a text without a verdict; write edit in the column verdict")
        return None
    if verdict not in VERDICTS:
        raise ConfigError(f"{path}:{line}: verdict: got {row['verdict']!r}, expected {', '.join(VERDICTS)} or nothing")
    if (verdict == "edit") != bool(edit.strip()):
        got, do = ("no text", "write it") if verdict == "edit" else ("a text", "clear it, or make the verdict edit")
        raise ConfigError(f"{path}:{line}: edit: got {got} for the verdict {verdict}; {do}")
    field = row["field"]
    if field not in FIELDS or (verdict == "edit" and field == "rejected"):
        raise ConfigError(f"{path}:{line}: field: got {field!r}, expected one of {', '.join(FIELDS[:3])}")
    if not row["shard"]:
        raise ConfigError(f"{path}:{line}: shard: is empty; keep this column as sample wrote it")
    rules = tuple(rule for part in row["rule_ids"].split(",") if (rule := part.strip()))
    places = (_number(path, line, row, name) for name in ("row", "turn"))
    return Override(
        row["shard"], next(places), field, next(places), row["row_id"], verdict, rules, edit, row.get("answer", "")
    )


def _number(path: Path, line: int, row: dict[str, str], name: str) -> int:
    value = row[name].strip()
    if not value.isdecimal() or not value.isascii() or len(value) > 18:
        raise ConfigError(f"{path}:{line}: {name}: got {row[name]!r}, expected a whole number as sample wrote it")
    return int(value)
