"""The scripted server and the project folder of the other tests, with an input of a few shards in it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Project, project, server
from tests.faults.scene import Scene

__all__ = ["project", "scene", "server"]


@pytest.fixture
def scene(project: Project) -> Scene:
    made = Scene(project)
    made.write()
    return made
