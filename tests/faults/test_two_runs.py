"""Two runs at once into one folder: exactly one wins, whoever it is; a signal and a dead holder leave the way free."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from phrasemill.engine.cli import main
from phrasemill.engine.folder import LOCK, locked
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import LockedError
from tests.faults.scene import Scene, wait_for_first_step, wait_until

TRIALS = 5

STARTER = """
import json, sys
from phrasemill.engine.cli import main
import phrasemill.engine.run
print("ready", flush=True)
for line in sys.stdin:
    sys.argv = json.loads(line)
    print(main(), flush=True)
"""


def starter() -> subprocess.Popen[str]:
    """A process that runs one command after another, and prints their exit codes."""
    line = [sys.executable, "-c", STARTER]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_exactly_one_of_two_runs_wins(scene: Scene, tmp_path: Path) -> None:
    reference = scene.reference("run")
    scene.project.server.delay = 0.2
    both = [starter(), starter()]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for trial in range(TRIALS):
        out = tmp_path / f"raced-{trial}"
        for process in both:
            assert process.stdin is not None
            process.stdin.write(json.dumps(["phrasemill", *scene.command("run", out)]) + "\n")
            process.stdin.flush()
        codes = [int(process.stdout.readline()) for process in both if process.stdout is not None]
        assert sorted(codes) == [0, LockedError.exit_code]
        assert scene.losses(out, reference) == {}
    for process, other in zip(both, reversed(both), strict=True):
        _, errors = process.communicate()
        assert process.returncode == 0
        if errors:
            assert f"process {other.pid} on {os.uname().nodename}" in errors


def test_one_of_many_at_once_in_one_process(tmp_path: Path) -> None:
    for trial in range(20):
        out, held, gate = tmp_path / str(trial), [], threading.Barrier(4)

        def take(out: Path = out, held: list[str] = held, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                with locked(out):
                    held.append("won")
                    wait_until(lambda: len(held) == 4)
            except LockedError as error:
                held.append(str(error))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held.count("won") == 1
        assert len(held) == 4


def test_a_dead_holder_is_replaced(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from phrasemill.engine.folder import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {holder.pid} on {os.uname().nodename}"), locked(tmp_path):
            pass
        holder.kill()
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} on {os.uname().nodename}\n"


def test_the_lock_is_not_inherited(tmp_path: Path) -> None:
    """A holder that is killed leaves a child behind; the folder is free all the same."""
    code = (
        "import subprocess, sys; from pathlib import Path; from phrasemill.engine.folder import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    child = [sys.executable, '-c', 'print(0, flush=True); input()']\n"
        "    subprocess.run(child, close_fds=False)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "0\n"  # by the child: it runs its own program, and lives until we close
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            pass


def test_the_lock_ends_with_its_block(tmp_path: Path) -> None:
    """Also where a child that is just being started still has the file open: a second descriptor stands for it."""
    with locked(tmp_path):
        place = os.stat(tmp_path / LOCK)
        held = next(fd for fd in range(3, 1024) if _is(fd, place))
        other = os.dup(held)
    try:
        with locked(tmp_path):
            pass
    finally:
        os.close(other)


def _is(fd: int, place: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), place)
    except OSError:
        return False


def test_sigterm_finishes_what_is_begun(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    command = scene.command("run", out)
    scene.project.server.delay = 0.2
    process = scene.start(command)
    wait_for_first_step(process)
    wait_until(lambda: scene.project.server.bodies)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert b"stopped by SIGTERM" in errors
    assert b"run the same command again" in errors
    scene.project.server.delay = 0.0
    monkeypatch.setattr(sys, "argv", ["phrasemill", *command])
    assert main() == 0
    assert verify(out).ok
    assert scene.losses(out, scene.reference("run")) == {}
