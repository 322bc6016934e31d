"""Compiled minibatches: what `Measuring` measures and differentiates, but for rounding; trainings that go on alike."""

import shutil
from contextlib import suppress

import pytest
import torch

from trainer.contract import AgentConfig, SystemConfig
from trainer.engine.compiled import COLUMNS, CompiledMeasuring, measurer_of
from trainer.engine.measuring import Measuring
from trainer.engine.parameters import Parameters
from trainer.entry import run_stage
from trainer.envs.interface import DiscreteActions, Spaces, TokenFeature, TokenObservations, VectorObservations
from trainer.policies.actor_critic import ActorCritic
from trainer.stopping import Cancelled

CPU = torch.device("cpu")
TOKENS = TokenObservations(5, (TokenFeature(5, "tag", 10.0, ("mine", "altar")),), window_width=3, window_height=3)
VECTORS = VectorObservations((6,))
ROWS = 12

# Torch's compiler, as it is loaded, calls what torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")
compiles = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")


def policy(observation=VECTORS, **agent) -> ActorCritic:
    torch.manual_seed(0)
    made = ActorCritic(Spaces(observation, DiscreteActions(3), 1), AgentConfig(hidden_sizes=(8, 8), **agent))
    torch.nn.init.normal_(made.head.layer.weight)
    if observation is VECTORS:
        made.observe(torch.randn(50, 6))
    return made


def spaces(observation) -> Spaces:
    return Spaces(observation, DiscreteActions(3), 1)


def test_nothing_is_compiled_unless_the_spec_says_so():
    made = policy()
    assert isinstance(measurer_of(made, spaces(VECTORS), SystemConfig(), CPU), Measuring)
    for mode in ("default", "reduce-overhead"):
        measurer = measurer_of(made, spaces(VECTORS), SystemConfig(compile=mode), CPU)
        assert isinstance(measurer, CompiledMeasuring)


def minibatch(observation, rows: int, width: int = 4):
    torch.manual_seed(rows)
    seen = torch.randn(1, rows, 6)
    if observation is TOKENS:
        seen = torch.randint(0, 7, (1, rows, width, 3), dtype=torch.uint8)
        seen[..., 1] = 5
        seen[..., 2] %= 2
    return seen, torch.zeros(1, rows, dtype=torch.bool), torch.arange(rows).remainder(3).unsqueeze(0)


def found(measurer, parameters: Parameters, made: ActorCritic, given) -> tuple[torch.Tensor, ...]:
    """What is measured, and the gradient of a loss of all of it."""
    seen, starts, actions = given
    measured = measurer.measure(seen, made.initial_state(starts.shape[1]), starts, actions)
    loss = measured.log_probs.mean() + measured.values.square().mean() - measured.entropy.square().mean()
    parameters.gradients.zero_()
    measurer.differentiate(loss)
    return *(each.detach().clone() for each in measured), parameters.gradients.clone()


@compiles
@pytest.mark.slow
@pytest.mark.parametrize("agent", [{}, {"activation": "tanh"}, {"core": "gru"}, {"precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("observation", [VECTORS, TOKENS], ids=["vectors", "tokens"])
def test_compiled_code_measures_and_differentiates_as_without_for_each_size_of_a_minibatch(observation, agent):
    plain, compiled = policy(observation, **agent), policy(observation, **agent)
    measuring, measurer = Measuring(plain), CompiledMeasuring(compiled, observation is TOKENS, graphs=False)
    parameters = Parameters(plain), Parameters(compiled)
    near = {"rtol": 0.05, "atol": 0.02} if "precision" in agent else {"rtol": 1e-4, "atol": 1e-5}
    for rows in (ROWS, ROWS, ROWS // 2):
        given = minibatch(observation, rows)
        expected = found(measuring, parameters[0], plain, given)
        for one, other in zip(found(measurer, parameters[1], compiled, given), expected, strict=True):
            torch.testing.assert_close(one, other, **near)


@compiles
@pytest.mark.slow
def test_tokens_of_any_width_up_to_the_next_step_share_compiled_code():
    made = policy(TOKENS)
    parameters, measurer = Parameters(made), CompiledMeasuring(made, tokens=True, graphs=False)
    counters = torch._dynamo.utils.counters["stats"]
    widths = (3, 5, COLUMNS, COLUMNS + 1, 2 * COLUMNS)
    compiled = []
    for width in widths:
        found(measurer, parameters, made, minibatch(TOKENS, ROWS, width))
        compiled.append(counters["unique_graphs"])
    assert [count - compiled[0] for count in compiled] == [0, 0, 0, 1, 1]


class StopsAt:
    """A reporter that stops the training after an update."""

    def __init__(self, agent_steps: int) -> None:
        self.agent_steps = agent_steps

    def progress(self, progress) -> None:
        if progress.done >= self.agent_steps:
            raise Cancelled

    def log(self, message: str) -> None:
        """Nothing."""


SWITCHES = {
    "bfloat16": {"agent": {"precision": "bfloat16"}},
    "compiled": {"system": {"compile": "default"}},
    "both": {"agent": {"precision": "bfloat16"}, "system": {"compile": "reduce-overhead"}},
}


@pytest.mark.parametrize(
    "switch",
    [name if name == "bfloat16" else pytest.param(name, marks=[compiles, pytest.mark.slow]) for name in SWITCHES],
)
def test_a_training_with_a_switch_is_repeatable_and_goes_on_bit_for_bit_after_an_interruption(
    small, start, trained, reporter, switch
):
    spec = small(**SWITCHES[switch])
    _, whole = trained(spec, "whole")
    run = start(spec, "interrupted")
    with suppress(Cancelled):
        run_stage("train", run, StopsAt(512))
    assert run_stage("train", run, reporter).weights_digest == whole.weights_digest
    assert trained(small(), "without")[1].weights_digest != whole.weights_digest
