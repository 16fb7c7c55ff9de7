"""How often an n-gram would stand in an answer if words fell where they may: the product of their frequencies.

Word frequencies are English ones of the ``wordfreq`` package. Punctuation, line breaks and the ends of a text have
none: theirs are taken from the answers themselves.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from phrasemill.filters.mining_corpus import Side
from phrasemill.filters.mining_counts import Lattice
from phrasemill.filters.mining_tokens import Vocabulary
from phrasemill.schemas.errors import ConfigError

LEAST_FREQUENCY: Final = 1e-7
"""Frequency of a word that the list does not have: a little less than the rarest that it has."""


def expected_rates(side: Side, lattice: Lattice, vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
    """The share of the side's answers that each n-gram should stand in, by its number.

    Raises:
        ConfigError: ``wordfreq`` is not installed.

    """
    known = word_frequencies()
    ids = side.answers.ids
    own = np.bincount(ids, minlength=len(vocabulary)) / max(len(ids), 1)
    frequency = np.array(
        [
            known.get(word, LEAST_FREQUENCY) if word[0].isalpha() else own[number]
            for number, word in enumerate(vocabulary.words())
        ]
    )
    single = np.log(np.maximum(frequency, 1e-12))
    levels, last = [single[lattice.tokens]], lattice.tokens
    for keys in lattice.keys:
        high, low = keys >> np.uint64(32), keys & np.uint64(0xFFFF_FFFF)
        last = last[low]
        levels.append(levels[-1][high] + single[last])
    places = len(ids) / max(len(side), 1)
    return np.asarray(-np.expm1(-np.exp(np.concatenate(levels)) * places))


def word_frequencies() -> dict[str, float]:
    """English words and their share of all words.

    Raises:
        ConfigError: ``wordfreq`` is not installed.

    """
    try:
        from wordfreq import get_frequency_dict
    except ImportError as error:
        raise ConfigError(
            "there is nothing to compare with: name a column and a model (--by, --model), or other answers (--against);"
            " or install wordfreq to compare with word frequencies: pip install 'phrasemill[mine]'"
        ) from error
    return dict(get_frequency_dict("en", wordlist="small"))
