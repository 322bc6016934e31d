"""The agent: encoder, optional core, action head and value head; never an environment or a loss."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

from trainer.contract import AgentConfig
from trainer.envs.interface import Spaces, TokenObservations
from trainer.policies.closed_form import ClosedForm
from trainer.policies.cores import Memoryless, build_core
from trainer.policies.encoders import TokenTrunk, VectorEncoder, VectorTrunk, build_encoder, linear, trunk
from trainer.policies.heads import CategoricalHead, build_head
from trainer.policies.network import Network, VectorNetwork
from trainer.policies.quick import QuickActor
from trainer.policies.token_network import TokenNetwork


def interface_of(spaces: Spaces) -> str:
    """What a policy's weights depend on: how observations are read and actions written, not how many agents there are.

    Weights fit an environment exactly when its interface is equal to that of the environment they were trained in.
    """
    seen = spaces.observation
    read = (seen.features, seen.window_width, seen.window_height) if isinstance(seen, TokenObservations) else seen
    return f"{read} -> {spaces.action}"


@dataclass(frozen=True)
class Judgement:
    """What the agent makes of T x N observations: action parameters (T, N, P), values (T, N), the core's state."""

    parameters: Tensor
    values: Tensor
    state: Tensor


@dataclass(frozen=True)
class Decision:
    """Actions (N, ...) with their log-probabilities (N,), the core's new state, and values (N,).

    No values: without memory `value` gives those of many steps at once, which then costs less.
    """

    actions: Tensor
    log_probs: Tensor
    state: Tensor
    values: Tensor | None = None


