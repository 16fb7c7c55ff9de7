"""Where shards are worked on changes nothing of what is published; a worker that dies costs its own work alone."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engine.executors.slurm_array import SlurmOptions, slurm_options
from phrasemill.engine.executors.work import describe, revive
from phrasemill.engine.folder import LOGS, TEMPORARY
from phrasemill.engine.manifest import read_manifest
from phrasemill.engine.pool import MAX_DEATHS, run_jobs
from phrasemill.engine.scratch import ALIVE, Pulse, attempt_folder, refuse_living, scratch_folder
from phrasemill.engine.verify import verify
from phrasemill.schemas.errors import (
    ConfigError,
    InputError,
    IntegrityError,
    Interrupted,
    LockedError,
    PhrasemillError,
    WorkerError,
)
from tests.watching import there_now

ANSWERS = (
    "Certainly! It is on the shelf by the window.",
    "On the shelf. I hope this helps!",
    "It is where we delve into the drawer.",
    "I am Zorbot and I would put the bread into a paper bag on the shelf.",
)
DEADLINE = 240.0
"""Seconds after which something hangs: a loaded machine is no failure."""


def fill(project: Any, chat: Any, shards: int, rows: int = 40, *, large: int = 0) -> None:
    """Write so many files, a shard each; the first has ``large`` rows more."""
    for shard in range(shards):
        count = rows + (large if not shard else 0)
        turns = (("Where?", ANSWERS[(at + shard) % 4], f"And number {at}?", ANSWERS[at % 3]) for at in range(count))
        project.write(f"{shard}.parquet", [chat(f"{shard}-{at}", *each) for at, each in enumerate(turns)])


def tables(out: Path) -> dict[str, str]:
    """The content hash of every published file, once the folder is found to be as its records say."""
    assert verify(out).ok
    return {file.path: file.blake3 for shard in read_manifest(out).shards for file in shard.files}


def until(holds: Callable[[], Any]) -> Any:
    """What ``holds`` returns once it is true."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def workers_of(parent: int) -> list[int]:
    """Processes of a pool that the process started."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            line, about = (each / "cmdline").read_bytes(), (each / "stat").read_text()
        except OSError:
            continue
        if b"popen_loky_posix" in line and int(about.rpartition(")")[2].split()[1]) == parent:
            found.append(int(each.name))
    return found


def test_the_number_of_workers_changes_nothing(project: Any, chat: Any) -> None:
    fill(project, chat, 9)
    project.run("clean", workers=1)
    expected = tables(project.out)
    assert len(expected) > 9 * 4
    for workers in (2, 4, 8):
        out = project.root / f"with-{workers}"
        project.run("clean", workers=workers, out=out)
        assert tables(out) == expected
        assert not (out / TEMPORARY).exists()


def test_a_run_that_is_answered_from_the_log_is_the_same_with_workers(project: Any, chat: Any) -> None:
    fill(project, chat, 3)
    project.run(workers=1)
    sent = len(project.server.bodies)
    assert sent
    out = project.root / "again"
    report = project.run(workers=2, out=out, base=project.out)
    assert tables(out) == tables(project.out)
    assert (report.model.sent, len(project.server.bodies)) == (0, sent)


@contextmanager
def killing(out: Path, name: str) -> Iterator[list[str]]:
    """Kill all workers of this process whenever an execution of the shard begins; yields the executions seen."""
    seen: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):
            for work in there_now(out / TEMPORARY, f"*/{name}.*"):
                if work.name not in seen:
                    seen.append(work.name)
                    for pid in workers_of(os.getpid()):
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def test_a_shard_that_kills_its_worker_ends_the_run_with_all_others_published(project: Any, chat: Any) -> None:
    fill(project, chat, 3, large=4_000)
    project.run("clean", workers=1, out=project.root / "calm")
    expected = tables(project.root / "calm")
    fatal = max(read_manifest(project.root / "calm").shards, key=lambda shard: shard.rows_in)
    with killing(project.out, fatal.key) as seen, pytest.raises(WorkerError) as caught:
        project.run("clean", workers=2)
    assert caught.value.exit_code == 4
    assert re.search(r"0\.parquet row groups 0-0: its worker process died 3 times.*SIGKILL", str(caught.value))
    assert len(seen) == MAX_DEATHS
    assert {shard.key for shard in read_manifest(project.out).shards} == {
        shard.key for shard in read_manifest(project.root / "calm").shards if shard.key != fatal.key
    }
    report = project.run("clean", workers=2)
    assert (report.done, report.skipped) == (1, 2)
    assert tables(project.out) == expected


def test_workers_that_die_once_cost_nothing(tmp_path: Path) -> None:
    def work(job: int) -> int:
        if job in (2, 5):
            path = tmp_path / str(job)
            if not path.exists():
                path.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return job * job

    results = run_jobs(work, range(8), workers=3, stopping=lambda: False)
    assert sorted(results) == [job * job for job in range(8)]


def test_a_job_that_raises_ends_the_whole_with_its_own_error() -> None:
    def work(job: int) -> int:
        if job == 1:
            raise InputError("a file that is none")
        return job

    with pytest.raises(InputError, match="a file that is none"):
        list(run_jobs(work, range(4), workers=2, stopping=lambda: False))


def test_nothing_is_begun_once_it_is_stopped() -> None:
    taken: list[int] = []

    def work(job: int) -> int:
        return job

    for result in run_jobs(work, range(50), workers=2, stopping=lambda: bool(taken)):
        taken.append(result)
    assert 1 <= len(taken) < 50


def test_workers_of_a_killed_run_end_and_the_run_goes_on(project: Any, chat: Any) -> None:
    fill(project, chat, 6, rows=300)
    project.run("clean", workers=1, out=project.root / "calm")
    policy = project.root / "all.yaml"
    policy.write_text("gate: {max_dropped: 1, max_quarantined: 1}\n")
    command = [sys.executable, "-m", "phrasemill.engine.cli", "clean", str(project.input), "-o", str(project.out)]
    command += ["--pack", str(project.pack), "--policy", str(policy), "--workers", "2", "-q"]
    run = subprocess.Popen(command, cwd=project.root)
    until(lambda: run.poll() is not None or list((project.out / "_commits").glob("[!.]*.json")))
    orphans = workers_of(run.pid)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and alive(pid) for pid in orphans))
    assert orphans
    assert subprocess.run(command, cwd=project.root, timeout=DEADLINE).returncode == 0
    assert tables(project.out) == tables(project.root / "calm")
    assert not (project.out / TEMPORARY).exists()


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and was not asked for yet does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_every_execution_has_a_folder_of_its_own_while_its_run_goes_on(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as scratch:
        assert attempt_folder(scratch, "k") != attempt_folder(scratch, "k")
        pulse = Pulse(scratch)
        assert not pulse.gone()
    assert not (tmp_path / TEMPORARY).exists()
    assert [pulse.gone(), pulse.gone()] == [False, True]
    with pytest.raises(FileNotFoundError):
        attempt_folder(scratch, "k")


def test_a_run_whose_folder_another_swept_says_so(tmp_path: Path) -> None:
    def swept() -> None:
        with scratch_folder(tmp_path) as scratch:
            (scratch / ALIVE).unlink()
            scratch.rmdir()
            attempt_folder(scratch, "k")

    with pytest.raises(LockedError, match="another run has taken this folder over"):
        swept()


def test_a_run_that_lost_its_folder_leaves_the_winners_manifest_alone(project: Any, chat: Any) -> None:
    """A mount on which locks do not reach other machines: as if there were no lock."""
    fill(project, chat, 3)
    won: list[bytes] = []

    def on_commit(_: object) -> None:
        if not won:
            (project.out / ".lock").unlink()
            project.run("clean", workers=1)
            won.append((project.out / "manifest.json").read_bytes())

    with pytest.raises(LockedError, match="another run has taken this folder over"):
        project.run("clean", workers=1, on_commit=on_commit)
    assert won == [(project.out / "manifest.json").read_bytes()]
    assert verify(project.out).problems == ()


def test_a_run_that_beats_on_another_machine_is_told_from_one_that_was_killed_there(tmp_path: Path) -> None:
    beat = tmp_path / TEMPORARY / "0123" / ALIVE
    beat.parent.mkdir(parents=True)
    beat.write_text("7 elsewhere 1\n")
    refuse_living(tmp_path, 0.5)
    ended = threading.Event()

    def beats() -> None:
        count = 1
        while not ended.wait(0.05):
            count += 1
            beat.write_text(f"7 elsewhere {count}\n")

    thread = threading.Thread(target=beats)
    thread.start()
    try:
        with pytest.raises(LockedError, match="process 7 on elsewhere"):
            refuse_living(tmp_path, DEADLINE)
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (InputError("a.parquet: is none"), InputError, "a.parquet: is none"),
        (OSError(28, "No space left on device", "/out/x"), OSError, "No space left"),
        (KeyError("lost"), PhrasemillError, "the trace.*b.parquet: its worker failed; this is a bug"),
    ],
)
def test_errors_come_back_from_another_machine(error: Exception, kind: type[Exception], says: str) -> None:
    back = revive(describe(error, "the trace\n"), "b.parquet")
    assert type(back) is kind
    assert re.search(says, str(back), re.DOTALL)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "got no partition"),
        (["time=1"], "got no partition"),
        (["partition=cpu", "gpus=1"], "got 'gpus', expected KEY=VALUE with one of partition, time"),
        (["partition=cpu", "cpus=two"], "expected a whole number above 0"),
        (["partition=cpu", "memory=0"], "expected a whole number above 0"),
        (["partition=cpu", "time=soon"], "expected minutes, HH:MM:SS or D-HH:MM:SS"),
        (["partition=cpu\n#SBATCH --uid=0"], "expected a name"),
        (["partition=cpu", "setup=a\nb"], "expected one shell command"),
    ],
)
def test_options_of_slurm_that_are_none(given: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        slurm_options(given)


def test_options_of_slurm() -> None:
    given = ["partition=cpu,big", "time=1-00:00:00", "cpus=2", "memory=6", "setup=module load python=3"]
    assert slurm_options(given) == SlurmOptions("cpu,big", "1-00:00:00", 2, 6, "module load python=3")


SBATCH = r"""#!/bin/bash
# Stands in for sbatch: runs the tasks of an array one after the other, in the background.
state=STATE
id=$(( $(ls "$state" | grep -c '^job-') + 1 ))
cp "${@: -1}" "$state/job-$id"
env > "$state/environment-$id"
range=$(sed -n 's/^#SBATCH --array=0-\([0-9]*\).*/\1/p' "$state/job-$id")
nohup setsid bash -c '
cd /
for task in $(seq 0 "$2"); do
    [ -e "$0/cancelled-$1" ] && break
    if [ -e "$0/lose-$task" ]; then mv "$0/lose-$task" "$0/lost-$task"; continue; fi
    [ -e "$0/lose-all" ] && continue
    SLURM_ARRAY_TASK_ID=$task SLURM_JOB_ID=$1 SLURM_NODELIST=node1 bash "$0/job-$1" || echo "task $task: $?"
