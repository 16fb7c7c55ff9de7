"""Profiles of property tests. None is timed: a busy machine is not a failure.

Continuous integration repeats the same examples; ``HYPOTHESIS_PROFILE=search`` looks for new ones, many more of them.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "untimed"))