class Policy(Protocol):
    """What the op in the slot `policy` owes: a `torch.nn.Module` with these methods, its parameters all registered.

    Legend: T steps, N slots, B rows, * the shape of an observation. `state` (S, N, H) is what a recurrent policy
    remembers; without memory S is 0, and it must still be passed on.
    """

    def __call__(self, observations: Tensor, state: Tensor, starts: Tensor) -> Judgement:
        """Judge observations (T, N, *) from the state before them; `starts` (T, N): an episode begins there."""
        ...

    def act(
        self, observations: Tensor, state: Tensor, starts: Tensor, generator: Generator, *, greedy: bool = False
    ) -> Decision:
        """Choose an action for each of N observations (N, *), without gradients, all chance from `generator`."""
        ...

    def value(self, observations: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """Values (N,) of N observations, without gradients."""
        ...

    def log_prob(self, parameters: Tensor, actions: Tensor) -> Tensor:
        """Log-probabilities (B,) of the actions under the judged parameters (B, P)."""
        ...

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropies (B,) in nats of the judged parameters (B, P)."""
        ...

    def initial_state(self, slots: int) -> Tensor:
        """The state (S, N, H) before any episode."""
        ...

    def observe(self, observations: Tensor) -> None:
        """Learn the scale of observations (B, *), if that is done."""
        ...


class ActorCritic(nn.Module):
    """Policy and value function. Vectors without a core get two separate trunks; all else shares one."""

    def __init__(self, spaces: Spaces, config: AgentConfig) -> None:
        super().__init__()
        sizes = config.hidden_sizes
        shared = isinstance(spaces.observation, TokenObservations) or config.core != "none"
        self.trunk = _trunk(spaces, config)
        self.critic = None if shared else _trunk(spaces, config)
        self.core = build_core(config, sizes[-1])
        self.head = build_head(spaces.action, self.core.size)
        self.head_value = linear(self.core.size, 1, gain=1.0)

    def __getstate__(self) -> dict[str, Any]:
        """Without what works on the parameters where they lie: a copy makes its own."""
        return {name: value for name, value in vars(self).items() if name not in ("closed_form", "quick")}

    def forward(self, observations: Tensor, state: Tensor, starts: Tensor) -> Judgement:
        """Judge observations (T, N, *) from the core's state before them; `starts` (T, N): an episode begins there."""
        steps, slots = observations.shape[:2]
        flat = observations.flatten(0, 1)
        features, state = self.core(self.trunk(flat).unflatten(0, (steps, slots)), state, starts)
        seen = features if self.critic is None else self.critic(flat)
        return Judgement(self.head(features), self.head_value(seen).view(steps, slots), state)

    def act(
        self, observations: Tensor, state: Tensor, starts: Tensor, generator: Generator, *, greedy: bool = False
    ) -> Decision:
        """Choose an action for each of N observations (N, *)."""
        if self.quick:
            actions, log_probs, values = self.quick(observations, generator, greedy)
            return Decision(actions, log_probs, state, values)
        return self._judged(observations, state, starts, generator, greedy)

    @torch.no_grad()
    def _judged(
        self, observations: Tensor, state: Tensor, starts: Tensor, generator: Generator, greedy: bool
    ) -> Decision:
        judged = self(observations.unsqueeze(0), state, starts.unsqueeze(0))
        parameters = judged.parameters[0]
        actions = self.head.mode(parameters) if greedy else self.head.sample(parameters, generator)
        return Decision(actions, self.head.log_prob(parameters, actions), judged.state, judged.values[0])

    @cached_property
    def closed_form(self) -> ClosedForm | None:
        """Measures and differentiates without autograd; none off a CPU, for other networks, with a fixed parameter.

        Nor with one that two layers share: what it gives is the gradient of each by itself.
        """
        learns = all(parameter.requires_grad for parameter in self.parameters())
        alone = len(list(self.parameters())) == len(list(self.named_parameters(remove_duplicate=False)))
        return ClosedForm(*networks) if (networks := self._networks()) and learns and alone else None

    @cached_property
    def quick(self) -> QuickActor | None:
        """Acts in numpy; none off a CPU, or for other networks."""
        return QuickActor(*networks) if (networks := self._networks()) else None

    def _networks(self) -> tuple[int, Network, *tuple[Network, ...]] | None:
        """How many actions there are, and the network in numpy that scores them; then the critic, if it is another.

        None off a CPU, for other networks, or where a subclass may judge.
        """
        if type(self) is not ActorCritic or not isinstance(self.core, Memoryless) or not self._on_cpu():
            return None
        match self.trunk, self.head, self.critic:
            case VectorTrunk() as trunk, CategoricalHead(layer=last), VectorTrunk() as critic:
                return last.out_features, VectorNetwork(trunk, last), VectorNetwork(critic, self.head_value)
            case TokenTrunk() as trunk, CategoricalHead(layer=last), None:
                return last.out_features, TokenNetwork(trunk, last, self.head_value)
        return None

    def _on_cpu(self) -> bool:
        return all(parameter.device.type == "cpu" for parameter in self.parameters())

    @torch.no_grad()
    def value(self, observations: Tensor, state: Tensor, starts: Tensor) -> Tensor:
        """Values (N,) of N observations."""
        if self.quick:
            return self.quick.value(observations)
        return self(observations.unsqueeze(0), state, starts.unsqueeze(0)).values[0]

    def log_prob(self, parameters: Tensor, actions: Tensor) -> Tensor:
        """Log-probabilities (B,) of the actions under the judged parameters (B, P)."""
        return self.head.log_prob(parameters, actions)

    def entropy(self, parameters: Tensor) -> Tensor:
        """Entropies (B,) in nats of the judged parameters (B, P)."""
        return self.head.entropy(parameters)

    def initial_state(self, slots: int) -> Tensor:
        """The core's state (S, N, H) before any episode."""
        return self.core.initial_state(slots)

    def observe(self, observations: Tensor) -> None:
        """Let the scaling of vector observations (B, *) learn from a batch."""
        for module in self.modules():
            if isinstance(module, VectorEncoder):
                module.observe(observations)


def _trunk(spaces: Spaces, config: AgentConfig) -> nn.Sequential:
    sizes = config.hidden_sizes
    return trunk(build_encoder(spaces.observation, sizes[0]), sizes, config.activation, config.precision)


@dataclass(frozen=True)
class Blueprint:
    """For `policy`: what the agent sees and does, and the network that the spec describes."""

    spaces: Spaces
    agent: AgentConfig

    def actor_critic(self) -> ActorCritic:
        """The policy that the spec declares; torch's global generator, which is seeded, draws its weights."""
        return ActorCritic(self.spaces, self.agent)
