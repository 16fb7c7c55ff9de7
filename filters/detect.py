"""The language of texts: by their script or by common English words where that is certain, else by a small model.

The model (py3langid, in the package's own wheel) is loaded when the first text needs it: about 0.7 s and 120 MB.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

UNDECIDED: Final = "und"
"""The code of a text without a language that can be told: no letters, or nothing but code."""

_NO_LANGUAGE: Final = "zxx"
_READ_CHARS: Final = 4000
_PROSE_CHARS: Final = 300
"""How much of a text is looked at: its first prose, found in its beginning. More is hardly ever another language."""

_NOT_PROSE: Final = r"(?s)```.*?(?:```|\z)|~~~.*?(?:~~~|\z)|`[^`\n]*`|https?://\S+|<[^<>\n]{1,80}>"

_SCRIPTS: Final = {
    "ko": (r"\p{Hangul}", 2.0),
    "ja": (r"[\p{Hiragana}\p{Katakana}]", 2.0),
    "zh": (r"\p{Han}", 3.0),
    "th": (r"\p{Thai}", 1.0),
    "el": (r"\p{Greek}", 1.0),
    "he": (r"\p{Hebrew}", 1.0),
    "hy": (r"\p{Armenian}", 1.0),
    "ka": (r"\p{Georgian}", 1.0),
}
"""Scripts that one living language has nearly to itself, and how many letters of an alphabet one of its signs says."""

_KANA_SHARE: Final = 0.05
"""Share of kana in Han and kana from which a text is Japanese; Chinese has a stray one at most."""

_ENGLISH_ONLY: Final = r"the|and|that|you|your|with|this|these|from|have|which|they|their|would"
_ENGLISH_MIN: Final = 2
_ENGLISH_TOO: Final = r"are|there|what|when|it's|is|of|to"
_ENGLISH_SHARE: Final = 0.15
"""A text is English where it has this many words of the first list, and of both lists this share of all words. No
other language has ``the`` and its like; a loan or a quoted title stays below."""

Confidence = npt.NDArray[np.float32]


def detect(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, Confidence]:
    """The two-letter code of each text's language, and how sure that is, 0 to 1; ``und`` and 0 where none can be told.

    Code blocks, inline code, tags and addresses are not read, and no more than the first 300 characters of the rest.
    The same text always gets the same answer, whatever stands beside it.
    """
    prose = _prose(texts)
    codes = np.full(len(texts), UNDECIDED, dtype=object)
    confidence = np.zeros(len(texts), dtype=np.float32)
    open_ = pc.match_substring_regex(prose, r"\pL").to_numpy(zero_copy_only=False).copy()
    for decide in (_by_script, _by_english_words):
        at = np.flatnonzero(open_)
        found, sure = decide(prose.take(pa.array(at)))
        known = found != ""
        codes[at[known]], confidence[at[known]] = found[known], sure[known]
        open_[at[known]] = False
    for index in np.flatnonzero(open_).tolist():
        codes[index], confidence[index] = _by_model(str(prose[index]))
    return pa.array(codes, pa.large_string()), confidence


def _prose(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """The first prose of each text."""
    begun = pc.utf8_slice_codeunits(texts, 0, _READ_CHARS)
    marked = pc.match_substring_regex(begun, r"`|~~~|://|<").to_numpy(zero_copy_only=False)
    at = pa.array(np.flatnonzero(marked))
    if len(at):
        cleaned = pc.replace_substring_regex(begun.take(at), _NOT_PROSE, " ")
        begun = pc.replace_with_mask(begun, pa.array(marked), cleaned)
    return pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(begun), 0, _PROSE_CHARS)


def _by_script(prose: pa.LargeStringArray) -> tuple[npt.NDArray[Any], Confidence]:
    """Codes of texts that a script decides, an empty one for the others."""
    codes = np.full(len(prose), "", dtype=object)
    sure = np.zeros(len(prose), dtype=np.float32)
    at = np.flatnonzero(~pc.string_is_ascii(prose).to_numpy(zero_copy_only=False))
    if not len(at):
        return codes, sure
    foreign = prose.take(pa.array(at))
    letters = _count(foreign, r"\pL")
    signs = {code: _count(foreign, pattern) for code, (pattern, _) in _SCRIPTS.items()}
    is_japanese = signs["ja"] > _KANA_SHARE * (signs["ja"] + signs["zh"])
    cjk = signs["ja"] + signs["zh"]
    signs["ja"], signs["zh"] = np.where(is_japanese, cjk, 0), np.where(is_japanese, 0, cjk)
    for code, count in signs.items():
        weight = _SCRIPTS[code][1]
        share = weight * count / np.maximum(weight * count + letters - count, 1)
        decided = share > 0.5
        codes[at[decided]], sure[at[decided]] = code, share[decided]
    return codes, sure


def _by_english_words(prose: pa.LargeStringArray) -> tuple[npt.NDArray[Any], Confidence]:
    """``en`` for texts full of common English words, an empty code for the others."""
    words = _count(prose, r"\pL+(?:'\pL+)?")
    only = _count(prose, rf"(?i)\b(?:{_ENGLISH_ONLY})\b")
    english = _count(prose, rf"(?i)\b(?:{_ENGLISH_ONLY}|{_ENGLISH_TOO})\b")
    is_english = (only >= _ENGLISH_MIN) & (english >= _ENGLISH_SHARE * words)
    return np.where(is_english, "en", "").astype(object), is_english.astype(np.float32)


def _count(texts: pa.LargeStringArray, pattern: str) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = pc.count_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return counts


def _by_model(text: str) -> tuple[str, float]:
    code, confidence = _model().classify(text)
    return (UNDECIDED, 0.0) if code == _NO_LANGUAGE else (code, confidence)


@cache
def _model() -> Any:
    """The model, held to languages that have a two-letter code: a small relative is read as its larger one."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([label for label in model.labels if len(label) == 2 or label == _NO_LANGUAGE])
    return model
