"""The register of implementations: one word in module, class and tag, described, and known without torch."""

import re
import subprocess
import sys

import pytest

from trainer.ops.op import Op, implementations

OPS = [op for named in implementations().values() for op in named.values()]


def test_every_slot_knows_its_implementations():
    assert {slot: sorted(named) for slot, named in implementations().items()} == {
        "adam_step": ["adam", "adamw", "muon", "sgd"],
        "clip_gradients": ["global_norm"],
        "compute_reward": ["as_given", "clipped"],
        "curriculum": ["bucketed", "fixed", "learning_progress", "levels"],
        "compute_advantage": ["gae", "monte_carlo", "td_lambda", "vtrace"],
        "compute_loss": ["a2c", "ppo_clip", "ppo_kl"],
    }


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_implementation_has_one_word_a_source_and_described_parameters(op: type[Op]):
    assert op.__module__ == f"trainer.ops.{op.name}"
    assert op.__name__.lower() == op.name.replace("_", "")
    without_paper = ("as_given", "fixed")
    assert op.name in without_paper or re.search(r"\b(19|20)\d\d\b", sys.modules[op.__module__].__doc__ or "")
    assert op.__doc__
    assert op.__doc__.splitlines()[0].endswith((".", ":"))
    assert all((field.description or "").endswith(".") for field in op.model_fields.values())
    assert op() == op.accept(op().plain()), "defaults make an op, and an op is plain data"


def test_the_register_is_read_without_torch():
    code = "import sys; from trainer.ops.op import implementations; implementations(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
