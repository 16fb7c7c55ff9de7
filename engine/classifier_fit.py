"""One training of fastText, in a process of its own: ``python -m phrasemill.engine.classifier_fit SETTINGS TEXT OUT``.

fastText reads memory that it never set: trained twice on the same text it gives different weights, or stops with NaN.
``fit`` starts a process whose allocator fills what it hands out with zeros, and there both are gone. What fastText
prints stays in that process as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from phrasemill.schemas.errors import GateError

_ZEROED: Final = {"MALLOC_PERTURB_": "255"}
"""glibc fills new memory with the complement of this byte."""


def fit(settings: Mapping[str, Any], text: Path, out: Path) -> None:
    """Train on a file of labelled lines and write the model. GateError: fastText gave up."""
    arguments = [json.dumps(dict(settings)), str(text), str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "phrasemill.engine.classifier_fit", *arguments],
        env={**os.environ, **_ZEROED},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it died without a word"])[-1]
        raise GateError(f"fastText gave up with code {done.returncode}: {last}; try another --seed, or more sentences")


def _main(settings: str, text: str, out: str) -> None:
    import fasttext  # type: ignore[import-untyped]

    model = fasttext.train_supervised(text, **json.loads(settings))
    model.save_model(out)


if __name__ == "__main__":
    _main(*sys.argv[1:])
