"""The client of the real SDK without a SkyPilot behind it: what it does when there is no answer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resources.skypilot.remote import SkyPilotError
from resources.skypilot.sdk_client import SdkSkyPilot

CLOSED = "http://127.0.0.1:9"


def child(folder: Path, script: str) -> str:
    """A program in the place of the child."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_the_client_and_the_seam_never_import_sky() -> None:
    program = "import sys, resources.skypilot.sdk_client, resources.skypilot.sdk; print('sky' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_api_server_out_of_reach_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "SKYPILOT_API_SERVER_ENDPOINT": CLOSED,
        "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
    }
    with pytest.raises(SkyPilotError) as raised:
        SdkSkyPilot(environment).find("axiom-nobody-train", "managed")
    assert CLOSED in raised.value.said
    assert "sky api" in raised.value.remedy


def test_a_task_that_skypilot_refuses_is_an_error_in_its_own_words(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "SKYPILOT_API_SERVER_ENDPOINT": CLOSED,
        "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
    }
    with pytest.raises(SkyPilotError) as raised:
        SdkSkyPilot(environment).launch({"name": "axiom-x-train", "nodes": 2}, "axiom-x-train", "managed")
    assert "nodes" in raised.value.said


def test_a_child_without_an_answer_is_ended_with_its_own_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    python = child(tmp_path, f"sleep 1000 & echo $! > {pid_file}; wait")
    sky = SdkSkyPilot(timeouts_seconds={"jobs": 1.0}, python=python)
    with pytest.raises(SkyPilotError, match="nothing for 1 s"):
        sky.jobs()
    assert gone(int(pid_file.read_text()))


def test_a_child_that_dies_tells_its_last_words_without_the_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hush-0123456789")
    python = child(tmp_path, "echo 'no module; key hush-0123456789' >&2; exit 9")
    with pytest.raises(SkyPilotError) as raised:
        SdkSkyPilot(python=python).jobs()
    assert "ended with 9" in raised.value.said and "no module" in raised.value.said
    assert "hush" not in str(raised.value)


def test_the_task_travels_over_stdin_and_never_stands_in_the_command_line(tmp_path: Path) -> None:
    kept = tmp_path / "arguments"
    python = child(tmp_path, f'echo "$@" > {kept}; cat > /dev/null; echo \'{{"ok": "request-1"}}\'')
    sky = SdkSkyPilot(python=python)
    assert sky.launch({"secrets": {"TOKEN": "hush-0123456789"}}, "axiom-x-train", "managed") == "request-1"
    assert kept.read_text().split() == ["-P", "-m", "resources.skypilot.sdk", "launch"]


def gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if " Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
