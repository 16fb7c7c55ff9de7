"""SIGKILL at the steps of a shard's publishing and at random moments: nothing is lost, doubled or half there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phrasemill.engine.cli import main
from tests.faults.scene import Scene, begun, finished, left_over, look, reader, wait_for_first_step
from tests.faults.zygote import Zygote
from tests.watching import there_now

STEPS = 15
"""Points of ``clean`` at which it is killed, spread over the life of one shard."""

TEARS = 4
MOMENTS = 6
SEED = 5


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as process:
        yield process


def again(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> int:
    """The exit code of the same command, here: starting a process would only take longer."""
    monkeypatch.setattr(sys, "argv", ["phrasemill", *command])
    return main()


def steps_of(scene: Scene, command: list[str], log: Path) -> list[tuple[str, str]]:
    """Every step of an undisturbed run of the command."""
    process = scene.start(command, log=str(log))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return [(name, path) for name, path in json.loads(log.read_text())]


def second_shard(steps: list[tuple[str, str]]) -> range:
    """Numbers, from 1, of the steps between the commits of the first and of the second shard, the latter's included."""
    commits = [at for at, (name, path) in enumerate(steps, 1) if name == "rename" and path.startswith("_commits/")]
    return range(commits[0] + 1, commits[1] + 3)


def check_wreck_and_resume(
    scene: Scene, command: list[str], out: Path, reference: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds after a death, and what the same command makes of it."""
    wreck = look(out)
    assert wreck.wrong == []
    assert len(begun(out)) <= 1
    before = finished(out)
    assert again(monkeypatch, command) == 0
    after = finished(out)
    assert {path: after.get(path) for path in before} == before
    assert scene.losses(out, reference) == {}


def test_every_kind_of_step_of_a_shard(
    scene: Scene, zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = scene.reference("clean")
    steps = steps_of(scene, scene.command("clean", tmp_path / "counted"), tmp_path / "log.json")
    life = second_shard(steps)
    assert {name for name, _ in steps} >= {"mkdir", "open", "fsync", "rename", "rmdir"}
    for number in range(STEPS):
        at = life[number * (len(life) - 1) // (STEPS - 1)]
        out = tmp_path / f"killed-{at}"
        command = scene.command("clean", out)
        assert zygote.start(command, tmp_path / "said.txt", how="kill", at=at).wait() == -signal.SIGKILL
        check_wreck_and_resume(scene, command, out, reference, monkeypatch)


def test_writes_that_are_torn(scene: Scene, zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies inside a write, Arrow's or ours, and a few bytes of a file are left."""
    reference = scene.reference("clean")
    steps = steps_of(scene, scene.command("clean", tmp_path / "counted"), tmp_path / "log.json")
    life = second_shard(steps)
    for number in range(TEARS):
        at = life[number * (len(life) - 4) // (TEARS - 1)]
        out = tmp_path / f"torn-{at}"
        command = scene.command("clean", out)
        assert zygote.start(command, tmp_path / "said.txt", how="tear", at=at).wait() == -signal.SIGXFSZ
        check_wreck_and_resume(scene, command, out, reference, monkeypatch)


def test_random_moments_of_a_run_with_a_model(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = scene.reference("run")
    chance = random.Random(SEED)
    for number in range(MOMENTS):
        out = tmp_path / f"moment-{number}"
        command = scene.command("run", out)
        scene.project.server.delay = 0.05
        process = scene.start(command)
        with reader(out) as along:
            wait_for_first_step(process)
            time.sleep(chance.uniform(0.0, 0.6))
            process.kill()
            process.communicate()
        scene.project.server.delay = 0.0
        assert along.wrong == []
        check_wreck_and_resume(scene, command, out, reference, monkeypatch)


def test_workers_that_outlive_their_run(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver alone is killed: its lock is free at once, and what its workers still write harms nobody."""
    reference = scene.reference("clean")
    out = tmp_path / "orphaned"
    command = scene.command("clean", out, workers=2)
    process = scene.start(command)
    wait_for_first_step(process)
    deadline = time.monotonic() + 120
    while not there_now(out, "_tmp/**/*.parquet") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert look(out).wrong == []
    before = finished(out)
    assert again(monkeypatch, scene.command("clean", out)) == 0
    assert {path: finished(out)[path] for path in before} == before
    end_session(process)
    assert again(monkeypatch, command) == 0
    assert scene.losses(out, reference) == {}
    assert left_over(out) == []


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill what the process left in its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.communicate()
