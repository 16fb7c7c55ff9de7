"""The command line. Nothing heavy is loaded before a command runs: asking for help is quick."""

from __future__ import annotations

from phrasemill.engine.cli.app import main

__all__ = ["main"]
