"""Action distributions against torch's own, which are slower but known to be right."""

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal

from trainer.policies.heads import CategoricalHead, GaussianHead


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def test_categorical_log_probabilities_and_entropy_equal_those_of_torch(features):
    head = CategoricalHead(8, 3)
    torch.nn.init.normal_(head.layer.weight)
    parameters = head(features)
    actions = torch.tensor([0, 1, 2, 1, 0])
    reference = Categorical(logits=head.layer(features))
    torch.testing.assert_close(head.log_prob(parameters, actions), reference.log_prob(actions))
    torch.testing.assert_close(head.entropy(parameters), reference.entropy())


def test_gaussian_log_probabilities_and_entropy_equal_those_of_torch(features):
    head = GaussianHead(8, 2)
    with torch.no_grad():
        head.log_std.copy_(torch.tensor([-0.5, 0.3]))
    parameters = head(features)
    reference = Independent(Normal(head.layer(features), head.log_std.exp()), 1)
    actions = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(head.log_prob(parameters, actions), reference.log_prob(actions))
    torch.testing.assert_close(head.entropy(parameters), reference.entropy())


def test_categorical_samples_come_as_often_as_their_probability_says():
    log_probs = torch.tensor([0.7, 0.2, 0.1]).log().expand(20_000, 3)
    counts = CategoricalHead(4, 3).sample(log_probs, torch.Generator().manual_seed(0)).bincount(minlength=3)
    torch.testing.assert_close(counts / 20_000, torch.tensor([0.7, 0.2, 0.1]), atol=0.01, rtol=0)


def test_gaussian_samples_have_the_mean_and_deviation_they_should():
    parameters = torch.tensor([1.0, -2.0, 0.0, 0.5]).expand(20_000, 4)
    samples = GaussianHead(4, 2).sample(parameters, torch.Generator().manual_seed(0))
    torch.testing.assert_close(samples.mean(0), torch.tensor([1.0, -2.0]), atol=0.04, rtol=0)
    torch.testing.assert_close(samples.std(0).log(), torch.tensor([0.0, 0.5]), atol=0.02, rtol=0)


@pytest.mark.parametrize("head", [CategoricalHead(8, 3), GaussianHead(8, 2)])
def test_the_mode_is_the_likeliest_action_and_samples_follow_the_generator(head, features):
    parameters = head(features)
    samples = [head.sample(parameters, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])
    assert (head.log_prob(parameters, head.mode(parameters)) >= head.log_prob(parameters, samples[0]) - 1e-6).all()
