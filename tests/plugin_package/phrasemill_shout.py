import re
from collections.abc import Iterator

from phrasemill.filters.base import Filter
from phrasemill.filters.hits import Span


class ShoutFilter(Filter, name="shout"):
    min_words: int = 3

    def find(self, text: str) -> Iterator[Span]:
        for run in re.finditer(r"\b[A-Z]{2,}(?:\W+[A-Z]{2,})*\b", text):
            if len(run[0].split()) >= self.min_words:
                yield Span(run.start(), run.end(), rule_id="shout.capitals", category="shout")
