"""Whoever asks SkyPilot and is killed leaves nobody behind who asks on: a launch sent late would be a second one."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.resources.skypilot.dagster_side import wait_for

ASK = "from resources.skypilot.sdk_client import SdkSkyPilot; SdkSkyPilot().find('axiom-nobody-train', 'managed')"


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells children of a death")
def test_a_question_dies_with_whoever_asked_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {**os.environ, "SKYPILOT_API_SERVER_ENDPOINT": endpoint, "PYTHONSAFEPATH": ""}
        with subprocess.Popen([sys.executable, "-c", ASK], env=environment, cwd=Path(__file__).parents[3]) as asker:
            child = wait_for(lambda: children_of(asker.pid))[0]
            # A question that has got this far has a death of its asker to fear: SkyPilot is about to be asked.
            silent.settimeout(60)
            with silent.accept()[0]:
                asker.send_signal(signal.SIGKILL)
                wait_for(lambda: not Path(f"/proc/{child}").exists(), seconds=3)