done
touch "$0/ended-$1"
' "$state" "$id" "$range" > "$state/output-$id" 2>&1 < /dev/null &
echo "Submitted batch job $id"
"""
COMMANDS = {
    "sbatch": SBATCH,
    "squeue": '#!/bin/bash\nfor each in "$@"; do [[ $each == --jobs=* ]] && id=${each#--jobs=}; done\n'
    '[ -e "STATE/ended-$id" ] || echo "$id"\n',
    "scancel": '#!/bin/bash\ntouch "STATE/cancelled-${@: -1}"\n',
    "scontrol": '#!/bin/bash\necho "${@: -1}"\n',
    "srun": '#!/bin/bash\nwhile [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done\nexec "$@"\n',
}


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands of Slurm in PATH; returns the folder of what they were given."""
    pytest.importorskip("datatrove", reason="datatrove is not installed")
    state, commands = tmp_path / "slurm", tmp_path / "commands"
    state.mkdir()
    commands.mkdir()
    for name, text in COMMANDS.items():
        path = commands / name
        path.write_text(text.replace("STATE", str(state)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    return state


OPTIONS = SlurmOptions("cpu", "00:30:00", cpus=2, memory=5, setup="export PHRASEMILL_TEST=ready")


def test_slurm_gives_the_same_tables_and_its_script_asks_for_what_was_said(
    project: Any, chat: Any, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")  # a driver may run in a job itself
    fill(project, chat, 5)
    project.run(workers=1)
    sent = len(project.server.bodies)
    (queue / "lose-1").touch()  # a task that the cluster loses: its shards are handed over again
    out = project.root / "by-slurm"
    report = project.run(out=out, base=project.out, executor="slurm", slurm=OPTIONS, workers=1)
    assert tables(out) == tables(project.out)
    assert (report.model.sent, len(project.server.bodies), report.done) == (0, sent, 5)
    assert (queue / "lost-1").exists()
    assert not (out / TEMPORARY).exists()
    script = (queue / "job-1").read_text()
    assert subprocess.run(["bash", "-n", str(queue / "job-1")], timeout=DEADLINE).returncode == 0
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, re.MULTILINE))
    wanted = {"array": "0-3%1", "partition": "cpu", "time": "00:30:00", "cpus-per-task": "2", "mem-per-cpu": "3G"}
    assert wanted.items() <= asked.items()
    assert asked["chdir"] == "/"
    assert "qos" not in asked
    assert "export PHRASEMILL_TEST=ready" in script
    assert re.search(r"^srun .*-n 1 launch_pickled_pipeline /", script, re.MULTILINE)
    assert "SLURM_ARRAY_TASK_ID" not in (queue / "environment-1").read_text()
    assert os.environ["SLURM_ARRAY_TASK_ID"] == "3"


def test_shards_that_slurm_never_gives_back_end_the_run(project: Any, chat: Any, queue: Path) -> None:
    fill(project, chat, 2)
    (queue / "lose-all").touch()
    with pytest.raises(WorkerError, match=r"\.parquet row groups 0-0 \(and 1 more\): its task ended 2 times"):
        project.run("clean", executor="slurm", slurm=OPTIONS, workers=1)
    assert (project.out / LOGS).is_dir()
    assert read_manifest(project.out).shards == ()
    report = project.run("clean", workers=1)
    assert report.done == 2


def test_a_file_that_is_gone_on_a_node_ends_the_run_as_it_does_here(project: Any, chat: Any, queue: Path) -> None:
    fill(project, chat, 2)
    gone = project.input / "1.parquet"
    script = queue.parent / "commands" / "sbatch"
    script.write_text(script.read_text().replace("id=$((", f"rm -f {gone}\nid=$((", 1))
    with pytest.raises(IntegrityError, match=r"1\.parquet.*[Ee]verything else was done"):
        project.run("clean", executor="slurm", slurm=OPTIONS, workers=1)
    assert len(read_manifest(project.out).shards) == 1


def test_a_signal_withdraws_what_waits_and_publishes_what_runs(project: Any, chat: Any, queue: Path) -> None:
    fill(project, chat, 4)
    ended = threading.Event()

    def stop() -> None:
        while not ended.wait(0.01):
            if list((project.out / "_commits").glob("[!.]*.json")):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        with pytest.raises(Interrupted) as caught:
            project.run("clean", executor="slurm", slurm=OPTIONS, workers=1)
    finally:
        ended.set()
        thread.join()
    assert caught.value.exit_code == 143
    assert (queue / "cancelled-1").exists()
    done = len(read_manifest(project.out).shards)
    assert 1 <= done < 4
    assert not (project.out / TEMPORARY).exists()
    report = project.run("clean", workers=1)
    assert (report.done, report.skipped) == (4 - done, done)


def test_slurm_that_is_not_there(project: Any, chat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datatrove", reason="datatrove is not installed")
    fill(project, chat, 1)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="sbatch is not there"):
        project.run("clean", executor="slurm", slurm=OPTIONS)
