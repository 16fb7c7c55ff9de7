"""Letters of other scripts that look like Latin ones, and the Unicode forms of Latin letters; facts of Unicode only."""

from __future__ import annotations

import unicodedata
from typing import Final

_CYRILLIC: Final = ("АВЕЅІЈКМНОРСТУХѴҮӀԌԚԜаеѕіјкорсухѵүһӏԁԛԝ", "ABESIJKMHOPCTYXVYIGQWaesijkopcyxvyhldqw")
_GREEK: Final = ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹαγηικνορυχωϲϳ", "ABEZHIKMNOPTYXCaynikvopuxwcj")
_ARMENIAN: Final = ("ԼՍՏՕզհյոսցօ", "LUSOqhjnugo")

LOOK_ALIKES: Final[dict[int, str]] = {
    ord(foreign): latin for script in (_CYRILLIC, _GREEK, _ARMENIAN) for foreign, latin in zip(*script, strict=True)
}
"""The Latin letter that each of these letters of another script looks like, in its own case."""

FOREIGN: Final = ((0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x587))
"""First and last code points of the scripts of LOOK_ALIKES: Greek, Cyrillic, Armenian."""

_FORM_RANGES: Final = (
    (0x2B0, 0x2B8),  # modifier letters
    (0x2E1, 0x2E3),
    (0x1D2C, 0x1D6A),
    (0x2071, 0x209C),  # superscripts and subscripts
    (0x2102, 0x2149),  # letter-like symbols
    (0x2160, 0x217F),  # Roman numerals
    (0x24B6, 0x24E9),  # circled
    (0x1D400, 0x1D7FF),  # mathematical
    (0x1F130, 0x1F149),  # squared
)
_SIGNS: Final = frozenset({0x2122, 0x2139, 0x24C2})
"""The trade mark and two emoji: forms of letters by their decomposition, signs by their use."""


def _form(code: int) -> str:
    """The Latin letter, or the mathematical digit, that a code point is a form of; else an empty text."""
    plain = unicodedata.normalize("NFKC", chr(code))
    is_letter = len(plain) == 1 and plain.isascii() and plain.isalpha()
    is_digit = code >= 0x1D7CE and plain.isdigit()
    return plain if code not in _SIGNS and (is_letter or is_digit) else ""


FORMS: Final[dict[int, str]] = {
    code: plain for first, last in _FORM_RANGES for code in range(first, last + 1) if (plain := _form(code))
} | {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
"""Styled forms of Latin letters and digits, and the Latin ligatures, with the plain text that each stands for.

Fullwidth characters are not among them: they have punctuation too (``FULLWIDTH``).
"""

FULLWIDTH: Final[dict[int, str]] = {0xFF01 + index: chr(0x21 + index) for index in range(94)}
"""The fullwidth forms of the visible ASCII characters."""

INVISIBLE: Final = (0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)
"""The soft hyphen and the characters of no width."""

JOINERS: Final = frozenset("\u200c\u200d")
"""Those that have a meaning in emoji and in Indic and Arabic scripts."""

MARKS: Final = (0x300, 0x36F)
"""First and last of the combining marks that may follow the letter they belong to."""
