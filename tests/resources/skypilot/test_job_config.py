"""What may be rented, and what is refused before money is spent."""

from typing import Any

import pytest

from resources.skypilot.job_config import SkypilotJobConfig
from trainer.contract import Refused


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nodes": 0}, "nodes = 0"),
        ({"gpus": -1}, "gpus = -1"),
        ({"accelerator": "H100:8"}, "did you mean 'H100'"),
        ({"mode": "managed"}, "`artifacts` must name a bucket or a shared path"),
        ({"env": {"WANDB_API_KEY": "s3cr3t"}}, "WANDB_API_KEY looks like a secret; name it in `secrets`"),
        ({"env": {"AXIOM_HOME": "/x"}}, "AXIOM_HOME is set by the launch itself"),
        ({"env": {"A B": "x"}}, "'A B' is not the name of a variable"),
        ({"cpus": "many"}, "cpus = 'many'"),
        ({"infra": "aws us-east-1"}, "infra = 'aws us-east-1'"),
        ({"infra": "aws/us-east-1", "region": "us-west-2"}, "names a region already"),
        ({"gpus": 0, "accelerator": "H100"}, "with gpus=0"),
        ({"artifacts": "s3://bucket/axiom", "cluster": "mine"}, "is for mode 'cluster'"),
        ({"artifacts": "bucket"}, "artifacts = 'bucket'"),
        ({"budget_dollars": 0}, "budget_dollars = 0"),
        ({"gpu": 2}, "did you mean 'gpus'"),
    ],
)
def test_what_could_only_fail_later_is_refused_with_its_reason(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        SkypilotJobConfig.accept(given)
    assert words in str(refused.value)


@pytest.mark.parametrize("given", [{"secrets": ["sk-live-123"]}, {"env": {"MY_TOKEN": "sk-live-123"}}])
def test_a_secret_in_the_wrong_place_is_refused_without_repeating_it(given: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        SkypilotJobConfig.accept(given)
    assert "sk-live" not in str(refused.value)


def test_the_names_of_the_seeds_are_enough() -> None:
    config = SkypilotJobConfig(gpus=4, nodes=2, spot=False, git_check=False)
    assert (config.gpus, config.nodes, config.spot, config.git_check, config.processes) == (4, 2, False, False, 4)


def test_a_place_for_artifacts_makes_a_job_managed() -> None:
    assert SkypilotJobConfig().job_mode == "cluster"
    assert SkypilotJobConfig(artifacts="s3://bucket").job_mode == "managed"
    assert SkypilotJobConfig(artifacts="s3://bucket", mode="cluster").job_mode == "cluster"
