"""The words that every log keeps of a stage's progress can be read back, as exactly as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.contract import Progress

NUMBERS = st.floats(0, 1e9, allow_nan=False)
NAMES = st.sampled_from(["overview/reward", "losses/entropy", "losses/approx_kl", "charts/SPS"])
STAGES = st.sampled_from(["train", "evaluate"])
METRICS = st.dictionaries(NAMES, st.floats(-1e300, 1e300))


@given(STAGES, st.integers(0, 10**12), st.integers(1, 10**12), NUMBERS, NUMBERS, METRICS)
def test_words_say_the_same_again_after_they_were_read(stage, done, total, pace, eta, metrics) -> None:
    said = Progress(stage=stage, done=done, total=total, steps_per_second=pace, eta_seconds=eta, metrics=metrics)
    read = Progress.read(str(said))
    assert read is not None
    assert (read.stage, read.done, read.total, str(read)) == (stage, done, total, str(said))
    assert read.metrics == {name: float(f"{value:.4g}") for name, value in metrics.items()}


@pytest.mark.parametrize(
    "words",
    ["", "train succeeded: /runs/one", "evaluate: arena/basic: 5.48 (random 3.32)", "train 1/2", "job 7: RUNNING"],
)
def test_other_words_are_no_progress(words: str) -> None:
    assert Progress.read(words) is None
