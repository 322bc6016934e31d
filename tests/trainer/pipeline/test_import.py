import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
for name in ("torch", "numpy", "gymnasium", "dagster"):
    sys.modules[name] = None
from trainer.pipeline import Pipeline, no_nan
assert Pipeline("p").stage("s", float).through(checks=[no_nan()]).run(1) == 1.0
"""


def test_pipelines_run_in_a_fresh_interpreter_without_torch_and_numpy() -> None:
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=False,
        cwd=root,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
