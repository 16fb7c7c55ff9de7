"""Why a hit does not count: it stands in a masked part of its turn, or the conversation asked for it.

Every filter asks here, so that a hit of any of them is excused alike. Evidence keeps the hit with the reason.
"""

from __future__ import annotations

from phrasemill.filters.context import Context
from phrasemill.filters.masks import exemption, mask_points


class Exemptions:
    """The masks and the context of one assistant turn, behind the user turn ``prompt``. Offsets are code points."""

    __slots__ = ("_context", "_masks")

    def __init__(self, prompt: str, text: str) -> None:
        self._masks = mask_points(text)
        self._context = Context(prompt, text)

    def reason(self, category: str, rule_id: str, start: int, stop: int) -> str | None:
        """The exemption of a hit at ``start:stop``, a mask's before the context's; None where it counts."""
        return exemption(self._masks, start, stop) or self._context.exemption(category, rule_id, start, stop)
