"""Clocks that jump: what is done, what changed and what is whole is told by content, never by a time."""

from __future__ import annotations

import os
from pathlib import Path

from phrasemill.engine.verify import verify
from tests.faults.scene import Scene, finished, tables

PAST, FUTURE = 0, 4_102_444_800
"""1970 and 2100, in seconds."""


def set_clocks(root: Path, seconds: int) -> None:
    """Give every file below the same time."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (seconds, seconds))


def test_files_from_the_past_and_from_the_future_stay_done(scene: Scene) -> None:
    scene.project.run("clean")
    for seconds in (FUTURE, PAST):
        set_clocks(scene.project.out, seconds)
        set_clocks(scene.project.input, FUTURE - seconds)
        before = finished(scene.project.out)
        report = scene.project.run("clean")
        assert (report.done, report.skipped) == (0, scene.files)
        assert finished(scene.project.out) == before
        assert verify(scene.project.out).ok


def test_a_change_under_the_same_time_and_size_is_seen(scene: Scene) -> None:
    scene.project.run("clean")
    path = scene.project.input / "b.jsonl"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"On the shelf.", b"In the attic."))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    report = scene.project.run("clean")
    assert (report.done, report.skipped) == (1, scene.files - 1)
    said = scene.project.said()
    assert said["b2"][-1] == "In the attic."
    assert said["a2"][-1] == "On the shelf."
    assert verify(scene.project.out).ok


def test_a_finished_part_that_changed_under_the_same_time_is_told(scene: Scene) -> None:
    scene.project.run("clean")
    path = next((scene.project.out / "data" / "sft").glob("*.parquet"))
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not verify(scene.project.out).ok


def test_shards_are_the_same_whenever_they_are_made(scene: Scene) -> None:
    scene.project.run("clean")
    set_clocks(scene.project.input, FUTURE)
    again = scene.project.root / "again"
    scene.project.run("clean", out=again)
    assert tables(again) == tables(scene.project.out)
