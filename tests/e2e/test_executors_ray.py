"""A Ray cluster of three nodes on one machine: the same tables, and a node that is killed costs its shard in flight."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from phrasemill.engine.folder import TEMPORARY
from phrasemill.engine.manifest import read_manifest
from phrasemill.engine.settings import dump_config
from phrasemill.engine.verify import verify
from tests.watching import there_now

pytest.importorskip("datatrove", reason="datatrove is not installed")
pytest.importorskip("ray", reason="ray is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # what Ray and its parts warn of is theirs

DEADLINE = 900.0
"""Seconds after which something hangs: a loaded machine is no failure."""

START_TRIES = 3
"""A node gives up by itself when its parts take 15 seconds to start, as they may on a loaded machine."""

PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
"""Ports that a node otherwise waits for its parts to choose, and no longer than 15 seconds."""

ANSWERS = (
    "Certainly! It is on the shelf.",
    "On the shelf. I hope this helps!",
    "I am Zorbot and I would put it there.",
)

RUN = """
import json, sys
from pathlib import Path
from phrasemill.engine.run import RunOptions, execute
from phrasemill.engine.settings import load_config
base = Path(sys.argv[4]) if len(sys.argv) > 4 else None
options = RunOptions(mode=sys.argv[3], base=base, workers=3, executor="ray", show_progress=False)
report = execute(load_config(Path(sys.argv[1])), Path(sys.argv[2]), options)
print(json.dumps({"done": report.done, "again": report.again, "sent": report.model.sent}))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    found = Cluster()
    tried(lambda: found.add_node(num_cpus=1, include_dashboard=False, **ports()))
    yield found
    found.shutdown()


def ports() -> dict[str, int]:
    """Free ports for the parts of a node."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in PORTS]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(PORTS, sockets, strict=True)}


def tried(start: Callable[[], Any]) -> Any:
    for _ in range(START_TRIES):
        with suppress(Exception):  # Ray raises plain Exception
            return start()
    pytest.skip(f"Ray gave up starting a node {START_TRIES} times: the machine is too busy for its limits")


def two_more(cluster: Any) -> list[Any]:
    """Two nodes more than the head, which are there when this returns."""
    while len(cluster.worker_nodes) < 2:
        tried(lambda: cluster.add_node(num_cpus=1, **ports()))
    return list(cluster.worker_nodes)


def begin(project: Any, cluster: Any, out: Path, mode: str, *more: str) -> subprocess.Popen[bytes]:
    path = project.root / "config.yaml"
    path.write_text(dump_config(project.config()))
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(path), str(out), mode, *more]
    return subprocess.Popen(command, cwd=project.root, env=environment, stdout=subprocess.PIPE)


def end(run: subprocess.Popen[bytes]) -> dict[str, Any]:
    said, _ = run.communicate(timeout=DEADLINE)
    assert run.returncode == 0
    report: dict[str, Any] = json.loads(said.splitlines()[-1])
    return report


def fill(project: Any, chat: Any, shards: int, rows: int) -> None:
    for shard in range(shards):
        turns = (("Where?", ANSWERS[(at + shard) % 3], f"And {at}?", ANSWERS[at % 2]) for at in range(rows))
        project.write(f"{shard}.parquet", [chat(f"{shard}-{at}", *each) for at, each in enumerate(turns)])


def tables(out: Path) -> dict[str, str]:
    assert verify(out).ok
    return {file.path: file.blake3 for shard in read_manifest(out).shards for file in shard.files}


def above(pid: int) -> Iterator[int]:
    """The process, its parent, and so on."""
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def halted(out: Path, raylets: dict[int, Any], run: subprocess.Popen[bytes]) -> tuple[str, int, Any]:
    """A shard that one of these nodes works on, the process that does, now halted in the midst of it, and the node."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until and run.poll() is None:
        for path in there_now(out / TEMPORARY, "*/shards-0/begun/*"):
            key = path.name.partition(".")[0]
            with suppress(OSError, ValueError, IndexError):
                pid = int(path.read_text().split()[0])
                node = next((raylets[each] for each in above(pid) if each in raylets), None)
                if node is not None:
                    os.kill(pid, signal.SIGSTOP)
                    if not [each for name in ("results", "done") for each in path.parent.parent.glob(f"{name}/{key}")]:
                        return key, pid, node
                    os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)
    raise AssertionError("no shard was met in the midst of its work")


def test_a_killed_node_costs_its_shard_in_flight(project: Any, chat: Any, cluster: Any) -> None:
    fill(project, chat, 5, 2_000)
    project.run("clean", workers=1, out=project.root / "calm")
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in two_more(cluster)}
    run = begin(project, cluster, project.out, "clean")
    pid = None
    try:
        key, pid, node = halted(project.out, raylets, run)
        cluster.remove_node(node, allow_graceful=False)
        report = end(run)
    finally:
        run.kill()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert report == {"done": 5, "again": [key], "sent": 0}
    assert tables(project.out) == tables(project.root / "calm")
    assert not (project.out / TEMPORARY).exists()


def test_a_run_that_is_answered_from_the_log_is_the_same_by_ray(project: Any, chat: Any, cluster: Any) -> None:
    fill(project, chat, 3, 30)
    project.run(workers=1)
    sent = len(project.server.bodies)
    assert sent
    out = project.root / "by-ray"
    assert end(begin(project, cluster, out, "run", str(project.out))) == {"done": 3, "again": [], "sent": 0}
    assert tables(out) == tables(project.out)
    assert len(project.server.bodies) == sent
