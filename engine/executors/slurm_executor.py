"""datatrove's Slurm executor without the job that adds up its statistics: our commit records have them."""

from __future__ import annotations

from datatrove.executor.slurm import SlurmPipelineExecutor
from loguru import logger

logger.disable("datatrove")


class ArrayExecutor(SlurmPipelineExecutor):  # type: ignore[misc]  # datatrove ships no types
    """One array job, and nothing after it."""

    def launch_merge_stats(self) -> None:
        """Nothing to add up."""
