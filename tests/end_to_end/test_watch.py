"""`axiom watch` on a training of another process: drawn on a real terminal while it runs, until somebody ends it."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from typing import Any


class Terminal:
    """A terminal of 110 columns, and all that was written to it."""

    def __init__(self) -> None:
        self._master, self.end = pty.openpty()
        ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        self._written = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self._master, 65536):
                self._written += chunk
        except OSError:  # nobody holds the other end any longer
            return

    def text(self) -> str:
        """Without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._written.decode(errors="replace"))

    def close(self) -> None:
        os.close(self.end)
        self._thread.join(timeout=10)
        os.close(self._master)


def test_a_training_of_another_process_is_drawn_until_it_ends(
    home: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(tiny("watched", total_timesteps=100_000_000)))
    terminal = Terminal()
    with (tmp_path / "out").open("w") as out:
        training = home.start("axiom", "run", str(spec), stdout=out, stderr=out)
        metrics = wait_for(lambda: list(home.path.glob("runs/watched-*/train/metrics.jsonl")))[0]
        name = metrics.parents[1].name
        home.environment["TERM"] = "xterm-256color"
        watching = home.start("axiom", "watch", name, "--json", stdout=subprocess.PIPE, stderr=terminal.end)
        wait_for(lambda: re.search(r"train .*steps/s +ETA [\d:]+ +[▁▂▃▄▅▆▇█]{2,} +reward \d", terminal.text()))
        assert f"{name}  running" in terminal.text()
        training.send_signal(signal.SIGINT)
        answer, _ = watching.communicate(timeout=60)
        assert training.wait(timeout=60) == 1
    terminal.close()
    assert watching.returncode == 1
    assert json.loads(answer)["status"] == "cancelled"
    assert f"{name}  cancelled" in terminal.text()
    # A log is no terminal: lines, and nothing that moves a cursor.
    lines = (tmp_path / "out").read_text()
    assert "steps/s  ETA" in lines and "\x1b[" not in lines
