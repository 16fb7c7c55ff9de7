"""Parts of an answer that a change of voice must not touch, taken out before a model sees it and put back behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FENCE: Final = re.compile(r" {0,3}(?:[-*+>] )?(`{3,}|~{3,})")
_TABLE: Final = re.compile(r"\s*\|.*\|\s*\Z|[^|]*\|[^|]*\|.*\Z")
_QUOTED: Final = re.compile(r" {0,3}>")
_MARKS: Final = (("[[", "]]"), ("((", "))"), ("<<", ">>"))


@dataclass(frozen=True, slots=True)
class Lifted:
    """``text`` with a mark on a line of its own in the place of each block; ``blocks`` in order."""

    text: str
    blocks: tuple[str, ...]
    left: str
    right: str

    @property
    def marks(self) -> tuple[str, ...]:
        """The mark of each block."""
        return tuple(f"{self.left}{number}{self.right}" for number in range(1, len(self.blocks) + 1))

    def restored(self, text: str) -> str | None:
        """``text`` with the blocks in the place of their marks; None where one is missing, doubled or out of order."""
        found = re.findall(rf"{re.escape(self.left)}(\d+){re.escape(self.right)}", text)
        if found != [str(number) for number in range(1, len(self.blocks) + 1)]:
            return None
        whole, rest = "", text
        for mark, block in zip(self.marks, self.blocks, strict=True):
            before, _, rest = rest.partition(mark)
            # A block stands on lines of its own, wherever the model put its mark.
            whole += (f"{before.rstrip(' ')}\n" if before.strip(" ").rpartition("\n")[2] else before) + block
            rest = rest if not rest or rest.startswith("\n") else f"\n{rest.lstrip(' ')}"
        return whole + rest


def lift(text: str) -> Lifted:
    """Take out fenced code, tables of two rows or more, and quoted lines. Joined again they are the text."""
    left, right = next(((left, right) for left, right in _MARKS if left not in text), _MARKS[0])
    prose: list[str] = []
    blocks: list[str] = []
    for kind, lines in _runs(text.split("\n")):
        if kind and not (kind == "table" and len(lines) < 2):
            blocks.append("\n".join(lines))
            prose.append(f"{left}{len(blocks)}{right}")
        else:
            prose.extend(lines)
    return Lifted("\n".join(prose), tuple(blocks), left, right)


def _runs(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Neighbouring lines of one kind: ``code``, ``table``, ``quote``, or prose with an empty one."""
    runs: list[tuple[str, list[str]]] = []
    fence = ""
    for line in lines:
        opened = _FENCE.match(line)
        if fence:
            runs[-1][1].append(line)
            if opened and opened[1][0] == fence[0] and len(opened[1]) >= len(fence):
                fence = ""
            continue
        if opened:
            fence = opened[1]
            runs.append(("code", [line]))
            continue
        kind = "table" if _TABLE.match(line) else "quote" if _QUOTED.match(line) else ""
        if runs and runs[-1][0] == kind:
            runs[-1][1].append(line)
        else:
            runs.append((kind, [line]))
    return runs
