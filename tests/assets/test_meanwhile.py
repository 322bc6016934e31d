"""While an evaluation is waited for, what its analysis needs is loaded; what cannot be loaded is in nobody's way."""

import subprocess
import sys
from threading import enumerate as threads

from assets.meanwhile import ANALYSIS, loading

DRAWN = """
import sys
from assets.meanwhile import ANALYSIS, loading
with loading(*ANALYSIS):
    pass
loaded = set(sys.modules)
from assets.figures import learning_curve
from assets.replays.cart_pole import cart_pole_film
from assets.report.page import rendered
learning_curve([{"agent_steps": 1, "overview/reward": 1.0}], "a").files()
cart_pole_film({"observations": [[0, 0, 0, 0]] * 2, "actions": [0], "rewards": [1.0], "terminated": False})
rendered("style.css")
print(*(set(sys.modules) - loaded))
"""


def test_what_an_analysis_draws_and_writes_with_is_loaded_while_its_evaluation_is_waited_for() -> None:
    done = subprocess.run([sys.executable, "-c", DRAWN], capture_output=True, text=True, check=True)
    # Pillow looks for its formats when it writes the first file.
    assert {name.partition(".")[0] for name in done.stdout.split()} <= {"PIL", "encodings"}


def test_a_module_that_cannot_be_loaded_is_left_to_who_needs_it_and_no_thread_stays() -> None:
    with loading("assets.no_such_module", *ANALYSIS[:1]):
        pass
    assert "assets.report" in sys.modules
    assert "loading" not in {thread.name for thread in threads()}
