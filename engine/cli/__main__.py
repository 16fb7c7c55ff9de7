"""``python -m phrasemill.engine.cli``."""

from __future__ import annotations

import sys

from phrasemill.engine.cli.app import main

sys.exit(main())
