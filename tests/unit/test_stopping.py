"""Signals that stop a run in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from phrasemill.engine.stopping import stop_on_signals
from phrasemill.schemas.errors import Interrupted


def test_a_signal_that_comes_twice_at_once_is_one() -> None:
    with stop_on_signals() as stop:
        assert not stop
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM
        with pytest.raises(Interrupted) as error:
            stop.check()
    assert error.value.exit_code == 143


def test_a_later_one_ends_the_process() -> None:
    code = (
        "import time\n"
        "from phrasemill.engine.stopping import stop_on_signals\n"
        "with stop_on_signals():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(1.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM
    process.stdout.close()
