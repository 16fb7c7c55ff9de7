"""Filters of datatrove, by name, on turns."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from phrasemill.filters.base import Filter, load_filter
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.errors import PluginError

NEEDED = ("datatrove", "regex", "spacy")
pytestmark = [
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in NEEDED),
        reason=f"needs the extra datatrove: {', '.join(NEEDED)}",
    ),
    # Deprecations inside of datatrove and spaCy are theirs.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PROSE = (
    "We planted the beans along the fence in April, and by June the first of them had reached the top of the wire. "
    "My neighbour has kept bees for twenty years, and she says that they come over to our side whenever the flowers "
    "open. In the evening the whole garden hums, which the children find a little frightening and the cat does not "
    "seem to notice at all."
)
LOOP = "The beans grow well. " * 30 + "So be it."
SHORT = "Plant them in April."
TEXTS = (PROSE, LOOP, SHORT, "", PROSE)
ROLES = ("assistant", "assistant", "assistant", "assistant", "user")


def turns() -> TurnTable:
    count = len(TEXTS)
    return TurnTable(
        "messages",
        np.arange(count),
        np.ones(count, dtype=np.int32),
        pa.array(ROLES, pa.large_string()),
        pa.array(TEXTS, pa.large_string()),
        np.full(count, -1),
        pa.array([], pa.large_string()),
    )


def filter_of(use: str, **options: Any) -> Filter:
    return load_filter(FilterConfig.model_validate({"use": f"datatrove.{use}", **options}))


@pytest.mark.parametrize(
    ("use", "options", "rules"),
    [
        ("GopherRepetitionFilter", {}, {1: "top_2_gram", 2: "top_2_gram", 3: "empty"}),
        (
            "GopherQualityFilter",
            {"min_doc_words": 10},
            {1: "gopher_below_alpha_threshold", 2: "gopher_short_doc", 3: "gopher_short_doc"},
        ),
        ("FineWebQualityFilter", {"char_duplicates_ratio": 0.9, "short_line_thr": 1.0}, {3: "empty"}),
        ("C4ParagraphFilter", {}, dict.fromkeys(range(4), "3_paragraphs")),
        ("RegexFilter", {"regex_exp": "beans grow"}, {1: "dropped"}),
    ],
)
def test_turns_that_datatrove_would_drop(use: str, options: dict[str, Any], rules: dict[int, str]) -> None:
    hits = filter_of(use, **options).find_batch(turns())
    assert {hit.at: hit.rule_id for hit in hits} == {at: f"datatrove.{use}.{rule}" for at, rule in rules.items()}
    assert {(hit.category, hit.filter, hit.cut, hit.exempt) for hit in hits} == {("quality", "datatrove", None, None)}
    assert all((hit.start, hit.stop) == (0, len(TEXTS[hit.at])) for hit in hits)


def test_options_and_version_are_its_identity() -> None:
    one = filter_of("GopherQualityFilter", min_doc_words=10).fingerprint()
    assert one != filter_of("GopherQualityFilter", min_doc_words=11).fingerprint()
    assert one["datatrove"]


@pytest.mark.parametrize(
    ("use", "options", "says"),
    [
        ("GopherFilter", {}, "no filter 'GopherFilter'; have: .*GopherQualityFilter"),
        ("BaseFilter", {}, "no filter 'BaseFilter'|does not run"),
        ("GopherQualityFilter", {"min_words": 3}, "unknown options min_words; its options are: min_doc_words"),
        ("GopherQualityFilter", {"exclusion_writer": 3}, "unknown options exclusion_writer"),
        ("RegexFilter", {"regex_exp": "("}, "does not run with these options"),
        ("LanguageFilter", {}, "use: language"),
        ("URLFilter", {}, "address of a web page"),
        ("C4BadWordsFilter", {}, "fetches its word lists"),
        ("FastTextClassifierFilter", {}, "fetches its model"),
        ("UnigramLogProbFilter", {}, "fetches its word frequencies"),
        ("SamplerFilter", {"rate": 0.5}, "--limit"),
        ("LambdaFilter", {}, "needs a function"),
    ],
)
def test_what_cannot_be_used_is_refused(use: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        filter_of(use, **options)


def test_quality_can_be_dropped(project: Any, chat: Any) -> None:
    project.write("rows.jsonl", [chat("fine", "How?", PROSE), chat("loop", "How?", LOOP)])
    filters = [{"use": "regex"}, {"use": "datatrove.GopherRepetitionFilter"}]
    project.run("clean", filters=filters, policy={"actions": {"quality": "drop"}})
    assert project.outcomes() == {"fine": "kept", "loop": "dropped"}
